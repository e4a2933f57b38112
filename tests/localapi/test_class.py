"""A class on one server: names for keys, budgets, a reset of one, and the page."""

import html
import itertools
import re
import sqlite3
import stat
import sys
from typing import NamedTuple
from urllib.parse import quote

import httpx
import openai
import pytest

from finetune_kit import key_file
from finetune_kit.localapi.hosts import is_here
from tests.localapi.running import (
    FIRST_KEY,
    RunningServer,
    chat_rows,
    until,
    until_running,
    upload,
)

INSTRUCTOR = "sk-instructor-0003"
BUDGET = 30  # seconds; the fake worker takes one for each line it writes
ODD_NAME = "Zoë <b>/Ben"


class Learner(NamedTuple):
    name: str
    key: str


@pytest.fixture(scope="module")
def class_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class")
    learners = [Learner(f"Learner {n}", f"sk-learner-{n:04}") for n in range(30)]
    learners.append(Learner(ODD_NAME, "sk-odd-0001"))
    lines = [f"{learner.key}  # {learner.name}\n" for learner in learners]
    keys, instructor = folder / "keys.txt", folder / "instructor.txt"
    keys.write_text("# the class\n\n" + "".join(lines), encoding="utf-8")
    instructor.write_text(f"{INSTRUCTOR}\n", encoding="utf-8")
    return [
        *("--api-key-file", str(keys)),
        *("--instructor-key-file", str(instructor)),
        *("--cpu-seconds", str(BUDGET)),
        *("--allow-host", "hub.example"),
        *("--allow-host", "https://Other.example:8000/"),
    ]


@pytest.fixture(scope="module")
def room(tmp_path_factory, class_files):
    home = tmp_path_factory.mktemp("room")
    with RunningServer(home, *class_files, fake=True) as server:
        yield server


_numbers = itertools.count()


@pytest.fixture
def anna():
    """A learner whom no other test knows, of a server that many tests share."""
    number = next(_numbers)
    return Learner(f"Learner {number}", f"sk-learner-{number:04}")


@pytest.fixture
def ben():
    number = next(_numbers)
    return Learner(f"Learner {number}", f"sk-learner-{number:04}")


@pytest.fixture
def instructor(room):
    """Who is signed in, like a browser that keeps cookies."""
    with browser(room) as client:
        client.post("/class", data={"key": INSTRUCTOR}).raise_for_status()
        yield client


def browser(server):
    return httpx.Client(
        base_url=server.origin, follow_redirects=True, trust_env=False, timeout=60
    )


def train(server, key, epochs=1, multiplier="auto", **more):
    client = server.client(key)
    return client.fine_tuning.jobs.create(
        model="gpt-4o-mini",
        training_file=upload(client),
        hyperparameters={"n_epochs": epochs, "learning_rate_multiplier": multiplier},
        **more,
    ).id


def reset(server, name, key=None):
    return server.client(key or server.own_key).post(
        f"{server.origin}/_kit/learners/{name}/reset", cast_to=object
    )


def row(page, name):
    """The row of one learner, in the first table."""
    heading = f'<th scope="row">{html.escape(name)}</th>'
    return re.search(rf"<tr>\s*{re.escape(heading)}.*?</tr>", page, re.S)[0]


def test_a_key_file_tells_whose_each_key_is(tmp_path):
    path = tmp_path / "keys.txt"
    keys = [key_file.Key("sk-1", "Anna"), key_file.Key("sk-2", "Benoît")]
    key_file.write(path, keys, "a heading")
    assert key_file.read(path) == keys
    path.write_text("sk-1\n#sk-2\n", encoding="utf-8")
    assert key_file.read(path) == [key_file.Key("sk-1")]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
def test_a_file_of_keys_is_closed_to_others_even_if_it_was_open(tmp_path):
    path = tmp_path / "keys.txt"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o644)
    key_file.write(path, [key_file.Key("sk-1")], "a heading")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_who_has_used_up_the_budget_gets_the_quota_error_and_others_do_not(
    room, anna, ben
):
    assert room.finished(train(room, anna.key, 3), anna.key).status == "succeeded"
    with pytest.raises(openai.RateLimitError) as refused:
        train(room, anna.key)
    error = refused.value
    assert (error.code, error.type) == ("insufficient_quota", "insufficient_quota")
    assert "You exceeded your current quota" in error.message
    assert f"may train for {BUDGET} seconds of processor time" in error.message
    assert re.search(r"your jobs have taken \d+\. .*Ask your instructor", error.message)
    assert error.response.headers["x-should-retry"] == "false"
    assert room.finished(train(room, ben.key), ben.key).status == "succeeded"


