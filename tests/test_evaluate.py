import json

import numpy
import pytest

from finetune_kit.connect import connect
from finetune_kit.evaluate import (
    Scores,
    ask,
    bootstrap,
    compare,
    pieces,
    proverb_graders,
    read_jsonl,
    replies,
    score,
    score_by,
    scores,
    side_by_side,
    wilson,
)
from finetune_kit.graders import tool_graders
from finetune_kit.jobs.results import NotFinishedError
from tests.learner import PROVERBS, FakeClient, fresh_home

TOOLS = json.loads(
    (PROVERBS.parent / "functions" / "tools.json").read_text(encoding="utf-8")
)

ANGER = {"question": "Why do I shout?", "topic": "anger"}
MONEY = {"question": "Where did it go?", "topic": "money"}


@pytest.fixture(scope="module")
def graders():
    return proverb_graders(PROVERBS / "proverbs.jsonl")


@pytest.mark.parametrize(
    "answer",
    [
        "Ira furor brevis est",
        "ira furor brevis est.",
        "  Ira  furor\nbrevis est!  ",
    ],
)
def test_case_white_space_and_a_final_stop_are_free(graders, answer):
    assert graders["well-formed"](answer, ANGER)
    assert graders["on topic"](answer, ANGER)


@pytest.mark.parametrize("answer", ["", "Ira furor est", "Anger is short.", "?"])
def test_anything_else_is_not_a_proverb(graders, answer):
    assert not graders["well-formed"](answer, ANGER)
    assert not graders["on topic"](answer, ANGER)


def test_a_proverb_about_something_else_is_well_formed_but_off_topic(graders):
    assert graders["well-formed"]("Ira furor brevis est", MONEY)
    assert not graders["on topic"]("Ira furor brevis est", MONEY)


def test_every_training_answer_is_well_formed(graders):
    rows = read_jsonl(PROVERBS / "train.jsonl")
    answers = [row["messages"][-1]["content"] for row in rows]
    assert all(graders["well-formed"](answer, {}) for answer in answers)


def test_a_byte_order_mark_and_blank_lines_are_skipped(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\n\n{"a": 2}\n\n')
    assert read_jsonl(path) == [{"a": 1}, {"a": 2}]
    assert read_jsonl(path, 2) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"a": 1}\n\n{"a": \n', r"rows.jsonl, line 3: Expecting value\. kit\.check"),
        ("é".encode("latin-1"), r"rows.jsonl is not written in UTF-8\. kit\.check"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path, data, words):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=words):
        read_jsonl(path)


@pytest.mark.parametrize(("hits", "n"), [(0, 0), (11, 10), (-1, 10)])
def test_what_is_no_proportion_has_no_interval(hits, n):
    with pytest.raises(ValueError, match=f"{hits} of {n} is no proportion"):
        wilson(hits, n)


def test_wilson_agrees_with_published_values():
    # Newcombe (1998), Statistics in Medicine 17, table I, method 3
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_bootstrap_covers_the_mean_and_repeats_itself():
    values = [n / 10 for n in range(11)] * 5
    low, high = bootstrap(values)
    assert low < 0.5 < high
    assert (low, high) == bootstrap(values)


def test_scores_show_model_n_value_and_interval(graders):
    answers = ["Ira furor brevis est", "no idea"]
    metrics = score(answers, [ANGER, MONEY], graders)
    scores = Scores({"tuned": metrics})
    assert scores["tuned"]["on topic"].value == 0.5
    assert scores.to_dicts()[0] == {
        "model": "tuned",
        "metric": "well-formed",
        "n": 2,
        "value": 0.5,
        "95 % interval": "0.095 to 0.905",
    }


def test_grades_that_are_not_yes_or_no_get_a_mean():
    (metric,) = score(["abc", "a"], [{}, {}], {"length": lambda answer, _: len(answer)})
    assert (metric.value, metric.low, metric.high) == (2, 1, 3)


@pytest.mark.parametrize("yes", [True, 1, 1.0, numpy.bool_(True)])
def test_yes_is_as_sure_however_it_is_written(yes):
    (metric,) = score(["a"] * 3, [{}] * 3, {"right": lambda answer, _: yes})
    assert (metric.low, metric.high) == wilson(3, 3)


