"""POST /v1/chat/completions with the real engine behind a server of its own."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import openai
import pytest

from finetune_kit import catalog

QUESTION = [{"role": "user", "content": "My neighbour is angry with me."}]


class Running:
    """`python -m finetune_kit.localapi` on a workspace of its own."""

    def __init__(self, home):
        command = [sys.executable, "-m", "finetune_kit.localapi", "--deterministic"]
        self.process = subprocess.Popen(
            [*command, "--home", home], stdout=subprocess.DEVNULL
        )
        info = home / "server" / "server.json"
        wait_until(info.exists)
        self.port = json.loads(info.read_text(encoding="utf-8"))["port"]
        self.key = (home / "server" / "key").read_text(encoding="utf-8").strip()

    def client(self, **options):
        url = f"http://127.0.0.1:{self.port}/v1"
        return openai.OpenAI(base_url=url, api_key=self.key, **options)


@contextmanager
def running(home):
    server = Running(home)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(tmp_path_factory.mktemp("home")) as server:
        yield server


@pytest.fixture
def client(server):
    with server.client(max_retries=0) as client:
        yield client


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def texts(reply):
    return [choice.message.content for choice in reply.choices]


def test_the_base_answers_in_words(ask):
    (text,) = texts(ask(messages=QUESTION, temperature=0, max_tokens=20))
    assert text.strip()


def test_at_temperature_0_the_answer_is_always_the_same(ask):
    greedy = {"messages": QUESTION, "temperature": 0, "max_tokens": 20}
    assert texts(ask(**greedy, seed=1)) == texts(ask(**greedy, seed=2))


def test_the_same_seed_gives_the_same_answer_and_another_seed_another(ask):
    sampled = {"messages": QUESTION, "temperature": 1.5, "max_tokens": 20}
    first, again, other = (texts(ask(**sampled, seed=s)) for s in (1, 1, 2))
    assert first == again
    assert first != other


def test_answer_i_of_n_is_the_answer_to_the_seed_plus_i(ask):
    sampled = {"messages": QUESTION, "temperature": 1.5, "max_tokens": 10}
    three = texts(ask(**sampled, seed=5, n=3))
    assert three == [texts(ask(**sampled, seed=5 + i))[0] for i in range(3)]
    assert len(set(three)) == 3


def test_a_deterministic_server_repeats_an_answer_without_a_seed(ask):
    sampled = {"messages": QUESTION, "temperature": 1.5, "max_tokens": 10}
    assert texts(ask(**sampled)) == texts(ask(**sampled))


@pytest.mark.parametrize("seed", [0, -1, 2**63 - 1, -(2**63)])
def test_every_seed_of_64_bits_is_taken(ask, seed):
    assert ask(messages=QUESTION, seed=seed, n=2, max_tokens=2).choices


def test_the_stream_brings_the_text_of_the_whole_answer(ask):
    greedy = {"messages": QUESTION, "temperature": 0, "max_tokens": 30}
    deltas = [c.choices[0].delta.content or "" for c in ask(**greedy, stream=True)]
    assert "".join(deltas) == texts(ask(**greedy))[0]
    assert len(deltas) > 5


def test_alternatives_are_ordered_and_begin_with_the_greedy_choice(ask):
    reply = ask(
        messages=QUESTION, temperature=0, max_tokens=5, logprobs=True, top_logprobs=4
    )
    for item in reply.choices[0].logprobs.content:
        logprobs = [other.logprob for other in item.top_logprobs]
        assert item.top_logprobs[0].token == item.token
        assert logprobs == sorted(logprobs, reverse=True)
        assert len(logprobs) == 4
        assert item.logprob <= 0


def test_the_tokens_and_bytes_that_are_shown_join_to_the_answer(ask):
    reply = ask(messages=QUESTION, max_tokens=30, n=4, logprobs=True, top_logprobs=5)
    for choice in reply.choices:
        shown, text = choice.logprobs.content, choice.message.content
        assert "".join(item.token for item in shown) == text
        assert b"".join(bytes(item.bytes) for item in shown).decode() == text
        others = {other.token for item in shown for other in item.top_logprobs}
        assert not {token for token in others if "<|" in token} - {"<|end|>"}


def test_no_token_that_a_bias_forces_breaks_the_reply(ask):
    first_byte = 10  # the ids of single bytes follow those of the marks
    halves = {str(first_byte + byte): 100 for byte in b"\xed\xa0\x80"}
    asked = {"max_tokens": 200, "logit_bias": halves, "temperature": 2, "seed": 1}
    assert "\ufffd" in texts(ask(messages=QUESTION, **asked))[0]


def test_a_bias_of_100_decides_the_token(ask):
    reply = ask(messages=QUESTION, logit_bias={"300": 100}, max_tokens=3, logprobs=True)
    tokens = [item.token for item in reply.choices[0].logprobs.content]
    assert len({token.strip() for token in tokens}) == 1  # the first has no space


def test_a_stop_sequence_is_not_part_of_the_answer(ask):
    greedy = {"messages": QUESTION, "temperature": 0, "max_tokens": 30}
    (text,) = texts(ask(**greedy))
    stop = text.split()[2]
    choice = ask(**greedy, stop=stop).choices[0]
    assert choice.message.content == text[: text.index(stop)]
    assert choice.finish_reason == "stop"


def test_a_prompt_beyond_the_context_is_refused(ask, refusal):
    error = refusal(messages=[{"role": "user", "content": "word " * 2000}])
    assert error.code == "context_length_exceeded"
    context = catalog.base("tinygpt").context_window
    assert f"maximum context length is {context} tokens" in error.body["message"]


def test_polling_stays_fast_while_long_answers_stream(server, client):
    stop = threading.Event()
    talking = [threading.Thread(target=talk, args=(client, stop)) for _ in range(2)]
    for thread in talking:
        thread.start()
    try:
        time.sleep(0.5)
        waits = sorted(poll(server) for _ in range(100))
    finally:
        stop.set()
        for thread in talking:
            thread.join()
    assert waits[50] < 0.05
    assert waits[90] < 0.25  # generous: the exact figure is a benchmark's


def talk(client, stop):
    while not stop.is_set():
        options = {"temperature": 1.5, "max_tokens": 60, "stream": True, "n": 4}
        create = client.chat.completions.create
        for _ in create(model="gpt-4o", messages=QUESTION, **options):
            pass


def poll(server):
    """Seconds for one small request on a connection of its own, without the SDK."""
    started = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    headers = {"Authorization": f"Bearer {server.key}"}
    connection.request("GET", "/v1/models/gpt-4o", headers=headers)
    assert connection.getresponse().status == 200
    connection.close()
    return time.perf_counter() - started


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_killed_answer_process_is_started_again_and_the_sdk_retries(tmp_path):
    with running(tmp_path) as server, server.client() as client:
        create = client.chat.completions.create
        create(model="tinygpt", messages=QUESTION, max_tokens=2)
        (killed,) = children(server.process.pid)
        os.kill(killed, signal.SIGKILL)
        assert create(model="tinygpt", messages=QUESTION, max_tokens=2).choices
        assert children(server.process.pid) != [killed]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_answer_process_ends_with_a_killed_server(tmp_path):
    with running(tmp_path) as server:
        wait_until(lambda: children(server.process.pid))
        (answers,) = children(server.process.pid)
    wait_until(lambda: not is_running(answers))


def children(pid):
    """Processes that any thread of `pid` started."""
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in found for child in path.read_text().split()]


def is_running(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        return state.rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