def test_the_job_of_who_has_left_rests_until_the_key_is_back(tmp_path):
    keys, instructor = tmp_path / "keys.txt", tmp_path / "instructor.txt"
    anna, ben = key_file.Key("sk-anna", "Anna"), key_file.Key("sk-ben", "Ben")
    key_file.write(instructor, [key_file.Key(INSTRUCTOR)], "")
    options = ("--api-key-file", keys, "--instructor-key-file", instructor)

    def served(*learners):
        key_file.write(keys, learners, "")
        arguments = [str(each) for each in (*options, "--jobs-at-once", "1")]
        return RunningServer(tmp_path / "home", *arguments, fake=True)

    with served(anna, ben) as server:
        job = train(server, anna.value, epochs=50, multiplier=0.2)
        until_running(server.client(anna.value), job)
    with served(ben) as server:
        others = train(server, ben.value)  # there is one place, and it is free
        assert server.finished(others, ben.value).status == "succeeded"
        with browser(server) as client:
            page = client.post("/class", data={"key": INSTRUCTOR}).text
        assert "no longer in the class" in page
        with pytest.raises(openai.NotFoundError, match="when the name is in it again"):
            reset(server, "Anna")
    with served(anna, ben) as server:
        jobs = server.client(anna.value).fine_tuning.jobs
        assert jobs.retrieve(job).status == "running"
        steps = len(server.events(job, anna.value))
        until(lambda: len(server.events(job, anna.value)), lambda n: n > steps)
        assert jobs.cancel(job).status == "cancelled"


def test_the_workspace_s_own_key_has_no_budget(room):
    for epochs in (3, 1):
        job = train(room, room.own_key, epochs)
        assert room.finished(job, room.own_key).status == "succeeded"


def test_a_job_whose_turn_comes_after_the_budget_is_used_up_fails_and_says_so(
    room, anna
):
    slow = train(room, anna.key, epochs=3, multiplier=0.5)
    retrieve = room.client(anna.key).fine_tuning.jobs.retrieve
    until(lambda: retrieve(slow).status, lambda status: status == "running")
    late = train(room, anna.key)
    first, second = [room.finished(job, anna.key) for job in (slow, late)]
    assert first.status == "succeeded"
    assert (second.status, second.error.code) == ("failed", "insufficient_quota")
    assert "seconds of processor time" in second.error.message
    assert any("processor time" in e.message for e in room.events(late, anna.key))


def test_a_paused_job_is_not_lost_to_a_budget_that_is_used_up(room, anna):
    jobs = room.client(anna.key).fine_tuning.jobs
    slow = train(room, anna.key, epochs=3, multiplier=0.5)
    until_running(room.client(anna.key), slow)
    jobs.pause(slow)
    assert room.finished(train(room, anna.key, 3), anna.key).status == "succeeded"
    with pytest.raises(openai.RateLimitError, match="Ask your instructor"):
        jobs.resume(slow)
    assert jobs.retrieve(slow).status == "paused"


def test_a_deleted_fine_tune_gives_no_time_back(room, anna):
    """And the API of 2023 keeps the same budget."""
    client = room.client(anna.key)
    rows = b'{"prompt": "a", "completion": "b"}\n' * 12
    body = {"training_file": upload(client, rows), "model": "ada", "n_epochs": 4}

    def create():
        return client.post("/fine-tunes", body=body, cast_to=object)["id"]

    first = create()
    until(
        lambda: client.get(f"/fine-tunes/{first}", cast_to=object)["status"],
        lambda status: status == "succeeded",
    )
    client.delete(f"/fine-tunes/{first}", cast_to=object)
    with pytest.raises(openai.RateLimitError, match="Ask your instructor"):
        create()


def test_the_real_worker_s_time_is_counted_and_outlives_the_server(tmp_path):
    limit = ("--cpu-seconds", "1")
    with RunningServer(tmp_path, *limit) as server:
        job = train(server, FIRST_KEY, epochs=3)
        assert server.finished(job).status == "succeeded"
        (events,) = server.folder.glob("jobs/*/events.jsonl")
        with sqlite3.connect(server.folder / "localapi.sqlite3") as db:
            ((spent,),) = db.execute("SELECT seconds FROM training_time")
            db.execute("UPDATE training_time SET seconds = seconds + 1")
        db.close()
    last = events.read_text(encoding="utf-8").splitlines()[-1]
    assert 0 < spent < 30
    assert f'"cpu": {round(spent, 3)}' in last
    with (
        RunningServer(tmp_path, *limit) as server,
        pytest.raises(openai.RateLimitError, match="processor time"),
    ):
        train(server, FIRST_KEY)


