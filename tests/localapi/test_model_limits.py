"""`GET /v1/fine_tuning/model_limits`, which no method of the SDK calls."""

from finetune_kit import catalog
from tests.localapi.running import SLOW, upload


def limits(client):
    return client.get("/fine_tuning/model_limits", cast_to=object)


def test_each_base_that_can_be_tuned_has_its_limits_and_one_s_own_jobs(
    client, stranger
):
    before = limits(client)
    assert before.keys() == {base.name for base in catalog.bases() if base.tunable}
    assert before["tinygpt"] == {
        "max_total_jobs": None,
        "max_concurrent_jobs": 1,
        "active_jobs": 0,
    }
    job = client.fine_tuning.jobs.create(
        model="tinygpt", training_file=upload(client), hyperparameters=SLOW
    )
    assert limits(client)["tinygpt"]["active_jobs"] == 1
    assert limits(stranger)["tinygpt"]["active_jobs"] == 0
    client.fine_tuning.jobs.cancel(job.id)
    assert limits(client) == before
