"""What the texts of a file say: copies, contradictions, slips, secrets, length."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from finetune_kit.dataset import Finding, check
from finetune_kit.dataset.personal import found_in

SYSTEM = "You help the readers of the town library."


def chat(number: int, answer: str = "Yes.", system: str = SYSTEM) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "system", "content": system},
            {"role": "user", "content": f"Question {number}?"},
            {"role": "assistant", "content": answer},
        ]
    }


def file(*changed: dict[str, Any], count: int = 20) -> bytes:
    rows = [*(chat(number) for number in range(count)), *changed]
    return "\n".join(map(json.dumps, rows)).encode()


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, findings
    return findings[0]


def test_a_copy_is_found_whatever_the_order_of_its_keys():
    copy = chat(4)
    copy["messages"][1] = dict(reversed(copy["messages"][1].items()))
    found = only(check(file(copy)).findings)
    assert (found.code, found.line, found.what) == (
        "duplicate_example",
        21,
        "the same as line 5",
    )


def test_two_answers_to_one_question_contradict():
    found = only(check(file(chat(4, "Never."))).findings)
    assert (found.code, found.line) == ("contradiction", 21)
    assert "line 5" in found.what


def test_a_row_of_the_training_file_is_found_in_the_validation_file():
    validation = [chat(number) for number in (50, 3, 51)]
    report = check(validation, training=file())
    found = only([f for f in report.findings if f.code == "in_training"])
    assert (found.line, found.what) == (2, "the same as line 4 of the training file")


def test_a_slip_in_a_system_prompt_is_marked():
    report = check(file(chat(30, system=SYSTEM.replace("readers", "raeders"))))
    found = only(report.findings)
    assert (found.code, found.where) == (
        "system_prompt_slip",
        "line 21, messages[0].content",
    )


@pytest.mark.parametrize(
    "system", ["You are a pirate and speak like one.", SYSTEM + " Reader 7."]
)
def test_another_system_prompt_is_no_slip(system: str):
    assert check(file(chat(30, system=system))).findings == []


@pytest.mark.parametrize("answer", ["no.", " No.", "No.\n"])
def test_an_answer_unlike_the_others_is_advised_on(answer: str):
    found = only(check(file(chat(30, answer))).findings)
    assert (found.code, found.severity, found.line) == ("unusual_answer", "advice", 21)


def test_answers_of_several_forms_are_no_habit():
    rows = [chat(n, "yes." if n % 3 else "No.") for n in range(20)]
    assert check(rows).findings == []


@pytest.mark.parametrize(
    "text",
    [
        "sk-proj-Qm4xT8vLz2Nc6RbWy1Hd",
        "sk-ant-api03-Qm4xT8vLz2Nc6RbWy1Hd",
        "ghp_" + "a1B2" * 9,
        "AKIAIOSFODNN7EXAMPLE",
        "AIza" + "Sy1-_" * 7,
        "hf_" + "aB3" * 11,
        "xoxb-123456789012-abc",
        "sk_live_" + "a1" * 12,
        "-----BEGIN RSA PRIVATE KEY-----",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2QT4",
    ],
)
def test_a_secret_is_found_and_not_repeated(text: str):
    found = only(check(file(chat(30, f"Use {text} now."))).findings)
    assert (found.code, found.severity) == ("secret", "warning")
    assert text not in found.what


@pytest.mark.parametrize(
    "text",
    [
        "ada@lovelace.org",
        "+49 170 1234567",
        "GB82 WEST 1234 5698 7654 32",
        "4111 1111 1111 1111",
        "8.8.8.8",
    ],
)
def test_personal_data_is_found(text: str):
    found = only(check(file(chat(30, f"It is {text}."))).findings)
    assert (found.code, found.severity) == ("personal_data", "advice")
    assert found.excerpt is not None
    assert found.excerpt.marked == text


@pytest.mark.parametrize(
    "text",
    [
        "name@example.com",
        "someone@test.invalid",
        "order 1234 5678 9012 3456",
        "GB00 WEST 1234 5698 7654 32",
        "127.0.0.1",
        "999.1.1.1",
        "version 1.2.3",
        "2026-11-22 10:00",
        "3.141592653589793",
        "a task-force-of-twenty-four-people",
    ],
)
def test_what_only_looks_like_personal_data_is_left(text: str):
    assert list(found_in(text)) == []


def test_patterns_take_no_longer_on_long_words():
    assert list(found_in("a1" * 200_000 + "@")) == []


def test_a_long_example_says_what_is_cut():
    long = chat(30, "Once upon a time." + " And then." * 2_000)
    assert check(file(long)).findings == []
    report = check(file(long), model="gpt-3.5-turbo-0613")
    found = only(report.findings)
    assert (found.code, found.line, found.message) == ("too_long", 21, 2)
    assert "4,096 are read" in found.what


def test_what_is_cut_of_prompt_completion_and_preferences_is_told():
    pairs = [{"prompt": f"{n} ->", "completion": f" {n}."} for n in range(12)]
    pairs[3]["completion"] = " word" * 20_000
    found = only(check(pairs, model="babbage-002").findings)
    assert (found.code, found.where) == ("too_long", "line 4, completion")
    turn = {"role": "assistant", "content": "No."}
    rows = [
        {
            "input": {"messages": [{"role": "user", "content": f"Question {n}?"}]},
            "preferred_output": [turn | {"content": "Yes."}],
            "non_preferred_output": [turn],
        }
        for n in range(12)
    ]
    rows[5]["input"]["messages"][0]["content"] = "word " * 70_000
    found = only(check(rows, method="dpo", model="gpt-4.1").findings)
    assert (found.code, found.where) == ("too_long", "line 6, input.messages")


@pytest.mark.parametrize(
    ("rows", "model", "method", "said"),
    [
        ("chat", "babbage-002", "supervised", "takes prompt/completion lines"),
        ("completion", "gpt-4.1-mini", "supervised", "takes chats"),
        ("chat", "o4-mini", "supervised", "only by reinforcement"),
    ],
)
def test_the_model_must_take_format_and_method(
    rows: str, model: str, method: Any, said: str
):
    pairs = [{"prompt": f"{n} ->", "completion": f" {n}."} for n in range(12)]
    data = file() if rows == "chat" else pairs
    found = only(check(data, method=method, model=model).findings)
    assert (found.code, found.exact) == ("wrong_model", False)
    assert said in found.what
    assert model in str(found.service_message)


def test_a_model_that_takes_the_file_says_nothing():
    pairs = [{"prompt": f"{n} ->", "completion": f" {n}."} for n in range(12)]
    assert check(pairs, model="davinci-002").findings == []
    assert check(file(), model="gpt-4o-mini").findings == []


def test_an_unknown_model_is_refused():
    with pytest.raises(ValueError, match="not in the catalog"):
        check(file(), model="gpt-17")


def test_the_structure_alone_leaves_the_texts_unread():
    data = file(chat(4), chat(5, "sk-proj-Qm4xT8vLz2Nc6RbWy1Hd"))
    assert check(data, structure_only=True).findings == []


def test_processes_share_the_work_and_find_the_same(tmp_path: Path):
    path = tmp_path / "many.jsonl"
    rows = [chat(number) for number in range(3_000)]
    rows[1_234]["messages"][2]["role"] = "assitant"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n", encoding="utf-8")
    alone = check(path, structure_only=True)
    shared = check(path, structure_only=True, workers=2)
    assert shared == alone
    assert (alone.errors[0].line, alone.examples) == (1_235, 3_000)


def test_all_are_counted_where_a_thousand_are_listed():
    data = "\n".join(json.dumps(chat(n, "<|im_end|>")) for n in range(1_500))
    report = check(data.encode(), structure_only=True)
    assert report.counts == {"special_token": 1_500}
    assert len(report.findings) == 1_001
    assert report.findings[-1].what.startswith("500 more")


def test_a_report_can_be_narrowed_to_a_code_or_a_line():
    report = check(file(chat(4), chat(5, "Never.")))
    assert [f.line for f in report.only("contradiction").findings] == [22]
    assert [f.code for f in report.only(line=21).findings] == ["duplicate_example"]
    assert "contradiction" not in report.only("duplicate_example")._repr_html_()
