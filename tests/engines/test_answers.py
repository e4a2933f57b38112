"""The answer process over its real pipes: streaming, stops, sampling, errors."""

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from finetune_kit.engines.tinygpt import sample, weights
from finetune_kit.engines.tinygpt import tokenizer as tokens
from finetune_kit.engines.tinygpt.chat import encode_prompt
from finetune_kit.engines.tinygpt.pieces import Pieces
from finetune_kit.engines.tinygpt.sample import Step


class Talk:
    """A running answer process and the lines it wrote."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "finetune_kit.engines.tinygpt.answers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        self.ready = self.read()

    def read(self) -> dict[str, Any]:
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())

    def send(self, **request: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def ask(self, id: str = "a", **fields: Any) -> list[dict[str, Any]]:
        request = {"messages": [{"role": "user", "content": "Hello"}], "weights": None}
        self.send(id=id, op="generate", **(request | {"sampling": {}} | fields))
        lines = [self.read()]
        while lines[-1]["event"] in ("token", "call"):
            lines.append(self.read())
        return lines


@pytest.fixture(scope="module")
def talk() -> Iterator[Talk]:
    talk = Talk()
    yield talk
    assert talk.process.stdin
    talk.process.stdin.close()
    assert talk.process.wait(20) == 0


def text(lines: list[dict[str, Any]]) -> str:
    return "".join(line.get("text", "") for line in lines)


def greedy(**fields: Any) -> dict[str, Any]:
    return {"temperature": 0, "max_tokens": 20, **fields}


def test_it_says_when_it_is_ready(talk: Talk) -> None:
    assert talk.ready["event"] == "ready"
    assert talk.ready["context"] == 512
    assert len(talk.ready["weights_sha256"]) == 64


def test_an_answer_ends_with_its_reason_and_counts(talk: Talk) -> None:
    *tokens, end = talk.ask(sampling=greedy(max_tokens=3))
    assert end["finish_reason"] in ("length", "stop")
    assert 1 <= len(tokens) <= end["completion_tokens"] <= 3  # pieces may join
    assert end["prompt_tokens"] >= 4


def test_the_same_seed_says_the_same_and_another_seed_something_else(
    talk: Talk,
) -> None:
    def drawn(seed: int) -> str:
        return text(
            talk.ask(sampling={"temperature": 2, "seed": seed, "max_tokens": 20})
        )

    assert drawn(1) == drawn(1)
    assert len({drawn(seed) for seed in range(4)}) > 1


def test_logprobs_are_sorted_and_hold_the_greedy_token_first(talk: Talk) -> None:
    *tokens, _ = talk.ask(sampling=greedy(top_logprobs=3))
    for line in tokens:
        top = [t["logprob"] for t in line["top"]]
        assert len(top) == 3
        assert top == sorted(top, reverse=True)
        assert line["logprob"] == top[0] <= 0


def forced(*texts: str) -> dict[str, float]:
    """The logit bias that lets only the tokens of these texts be said."""
    ids = {token for text in texts for token in tokens.load().encode(text)}
    return {str(token): 100.0 for token in ids}


def assert_pieces_join(lines: list[dict[str, Any]]) -> None:
    assert "".join(line["token"] for line in lines) == text(lines)
    assert b"".join(bytes(line["bytes"]) for line in lines).decode() == text(lines)
    for line in lines:
        assert line["token"]
        for other in line["top"]:
            end = (other["token"], other["bytes"]) == ("<|end|>", None)
            assert end or bytes(other["bytes"]).decode() == other["token"]
            assert end or "<|" not in other["token"]


def test_marks_and_parts_of_characters_are_joined_with_what_they_belong_to(
    talk: Talk,
) -> None:
    drawn = {"temperature": 2, "max_tokens": 40, "top_logprobs": 5}
    for seed in range(5):
        bias = forced("Festina LENTE", "caf\u00e9 \u65e5\u672c")
        *lines, _ = talk.ask(sampling=drawn | {"seed": seed, "logit_bias": bias})
        assert_pieces_join(lines)


def test_the_piece_that_a_stop_sequence_cuts_is_cut(talk: Talk) -> None:
    whole = text(talk.ask(sampling=greedy()))
    *lines, _ = talk.ask(sampling=greedy(stop=[whole[8:10]], top_logprobs=2))
    assert text(lines) == whole[:8]
    assert_pieces_join(lines)


def test_a_piece_is_as_likely_as_its_tokens_together() -> None:
    vocabulary = tokens.load()
    ids = vocabulary.encode("Festina LENTE")
    pieces = Pieces(tokens.Decoder(vocabulary), 2)
    said = [
        piece
        for id_ in ids
        for piece in pieces.feed(Step(id_, -1.0, [(id_, -1.0), (tokens.GLUE, -2.0)]))
    ]
    assert sum(piece["logprob"] for piece in said) == -len(ids)
    assert len(said) < len(ids)
    first = said[0]
    assert (first["token"][0], first["logprob"]) == ("F", -2.0)
    assert [other["token"] for other in first["top"]] == [first["token"]]
    assert first["top"][0]["logprob"] == -2.0


@given(st.text())
@example("Festina LENTE")
@example("caf\u00e9 \u65e5\u672c")
def test_the_pieces_of_a_text_join_to_the_text(whole: str) -> None:
    pieces = Pieces(tokens.Decoder(tokens.load()), 0)
    said = [
        piece
        for token in tokens.load().encode(whole)
        for piece in pieces.feed(Step(token, 0.0, []))
    ]
    assert not list(pieces.flush())
    assert b"".join(bytes(piece["bytes"]) for piece in said) == whole.encode()
    assert "".join(piece["text"] for piece in said) == whole


def test_no_half_of_a_surrogate_pair_is_ever_said(talk: Talk) -> None:
    halves = {str(tokens.FIRST_BYTE + byte): 100 for byte in b"\xed\xa0\x80"}
    drawn = {"temperature": 2, "max_tokens": 200, "logit_bias": halves, "seed": 1}
    lines = talk.ask(sampling=drawn)
    assert "\ufffd" in text(lines)
    assert text(lines).encode()


def test_what_is_left_of_a_character_at_the_end_is_shown(talk: Talk) -> None:
    half = {str(tokens.FIRST_BYTE + 0xC3): 100}
    *lines, end = talk.ask(sampling=greedy(max_tokens=1, logit_bias=half))
    assert (text(lines), end["finish_reason"]) == ("\ufffd", "length")


def test_a_stop_sequence_is_left_out_and_ends_the_answer(talk: Talk) -> None:
    whole = text(talk.ask(sampling=greedy()))
    stop = whole[len(whole) // 2 :][:3]
    lines = talk.ask(sampling=greedy(stop=[stop]))
    assert text(lines) == whole[: whole.index(stop)]
    assert lines[-1]["finish_reason"] == "stop"


def test_a_logit_bias_of_100_forces_its_token(talk: Talk) -> None:
    *lines, _ = talk.ask(sampling=greedy(logit_bias={"40": 100}, max_tokens=5))
    assert len({line["token"] for line in lines}) == 1


def test_a_long_answer_does_not_hold_up_a_short_one(talk: Talk) -> None:
    say = {"messages": [{"role": "user", "content": "Hello"}], "weights": None}
    long = {"temperature": 0, "max_tokens": 200, "logit_bias": {"5": -100, "40": 100}}
    talk.send(id="long", op="generate", sampling=long, **say)
    talk.send(id="short", op="generate", sampling=greedy(max_tokens=2), **say)
    ended: list[str] = []
    while len(ended) < 2:
        line = talk.read()
        if line["event"] == "end":
            ended.append(line["id"])
    assert ended == ["short", "long"]


def test_a_cancelled_answer_falls_silent(talk: Talk) -> None:
    say = {"messages": [{"role": "user", "content": "Hello"}], "weights": None}
    long = {"temperature": 0, "max_tokens": 400, "logit_bias": {"40": 100}}
    talk.send(id="gone", op="generate", sampling=long, **say)
    talk.send(id="gone", op="cancel")
    talk.send(id="next", op="generate", sampling=greedy(max_tokens=300), **say)
    ids = []
    while not ids or ids[-1] != ("next", "end"):
        line = talk.read()
        ids.append((line["id"], line["event"]))
    assert ("gone", "end") not in ids


@pytest.mark.parametrize("content", ["word " * 600, "GATTACA" * 20_000])
def test_a_prompt_beyond_the_context_is_refused(talk: Talk, content: str) -> None:
    long = [{"role": "user", "content": content}]
    (error,) = talk.ask(messages=long)
    assert error["code"] == "context_length_exceeded"
    assert error["needed"] > error["context"] == 512


def test_missing_weights_are_an_error_and_the_process_goes_on(talk: Talk) -> None:
    (error,) = talk.ask(weights="nowhere.npz")
    assert error["code"] == "weights_missing"
    assert talk.ask(sampling=greedy(max_tokens=1))[-1]["event"] == "end"


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04 cut off"])
def test_damaged_weights_are_an_error_and_the_process_goes_on(
    talk: Talk, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "weights.npz"
    path.write_bytes(content)
    (error,) = talk.ask(weights=str(path))
    assert error["code"] == "weights_missing"
    assert talk.ask(sampling=greedy(max_tokens=1))[-1]["event"] == "end"


def test_a_plain_prompt_is_continued(talk: Talk) -> None:
    lines = talk.ask(messages=None, prompt="Once upon a time", sampling=greedy())
    assert lines[-1]["event"] == "end"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_a_model_trained_to_pieces_talks_nonsense_in_valid_numbers(
    talk: Talk, tmp_path: Path, value: float
) -> None:
    p = weights.load(None)
    p.flat[::2] = value
    path = tmp_path / "weights.npz"
    weights.save(p, path)
    drawn = {"max_tokens": 5, "seed": 1, "top_logprobs": 2}
    *lines, end = talk.ask(
        weights=str(path), messages=None, prompt="a b", sampling=drawn, echo=True
    )
    assert end["event"] == "end"
    assert lines[0]["prompt"]
    assert all(math.isfinite(line["logprob"]) for line in lines)


def tool(name: str, *required: str) -> dict[str, Any]:
    properties = {parameter: {"type": "string"} for parameter in required}
    schema = {"properties": properties, "required": list(required)}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


def called(talk: Talk, mode: str, *names: str, **sampling: Any) -> list[dict[str, Any]]:
    return talk.ask(
        tools=[tool("get", "city"), tool("get_news"), tool("stop")],
        tool_choice={"mode": mode, "names": names},
        parallel_tool_calls=True,
        sampling=greedy(**sampling),
    )


@pytest.mark.parametrize("seed", range(3))
def test_an_answer_that_must_call_begins_with_a_call_of_an_allowed_tool(
    talk: Talk, seed: int
) -> None:
    hot = {"temperature": 2, "seed": seed, "max_tokens": 12}
    lines = called(talk, "required", "get", "get_news", **hot)
    said = text(lines) or "".join(f"call {line.get('name')} {{" for line in lines[:1])
    assert said.startswith(('call get {"', "call get_news {"))


def test_a_call_of_a_tool_without_parameters_is_whole_at_once(talk: Talk) -> None:
    end = {str(tokens.END): 100}  # the model says no more than it must
    call, end = called(talk, "required", "stop", logit_bias=end)
    assert (call["event"], call["index"], call["name"]) == ("call", 0, "stop")
    assert "".join(call["arguments"]) == "{}"
    assert end["finish_reason"] == "stop"


def test_an_answer_that_must_not_call_does_not_begin_with_a_call(talk: Talk) -> None:
    (word,) = tokens.load().encode("call")
    eager = {"logit_bias": {str(word): 100}, "max_tokens": 3}
    assert text(called(talk, "auto", **eager)) == "call call call"
    assert not text(called(talk, "none", **eager)).startswith("call")


def test_answers_do_not_hang_on_what_else_is_asked(talk: Talk) -> None:
    """Not by a bit: what is read together, and what was read before, tells nothing."""
    system = {"role": "system", "content": "You are a smart assistant."}
    questions = ["Who are you?", "Why should I work hard for so long a time?", "Hi"]
    questions.append(questions[-1])
    chats = [[system, {"role": "user", "content": asked}] for asked in questions]
    settings = greedy(max_tokens=12, top_logprobs=2)
    fresh = Talk()
    alone = [fresh.ask(messages=chat, sampling=settings) for chat in chats[::-1]][::-1]
    assert fresh.process.stdin
    fresh.process.stdin.close()
    for number, chat in enumerate(chats):
        talk.send(
            id=str(number),
            op="generate",
            weights=None,
            messages=chat,
            sampling=settings,
        )
    together: dict[str, list[dict[str, Any]]] = {str(n): [] for n in range(len(chats))}
    while not all(lines and lines[-1]["event"] == "end" for lines in together.values()):
        line = talk.read()
        together[line.pop("id")].append(line)
    for lines in alone:
        for line in lines:
            del line["id"]
    assert list(together.values()) == alone


def test_a_prompt_is_read_once_for_all_its_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lengths: list[int] = []

    def counted(p: Any, read: Any, cache: Any) -> Any:
        lengths.append(len(read))
        return sample_read(p, read, cache)

    sample_read = sample.read
    monkeypatch.setattr(sample, "read", counted)
    reader = sample.Reader(weights.load(None))
    prompt = encode_prompt(tokens.load(), [{"role": "user", "content": "Hello"}], ())
    answers = [
        [s.token for s in sample.generate(reader, prompt, sample.Sampling(9, seed=n))]
        for n in range(4)
    ]
    assert sum(lengths) == len(prompt)
    assert len({tuple(said) for said in answers}) > 1


def test_weights_written_anew_under_the_same_name_answer(
    talk: Talk, tmp_path: Path
) -> None:
    path, said = tmp_path / "weights.npz", []
    for name in (weights.SHIPPED, weights.TASKS):
        copied = tmp_path / "new.npz"
        shutil.copyfile(weights.shipped(name), copied)
        copied.replace(path)
        asked = {"messages": [{"role": "user", "content": "My parcel is lost."}]}
        said.append(text(talk.ask(weights=str(path), sampling=greedy(), **asked)))
    assert said[0] != said[1]


def test_users_take_turns_whatever_each_of_them_asks_for(talk: Talk) -> None:
    say = {"messages": [{"role": "user", "content": "Hello"}], "weights": None}
    long = {"temperature": 0, "max_tokens": 60, "logit_bias": {"5": -100, "40": 100}}
    for number in range(20):
        asked = {"id": f"anna{number}", "owner": "anna", "sampling": long, **say}
        talk.send(op="generate", **asked)
    talk.send(id="ben", op="generate", owner="ben", sampling=long, **say)
    ended: list[str] = []
    while len(ended) < 21:
        line = talk.read()
        if line["event"] == "end":
            ended.append(line["id"])
    assert ended.index("ben") <= 4
