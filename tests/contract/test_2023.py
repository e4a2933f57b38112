"""The API of 2023: every request, every parameter, in exactly the shapes of then."""

import pytest
from pydantic import TypeAdapter, ValidationError

from finetune_kit.localapi import fine_tunes
from tests.contract import year_2023


@pytest.mark.parametrize("call", year_2023.CALLS)
def test_each_request_is_answered_in_its_shape(scene, call):
    assert year_2023.replied(scene, call)


@pytest.mark.parametrize("option", year_2023.OPTIONS)
def test_each_parameter_is_taken_and_the_fine_tune_succeeds(scene, option):
    job = year_2023.tuned_with(scene, option)
    assert job["status"] == "succeeded", job["events"][-1]
    asked = year_2023.OPTIONS[option].get(option)
    if option in job["hyperparams"] and asked is not None:
        assert job["hyperparams"][option] == asked


def test_every_request_and_parameter_that_there_is_was_tried():
    served = {
        (method, route.path.replace("fine_tune_id", "id"))
        for route in fine_tunes.routes
        for method in route.methods - {"HEAD"}
    }
    tried = {tuple(call.partition("?")[0].split(" ")) for call in year_2023.CALLS}
    assert tried == served
    parameters = set(fine_tunes.FineTuneRequest.__annotations__)
    assert set(year_2023.OPTIONS) == parameters - {"training_file"}


def test_a_foreign_key_or_status_would_be_seen(scene):
    job = year_2023.replied(scene, "POST /v1/fine-tunes")
    shape = TypeAdapter(year_2023.FineTune)
    for fault in ({"status": "queued"}, {"seed": 1}, {"created_at": "1"}):
        with pytest.raises(ValidationError):
            shape.validate_python(job | fault)
