"""What a report says to people, to programs, and in the service's name."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from finetune_kit.dataset import check

FIELDS = [
    "code",
    "severity",
    "line",
    "message",
    "field",
    "column",
    "what",
    "why",
    "fix",
    "service_message",
    "exact",
]


def chat(number: int, **message: Any) -> dict[str, Any]:
    answer = {"role": "assistant", "content": f"a{number}"} | message
    return {"messages": [{"role": "user", "content": f"q{number}"}, answer]}


def file(*changed: dict[str, Any]) -> bytes:
    rows = [*changed, *[chat(number) for number in range(12)]]
    return "\n".join(map(json.dumps, rows)).encode()


def test_the_json_form_has_the_documented_fields():
    report = check(file(chat(99, role="assitant")))
    shape = json.loads(json.dumps(report.to_dict()))
    assert list(shape) == ["file", "format", "examples", "findings"]
    assert [list(found) for found in shape["findings"]] == [FIELDS]


def test_the_text_form_says_what_why_and_how_to_fix_it():
    text = repr(check(file(chat(99, role="assitant"))))
    assert "13 examples in the chat format, 1 error" in text
    assert "line 1, messages[1].role: unknown role 'assitant'" in text
    assert "fix: Did you mean `assistant`?" in text


def test_a_long_text_form_counts_what_it_leaves_out():
    text = repr(check([chat(number, role="bot") for number in range(30)]))
    assert "and 10 more in .findings" in text


def test_the_card_needs_nothing_that_an_untrusted_notebook_strips():
    html = check(file(chat(99, content="<script>alert(1)</script>", x=1)))._repr_html_()
    assert not re.search(r"<(script|style|svg|link)|class=|on\w+=|var\(", html)


def test_the_card_escapes_what_comes_from_the_file():
    html = check(file(chat(99, **{"<img src=x>": 1})))._repr_html_()
    assert "&lt;img" in html
    assert "<img" not in html


def test_the_cards_index_of_lines_leads_to_each_finding():
    broken = [chat(98, role="assitant"), chat(99, role="bot", x=1)]
    html = check(file(*broken))._repr_html_()
    links = re.findall(r'href="#([^"]+)"', html)
    assert len(links) == len(set(links)) == 3
    assert all(f'id="{link}"' in html for link in links)
    assert "href=" not in check(file(broken[0]))._repr_html_()


def test_the_card_sets_text_and_background_colours_together():
    html = check(file(chat(99, role="assitant")))._repr_html_()
    for style in re.findall(r'<(?:div|table|td|th) style="([^"]*)"', html):
        assert "color:" in style, style
    cells = re.findall(r'<t[dh] style="([^"]*)"', html)
    assert cells
    assert all("background:#ffffff" in style for style in cells)


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        (
            file()[: file().index(b"a7") - 60].rsplit(b"\n", 1)[0],
            "invalid_n_examples",
            "Training file has 7 example(s), but must have at least 10 examples",
        ),
        (
            file({"messages": [{"content": "a"}]}),
            "invalid_training_file",
            "The job failed due to an invalid training file. Invalid file format. "
            "Example 1, message 1 Discriminator 'role' is missing in value",
        ),
        (
            file(chat(99) | {"weight": 1}),
            "invalid_file_format",
            "The job failed due to a file format error in the training file. Invalid "
            'file format. Example 1 contains an extra "weight".',
        ),
        (
            file(chat(99, content="a <|fim_suffix|>")),
            "invalid_file_format",
            "The job failed due to a file format error in the training file. Invalid "
            "file format. Example 1 message contains an invalid token: <|fim_suffix|>.",
        ),
        (
            b'{"text": "a"}',
            "invalid_training_file",
            "The job failed due to an invalid training file. Unexpected file format, "
            "expected either prompt/completion pairs or chat messages.",
        ),
        (
            file({"tools": []}),
            "invalid_file_format",
            "The job failed due to a file format error in the training file. Invalid "
            "file format. Example 1 is missing key 'messages'",
        ),
        (
            file() + b'\n{"messages" []}',
            "invalid_file_format",
            "The job failed due to a file format error in the training file. Invalid "
            "file format. Example 13 cannot be parsed. Error: line contains invalid "
            "json: Expecting ':' delimiter: line 1 column 13 (char 12) (line 13)",
        ),
    ],
)
def test_the_jobs_error_is_in_the_services_words(data: bytes, code: str, message: str):
    error = check(data).service_error()
    assert error == {"code": code, "param": "training_file", "message": message}


def test_a_fault_without_known_words_is_named_with_its_line():
    error = check(file(chat(99, content="a \ud83d"))).service_error()
    assert error is not None
    assert error["message"] == (
        "The job failed due to a file format error in the training file. Invalid file "
        "format. Line 1: a \\u escape is half of a character"
    )


def test_a_chat_file_with_method_dpo_is_named_in_the_services_words():
    error = check(file(), method="dpo").service_error(file_id="file-abc")
    assert error is not None
    assert error["message"] == (
        "The job failed due to an invalid training file. Invalid file format. Input "
        "file file-abc is in the fine-tune-chat format, but the specified fine-tuning "
        "job is not using 'supervised' as the training method (provided method=dpo). "
    )


def test_the_validation_file_is_named_as_such_and_may_be_short():
    short = b"\n".join(file().split(b"\n")[:3])
    assert check(short).service_error("validation_file") is None
    error = check(file(chat(99, role="bot"))).service_error("validation_file")
    assert error is not None
    assert (error["code"], error["param"]) == (
        "invalid_validation_file",
        "validation_file",
    )
    assert "an invalid validation file." in error["message"]
