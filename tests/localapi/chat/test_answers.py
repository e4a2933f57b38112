"""The answer process: its death, its restart, and how it leaves polling alone."""

import subprocess
import sys
import threading
import time

import openai
import pytest

from tests.localapi.chat.echo import USER, Server, raw


def test_when_the_answer_process_dies_the_client_is_told_to_retry(ask, refusal):
    error = refusal(content="now die")
    assert error.status_code == 503
    assert error.response.headers["x-should-retry"] == "true"
    assert "started again" in error.body["message"]
    assert ask().choices[0].message.content == "carpe diem amice"


def test_all_requests_under_way_are_told_when_the_process_dies(server):
    with server.client() as client:
        create = client.chat.completions.create
        slow = [{"role": "user", "content": "a slow answer"}]
        stream = create(model="gpt-4o", messages=slow, stream=True)
        next(stream)
        with pytest.raises(openai.InternalServerError):
            create(model="gpt-4o", messages=[{"role": "user", "content": "die"}])
        with pytest.raises(openai.APIError, match="ended in the middle"):
            list(stream)


def test_a_process_that_cannot_start_gives_a_503_without_retry():
    server = Server("--broken")
    try:
        with pytest.raises(openai.InternalServerError) as caught:
            server.client(max_retries=2).chat.completions.create(
                model="gpt-4o", messages=USER
            )
        assert caught.value.status_code == 503
        assert caught.value.response.headers["x-should-retry"] == "false"
        assert "server.log" in caught.value.body["message"]
    finally:
        server.stop()


def test_a_request_waits_until_the_process_is_ready():
    server = Server("--late")
    try:
        reply = server.client().chat.completions.create(model="gpt-4o", messages=USER)
        assert reply.choices[0].message.content == "carpe diem amice"
    finally:
        server.stop()


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_is_cancelled_when_the_client_hangs_up(server, stream):
    slow = [{"role": "user", "content": "a slow answer"}]
    body = {"model": "gpt-4o", "messages": slow, "stream": stream}
    connection = raw(server, body, read=False)
    wait_until(lambda: server.under_way() == 1)
    connection.close()
    wait_until(lambda: server.under_way() == 0)


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_polling_stays_fast_while_a_long_answer_streams(client):
    slow = [{"role": "user", "content": "a slow answer"}]
    create = client.chat.completions.create
    stream = create(model="gpt-4o", messages=slow, stream=True, n=4)
    next(stream)
    polled = threading.Event()
    reader = threading.Thread(target=read_until, args=(stream, polled))
    reader.start()
    waits = [seconds(client.models.retrieve, "gpt-4o") for _ in range(60)]
    assert reader.is_alive(), "the answer was over before the polling"
    polled.set()
    reader.join()
    waits.sort()
    assert waits[30] < 0.05
    assert waits[55] < 0.5  # the others wait for a busy machine


def read_until(stream, enough):
    with stream:
        for _ in stream:
            if enough.is_set():
                return


def seconds(call, *arguments):
    started = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - started


TWO_FIRST_REQUESTS = """
import subprocess
import sys
import threading
from finetune_kit.localapi import chat, jobs

loads = [threading.Thread(target=load) for load in (jobs.parameters, chat.parameters)]
for load in loads:
    load.start()
"""


def test_a_chat_and_a_job_as_first_requests_do_not_break_each_others_imports():
    result = subprocess.run(
        [sys.executable, "-c", TWO_FIRST_REQUESTS],
        capture_output=True,
        check=True,
        text=True,
    )
    assert result.stderr == ""
