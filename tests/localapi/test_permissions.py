"""Sharing a tuned model's checkpoint with projects, as its owner sees it."""

import openai
import pytest

from tests.localapi.running import upload


@pytest.fixture(scope="module")
def job(server, client):
    made = client.fine_tuning.jobs.create(
        model="tinygpt",
        training_file=upload(client),
        hyperparameters={"n_epochs": 3},
    )
    return server.finished(made.id)


@pytest.fixture
def permissions(client):
    return client.fine_tuning.checkpoints.permissions


@pytest.fixture
def checkpoint(client, job, permissions):
    """A checkpoint of the job that is shared with nobody."""
    (_, name, _) = (
        each.fine_tuned_model_checkpoint
        for each in client.fine_tuning.jobs.checkpoints.list(job.id)
    )
    yield name
    for permission in permissions.list(name):
        permissions.delete(permission.id, fine_tuned_model_checkpoint=name)


def projects(page):
    return [permission.project_id for permission in page]


def test_the_newest_is_first_and_pages_follow_each_other(permissions, checkpoint):
    assert projects(permissions.list(checkpoint)) == []
    names = [f"proj_{number}" for number in range(5)]
    permissions.create(checkpoint, project_ids=names)
    page = permissions.list(checkpoint, limit=2)
    assert (len(page.data), page.has_more) == (2, True)
    assert projects(page) == names[::-1]  # iterating asks for the next pages
    assert projects(permissions.list(checkpoint, limit=2, order="ascending")) == names
    with pytest.deprecated_call():
        same = permissions.retrieve(checkpoint, limit=2)
    assert [each.id for each in same.data] == [each.id for each in page.data]
    assert (same.first_id, same.last_id) == (page.data[0].id, page.data[-1].id)


def test_one_project_can_be_asked_for(permissions, checkpoint):
    permissions.create(checkpoint, project_ids=["proj_a", "proj_b"])
    assert projects(permissions.list(checkpoint, project_id="proj_a")) == ["proj_a"]
    assert projects(permissions.list(checkpoint, project_id="proj_c")) == []


def test_sharing_twice_with_a_project_is_sharing_once(permissions, checkpoint):
    (first,) = permissions.create(checkpoint, project_ids=["proj_a"])
    again = permissions.create(checkpoint, project_ids=["proj_b", "proj_a", "proj_b"])
    assert projects(again) == ["proj_b", "proj_a"]
    assert again.data[-1] == first


def test_what_is_taken_back_is_gone(permissions, checkpoint):
    (made,) = permissions.create(checkpoint, project_ids=["proj_a"])
    given = {"fine_tuned_model_checkpoint": checkpoint}
    assert permissions.delete(made.id, **given).deleted
    assert projects(permissions.list(checkpoint)) == []
    with pytest.raises(openai.NotFoundError, match="No permission"):
        permissions.delete(made.id, **given)


def test_a_permission_belongs_to_one_model(permissions, checkpoint, job):
    (made,) = permissions.create(checkpoint, project_ids=["proj_a"])
    final = job.fine_tuned_model
    assert projects(permissions.list(final)) == []
    with pytest.raises(openai.NotFoundError):
        permissions.delete(made.id, fine_tuned_model_checkpoint=final)


def test_another_user_finds_no_such_checkpoint(permissions, checkpoint, stranger):
    (made,) = permissions.create(checkpoint, project_ids=["proj_a"])
    theirs = stranger.fine_tuning.checkpoints.permissions
    for act in (
        lambda: theirs.list(checkpoint),
        lambda: theirs.create(checkpoint, project_ids=["proj_x"]),
        lambda: theirs.delete(made.id, fine_tuned_model_checkpoint=checkpoint),
    ):
        with pytest.raises(openai.NotFoundError, match="not found"):
            act()
    assert projects(permissions.list(checkpoint)) == ["proj_a"]


@pytest.mark.parametrize("name", ["tinygpt", "gpt-4o-mini", "ft:none:x::y"])
def test_only_a_tuned_model_has_permissions(permissions, name):
    with pytest.raises(openai.NotFoundError) as caught:
        permissions.create(name, project_ids=["proj_a"])
    assert caught.value.param == "fine_tuned_model_checkpoint"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"project_ids": []}, "empty array"),
        ({"project_ids": ["proj_a"] * 101}, "maximum length 100"),
        ({"project_ids": [""]}, "too short"),
        ({"project_ids": "proj_a"}, "expected an array"),
        ({"project_ids": ["proj_a"], "colour": "red"}, "Unknown parameter"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(client, checkpoint, given, says):
    path = f"/fine_tuning/checkpoints/{checkpoint}/permissions"
    with pytest.raises(openai.BadRequestError, match=says):
        client.post(path, body=given, cast_to=object)


def test_an_unknown_order_is_refused(client, checkpoint):
    path = f"/fine_tuning/checkpoints/{checkpoint}/permissions?order=asc"
    with pytest.raises(openai.BadRequestError, match="'ascending'"):
        client.get(path, cast_to=object)


def test_the_permissions_of_a_deleted_model_go_with_it(client, server, permissions):
    made = client.fine_tuning.jobs.create(
        model="tinygpt", training_file=upload(client), suffix="short-lived"
    )
    model = server.finished(made.id).fine_tuned_model
    permissions.create(model, project_ids=["proj_a"])
    client.models.delete(model)
    with pytest.raises(openai.NotFoundError):
        permissions.list(model)