def test_one_learner_s_reset_removes_everything_of_hers_and_nothing_else(
    room, anna, ben
):
    for key in (anna.key, ben.key):
        client = room.client(key)
        assert room.finished(train(room, key), key).status == "succeeded"
        client.uploads.create(
            filename="a.jsonl", purpose="fine-tune", bytes=9, mime_type="text/jsonl"
        )
        client.chat.completions.create(
            model="gpt-4o-mini",
            messages=[{"role": "user", "content": "Salve"}],
            store=True,
            max_tokens=1,
        )
    waiting = train(room, anna.key, epochs=9)
    assert reset(room, anna.name.upper())["status"] == "reset"
    hers, his = room.client(anna.key), room.client(ben.key)
    assert hers.fine_tuning.jobs.list().data == hers.files.list().data == []
    assert hers.chat.completions.list().data == []
    assert not [m.id for m in hers.models.list() if m.id.startswith("ft:")]
    assert not (room.folder / "jobs" / waiting / "train.jsonl").exists()
    assert len(his.fine_tuning.jobs.list().data) == 1
    assert len(his.files.list().data) == 2  # training file and results
    assert len(his.chat.completions.list().data) == 1
    model = his.fine_tuning.jobs.list().data[0].fine_tuned_model
    assert his.models.retrieve(model).id == model
    kept = {path.name for path in (room.folder / "files").iterdir()}
    assert {file.id for file in his.files.list()} <= kept
    with sqlite3.connect(room.folder / "localapi.sqlite3") as db:
        known = {row[0] for row in db.execute("SELECT id FROM files")}
        left = db.execute("SELECT count(*) FROM uploads").fetchone()
        orphans = db.execute(
            "SELECT count(*) FROM events WHERE job_id NOT IN (SELECT id FROM jobs)"
        ).fetchone()
    db.close()
    assert (kept, left, orphans) == (known, (1,), (0,))
    assert room.finished(train(room, anna.key), anna.key).status == "succeeded"


def test_a_name_with_a_slash_can_be_reset(room):
    assert reset(room, quote(ODD_NAME, safe=""))["learner"] == ODD_NAME


def test_only_the_workspace_s_key_resets_and_an_unknown_name_is_told(room, ben):
    with pytest.raises(openai.PermissionDeniedError):
        reset(room, "Learner 1", key=ben.key)
    with pytest.raises(openai.NotFoundError, match=r"'Eve'.* knows .*Zoë"):
        reset(room, "Eve")


def test_the_page_is_not_there_without_an_instructor_s_key(server):
    assert httpx.get(f"{server.origin}/class", trust_env=False).status_code == 404


@pytest.mark.parametrize("key", ["sk-learner-0001", "", "sk-wrong", "é"])
def test_no_other_key_opens_the_page(room, key):
    with browser(room) as client:
        assert "Learner" not in client.get("/class").text
        reply = client.post("/class", data={"key": key})
        assert reply.status_code == 403
        assert "not the instructor&#39;s key" in reply.text.replace("'", "&#39;")
        assert "Learner" not in client.get("/class").text


def test_the_instructor_s_key_opens_the_page_and_nothing_else(room, instructor):
    assert "Learner 1" in instructor.get("/class").text
    with pytest.raises(openai.AuthenticationError):
        room.client(INSTRUCTOR).models.list()
    for path in ("/v1/models", "/_kit/status"):
        assert instructor.get(path).status_code == 401


def test_the_key_is_in_no_address_and_the_cookie_is_not_for_scripts(room):
    with browser(room) as client:
        client.follow_redirects = False
        reply = client.post("/class", data={"key": INSTRUCTOR})
    assert (reply.status_code, reply.headers["location"]) == (303, "?")
    cookie = reply.headers["set-cookie"]
    assert INSTRUCTOR not in cookie
    assert {"HttpOnly", "SameSite=strict"} <= set(cookie.split("; "))
    assert "Path=" not in cookie  # the page's own folder, behind a proxy too
    assert INSTRUCTOR not in (room.folder / "server.log").read_text(encoding="utf-8")


def test_who_signs_out_sees_the_form_again(instructor):
    cookie = instructor.cookies["finetune-kit-class"]
    assert "Sign in" in instructor.post("/class", data={"leave": "1"}).text
    instructor.cookies.set("finetune-kit-class", cookie)
    assert "Sign in" in instructor.get("/class").text


def test_who_is_not_known_cannot_send_much(room):
    with browser(room) as client:
        reply = client.post("/class", files={"key": ("key", b"x" * 300_000)})
    assert reply.status_code == 413


def test_another_page_cannot_send_the_form(room):
    with browser(room) as client:
        reply = client.post(
            "/class",
            data={"key": INSTRUCTOR},
            headers={"Origin": "https://evil.example"},
        )
    assert reply.status_code == 403
    assert "set-cookie" not in reply.headers