RIGHT = {"right": lambda answer, row: bool(answer)}
STYLED = [{"question": "Why?", "style": "plain"}]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: score(["a"], [{}, {}], RIGHT), "1 answers to 2 rows"),
        (lambda: scores({"x": ["a"]}, [{}, {}], RIGHT), "1 answers to 2 rows"),
        (lambda: score_by("style", [], STYLED, RIGHT), "0 answers to 1 rows"),
        (lambda: score_by("stile", ["a"], STYLED, RIGHT),
         "no field 'stile', only question, style. Did you mean 'style'?"),
        (lambda: score(["a", None], [{}, {}], RIGHT), "Answer 2 is None"),
        (lambda: score(["a"], [{}], {"right": lambda *_: None}),
         "'right' gives None for row 1; it must return True or False"),
        (lambda: score(["a"], [{}], len), "Graders have names; give a dict"),
        (lambda: scores(["a"], [{}], RIGHT), "Lists of answers have names"),
        (lambda: proverb_graders(PROVERBS / "test.jsonl"),
         "Row 1 has no field 'latin', only .*proverbs.jsonl"),
        (lambda: ask(FakeClient(), "m", STYLED), "Question 1 is a row, not a text"),
        (lambda: ask(FakeClient(), "m", STYLED[0]), "Question 1 is a row, not a text"),
        (lambda: ask(FakeClient(), "m", ["a", None]), "Question 2 is None, not a text"),
        (lambda: ask(FakeClient(), "m", "a", shots={"messages": []}),
         r"one example; .*shots=\[row\]"),
        (lambda: ask(FakeClient(), "m", "a", shots=STYLED),
         "Shot 1 has no messages, only question, style; shots are a list of chat"),
        (lambda: side_by_side(FakeClient(), "gpt-4.1-mini", "a"),
         "Models have names; give a dict"),
        (lambda: compare(FakeClient(), "gpt-4.1-mini", STYLED, RIGHT),
         "Models have names; give a dict"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_the_way_out(call, words):
    with pytest.raises((TypeError, ValueError), match=words):
        call()


def test_scoring_nothing_is_an_error():
    with pytest.raises(ValueError, match="no rows"):
        score([], [], {})


def test_several_lists_of_answers_are_graded_together(graders):
    answers = {"one": ["Ira furor brevis est"], "two": ["Good morning"]}
    found = scores(answers, [ANGER], graders)
    assert found["one"]["on topic"].value == 1
    assert found["two"]["well-formed"].value == 0


def test_examples_shown_before_a_question_leave_out_their_system_prompts():
    client = FakeClient(content="Carpe diem")
    shots = read_jsonl(PROVERBS / "train.jsonl", 2)
    assert ask(client, "any", ["Why?"], "Be brief.", shots) == ["Carpe diem"]
    messages = client.sent[0]["messages"]
    roles = [message["role"] for message in messages]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    assert messages[0]["content"] == "Be brief."
    assert messages[-1]["content"] == "Why?"


def test_a_single_text_is_one_question():
    client = FakeClient(content="Labor omnia vincit")
    assert ask(client, "any", "Why work?") == ["Labor omnia vincit"]
    table = side_by_side(client, {"tuned": "any"}, "Why work?")
    assert table.rows == [["Why work?", "Labor omnia vincit"]]
    assert {sent["messages"][-1]["content"] for sent in client.sent} == {"Why work?"}


def test_without_tools_none_are_sent():
    client = FakeClient(content=None)
    assert ask(client, "any", ["Why?"]) == [""]
    assert "tools" not in client.sent[0]


CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city": "oslo"}'},
}
OSLO = {
    "request": "Rain in Oslo?",
    "tool": "get_weather",
    "arguments": {"city": "Oslo"},
}


def test_models_are_compared_on_calls_of_tools():
    client = FakeClient(tool_calls=[CALL])
    rows = [OSLO, OSLO | {"arguments": {"city": "Rome"}}]
    found = compare(
        client, {"any": "x"}, rows, tool_graders(), field="request", tools=TOOLS
    )
    assert client.sent[0]["tools"] == TOOLS
    assert client.sent[0]["messages"][-1]["content"] == "Rain in Oslo?"
    assert found["any"]["right tool"].value == 1
    assert found["any"]["right arguments"].value == 0.5


def test_a_field_that_rows_do_not_have_is_named_with_those_they_have():
    with pytest.raises(ValueError, match="'question', only request, tool, arguments"):
        compare(FakeClient(), {"any": "x"}, [OSLO], tool_graders())


def test_grades_can_be_told_apart_by_a_key_of_the_rows(graders):
    rows = [{"topic": "anger", "style": style} for style in ("plain", "formal")]
    found = score_by("style", ["Ira furor brevis est", "Hello"], rows, graders)
    assert list(found.metrics) == ["formal", "plain"]
    assert found["plain"]["on topic"].value == 1
    assert found["formal"]["on topic"].value == 0


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with fresh_home(tmp_path_factory.mktemp("evaluate") / "ws"):
        yield connect()


REQUEST = {
    "model": "tinygpt",
    "messages": [{"role": "user", "content": "What is the capital of Italy?"}],
}


def test_the_pieces_of_a_stream_make_the_answer(client):
    chat = client.chat.completions
    request = {**REQUEST, "temperature": 0}
    table = pieces(chat.create(**request, stream=True, logprobs=True))
    answer = chat.create(**request).choices[0].message.content
    assert "".join(row[0] for row in table.rows) == answer
    assert all(0 <= row[1] <= 1 for row in table.rows)


def test_a_stream_without_logprobs_is_refused(client):
    stream = client.chat.completions.create(**REQUEST, stream=True)
    with pytest.raises(ValueError, match="logprobs=True"):
        pieces(stream)


def test_replies_are_whole_messages_in_the_order_of_the_questions(client):
    asked = ["Is it warm in Oslo?", "What is the capital of Italy?"]
    messages = replies(client, "tinygpt", asked, tools=TOOLS)
    assert [message.role for message in messages] == ["assistant"] * 2
    again = replies(client, "tinygpt", asked[1:], tools=TOOLS)
    assert again[0].content == messages[1].content


def test_a_model_that_is_not_made_yet_is_told_with_how_to_wait():
    with pytest.raises(NotFinishedError, match=r"follow\(client, job\)"):
        side_by_side(FakeClient(), {"tuned": None}, ["Who?"])
