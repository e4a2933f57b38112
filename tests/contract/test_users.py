"""A key is a user: nothing of one user can be reached, or seen, by another."""

import re

import openai
import pytest
from openai._base_client import BasePage

from tests.contract import calls, fidelity, surface
from tests.localapi.running import SECOND_KEY

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
METHODS = surface.methods(openai.OpenAI(api_key="none"))
_ID = re.compile(
    r"(file-|ftjob-|upload_|part_|ftckpt_|chatcmpl-|cp_|resp_|wh|ft:|ft-|cmpl-)\w"
)
# Where the id stands in the body: answered as any id that does not exist.
_IN_BODY = {"training_file", "validation_file", "part_ids", "previous_response_id"}

_ASK_NOBODY = ("webhooks.unwrap", "webhooks.verify_signature")


@pytest.fixture(scope="module")
def stranger(server):
    """A user whose key is not the scene's."""
    client = server.client(server.own_key)
    assert client.api_key != calls.KEY == SECOND_KEY
    return client


def ids_in(given):
    return {
        name: value
        for name, value in given.items()
        if _ID.match(str(value[0] if isinstance(value, list) else value))
        and value != calls.MADE_UP
    }


@pytest.mark.parametrize("method", METHODS)
def test_no_id_of_another_user_answers_anything_but_not_found(
    scene, stranger, verdicts, method
):
    if verdicts[method, None].level not in ("supported", "approximate"):
        return  # nothing of anybody is there
    if method in _ASK_NOBODY:
        return
    try:
        given = fidelity.arranged(scene, method)
        for name, value in ids_in(given).items():
            made_up = ["part_" + "x" * 24] if isinstance(value, list) else "x" * 24
            foreign = refusal(stranger, method, given)
            unknown = refusal(stranger, method, given | {name: made_up})
            in_path = ids_in(given).keys() - _IN_BODY
            assert foreign.status_code == (404 if in_path else 400)
            assert masked(foreign, value) == masked(unknown, made_up)
    finally:
        scene.end_jobs()


def refusal(client, method, given):
    with pytest.raises(openai.APIStatusError) as caught:
        fidelity.called(client, method, given)
    return caught.value


def masked(error, value):
    """What the error says, but for the id."""
    text = value[0] if isinstance(value, list) else value
    fields = {**error.body, "message": error.body["message"].replace(text, "ID")}
    return error.status_code, fields


def test_another_user_s_model_neither_answers_nor_is_tuned(scene, stranger):
    model = scene.client.fine_tuning.jobs.retrieve(scene.job()).fine_tuned_model
    for call, error in [
        (stranger.chat.completions.create, openai.NotFoundError),
        (stranger.fine_tuning.jobs.create, openai.BadRequestError),
    ]:
        more = (
            {"messages": calls.MESSAGES}
            if error is openai.NotFoundError
            else {"training_file": calls.Scene(scene.server, stranger).file()}
        )
        with pytest.raises(error, match="does not exist"):
            call(model=model, **more)


def test_a_part_of_another_user_s_upload_is_no_part_of_one_s_own(scene, stranger):
    foreign = scene.upload(filled=True)["part_ids"]
    own = calls.Scene.upload(calls.Scene(scene.server, stranger))
    with pytest.raises(openai.BadRequestError, match="no part of this upload"):
        stranger.uploads.complete(**own, part_ids=foreign)


@pytest.mark.parametrize("method", [m for m in METHODS if m.endswith(".list")])
def test_no_list_shows_what_is_another_user_s(scene, stranger, verdicts, method):
    if verdicts[method, None].level not in ("supported", "approximate"):
        return
    scene.job()
    given = fidelity.arranged(scene, method)
    if ids_in(given):
        return  # a list of something of its own: not found, as above
    if not issubclass(surface.reply_type(method), BasePage):
        return  # names of events, which are everybody's
    own = {item.id for item in surface.found(scene.client, method)(**given)}
    seen = {item.id for item in surface.found(stranger, method)(**given)}
    shared = {item for item in own & seen if not _ID.match(item)}
    assert own & seen == shared  # bases, which are everybody's


def test_a_test_finds_ids_where_there_are_some(scene):
    given = fidelity.arranged(scene, "fine_tuning.jobs.list_events")
    assert ids_in(given).keys() == {"fine_tuning_job_id"}
    assert ids_in({"model": "tinygpt", "file_id": calls.MADE_UP}) == {}