def test_the_page_shows_who_is_where_and_what_is_in_the_way(room, instructor, ben):
    heading = {"X-Finetune-Kit-Notebook": "07_watch%20%3Cit%3E"}
    zoe = room.client("sk-odd-0001").with_options(default_headers=heading)
    with pytest.raises(openai.NotFoundError):
        zoe.files.retrieve("file-absent")
    page = instructor.get("/class").text
    shown = row(page, ODD_NAME)
    for said in (
        "● here",
        "07_watch &lt;it&gt;",
        "404: No such File object: file-absent",
        f"0 of {BUDGET} s",
    ):
        assert said in shown
    assert "not yet" in row(page, ben.name)
    assert "<b>" not in page
    assert "<code>GET /v1/files/file-absent</code>" in page


def test_the_page_shows_jobs_that_run_wait_and_have_ended(room, instructor, anna, ben):
    ended = room.finished(train(room, ben.key, suffix="past"), ben.key)
    slow = {"n_epochs": 20, "learning_rate_multiplier": 0.5}
    client = room.client(anna.key)

    def create(suffix):
        return client.fine_tuning.jobs.create(
            model="gpt-4o-mini",
            training_file=upload(client, chat_rows(12)),
            suffix=suffix,
            hyperparameters=slow,
        ).id

    running = create("now")
    until(
        lambda: client.fine_tuning.jobs.retrieve(running).status,
        lambda status: status == "running",
    )
    waiting = create("next")
    page = until(
        lambda: instructor.get("/class").text,
        lambda page: "1 queued, 1 running" in row(page, anna.name),
    )
    queue, _, rest = page.partition("Queue</h2>")[2].partition("<h2>")
    assert queue.index(running) < queue.index(waiting)
    assert "at work" in queue
    assert " · next" in queue
    assert ended.id in rest
    assert "✓ succeeded" in rest
    for job in (waiting, running):
        client.fine_tuning.jobs.cancel(job)


def test_a_failed_job_stands_beside_its_learner(room, instructor, anna):
    client = room.client(anna.key)
    job = client.fine_tuning.jobs.create(
        model="gpt-4o-mini", training_file=upload(client, chat_rows(3))
    )
    error = room.finished(job.id, anna.key).error.message
    assert f"Job failed: {error[:30]}" in row(instructor.get("/class").text, anna.name)
    next_one = train(room, anna.key, epochs=20, multiplier=0.5)
    until_running(client, next_one)
    assert "Job failed" in row(instructor.get("/class").text, anna.name)
    client.fine_tuning.jobs.cancel(next_one)
    assert "Job failed" not in row(instructor.get("/class").text, anna.name)


def test_many_refusals_of_one_hide_nobody_elses(room, instructor, anna, ben):
    for learner, times in ((anna, 1), (ben, 201)):
        with browser(room) as client:
            client.headers["Authorization"] = f"Bearer {learner.key}"
            for _ in range(times):
                client.get(f"/v1/files/file-{'x' * 5000}")
    page = instructor.get("/class").text
    for learner in (anna, ben):
        assert "404: No such File object" in row(page, learner.name)
    assert "x" * 500 not in page


def test_after_a_reset_of_everything_nobody_is_in_trouble(tmp_path, class_files):
    with (
        RunningServer(tmp_path, *class_files, fake=True) as server,
        browser(server) as client,
    ):
        with pytest.raises(openai.NotFoundError):
            server.client("sk-learner-0001").files.retrieve("file-absent")
        post = server.client(server.own_key).post
        post(f"{server.origin}/_kit/reset", cast_to=object)
        page = client.post("/class", data={"key": INSTRUCTOR}).text
    assert "In trouble: <strong>0</strong>" in page


def test_calls_with_an_unknown_key_are_counted_on_the_page(room, instructor):
    with pytest.raises(openai.AuthenticationError):
        room.client("sk-mistyped").models.list()
    page = instructor.get("/class").text
    assert re.search(r"calls? came with an unknown key .* from 127\.0\.0\.1", page)


def test_the_page_loads_itself_anew_unless_it_is_held_still(instructor):
    assert '<meta http-equiv="refresh" content="10">' in instructor.get("/class").text
    held = instructor.get("/class", params={"refresh": "off"}).text
    assert "http-equiv" not in held
    links = re.findall(r'(?:href|src|action)="([^"]*)"', held)
    assert links
    assert all(link.startswith("?") for link in links)  # relative: any path will do


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("hub.example", 200),
        ("other.example:8000", 200),
        ("evil.example", 403),
    ],
)
def test_an_allowed_host_name_is_served_and_others_are_not(room, host, status):
    with browser(room) as client:
        assert client.get("/class", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    ("caller", "called", "here"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("192.168.1.20", "192.168.1.20", True),
        ("192.168.1.7", "192.168.1.20", False),
    ],
)
def test_calls_from_this_computer_are_told_apart(caller, called, here):
    scope = {"client": (caller, 50_000), "server": (called, 8765)}
    assert is_here(scope) is here
    assert not is_here({})
