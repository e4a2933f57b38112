"""Repairs of what the texts say are offered, made only when asked for by name."""

from __future__ import annotations

from typing import Any

import pytest

from finetune_kit.dataset import check
from finetune_kit.dataset.repair import repair

SYSTEM = "You help the readers of the town library."
MAIL = "ada.lovelace@analytical-engine.co.uk"
KEY = "sk-proj-Qm4xT8vLz2Nc6RbWy1Hd"


def chat(number: int, answer: str = "Yes.", system: str = SYSTEM) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "system", "content": system},
            {"role": "user", "content": f"Question {number}?"},
            {"role": "assistant", "content": answer},
        ]
    }


GOOD = [chat(number) for number in range(20)]


@pytest.mark.parametrize(
    ("code", "row", "whole"),
    [
        ("system_prompt_slip", chat(30, system=SYSTEM.upper()), chat(30)),
        ("system_prompt_slip", chat(30, system=SYSTEM + " "), chat(30)),
        ("unusual_answer", chat(30, " Yes.\n"), chat(30)),
        ("personal_data", chat(30, f"Ask {MAIL}."), chat(30, "Ask [e-mail address].")),
        ("secret", chat(30, f"Use {KEY}."), chat(30, "Use [OpenAI key].")),
    ],
)
def test_a_fix_of_texts_is_offered_and_made_when_asked(
    code: str, row: dict[str, Any], whole: dict[str, Any]
):
    rows = [*GOOD, row]
    offered = repair(rows)
    assert (offered.rows, dict(offered.offered)) == (rows, {code: 1})
    mended = repair(rows, fixes=[code])
    assert mended.rows == [*GOOD, whole]
    assert [(edit.code, edit.line) for edit in mended.edits] == [(code, 21)]
    assert check(mended.rows).findings == []


def test_a_casing_that_differs_and_another_prompt_stay():
    rows = [*GOOD, chat(30, "no."), chat(31, system="You are a pirate.")]
    mended = repair(rows, fixes=["safe", "system_prompt_slip", "unusual_answer"])
    assert (mended.rows, mended.edits) == (rows, [])


def test_white_space_that_most_answers_have_stays():
    rows = [chat(number, " Yes.") for number in range(20)] + [chat(30)]
    assert repair(rows, fixes="unusual_answer").rows == rows


def test_the_diff_does_not_spread_what_it_takes_away():
    mended = repair([*GOOD, chat(30, f"{MAIL} {KEY}")], ["personal_data", "secret"])
    said = repr(mended) + mended._repr_html_() + str(mended.to_dict())
    assert MAIL not in said
    assert KEY not in said
    assert "[e-mail address] [OpenAI key]" in str(mended.rows[-1])


def test_parts_and_prompts_are_looked_through_too():
    parts = chat(30)
    parts["messages"][1]["content"] = [{"type": "text", "text": f"I am {MAIL}"}]
    row = repair([*GOOD, parts], "personal_data").rows[-1]
    assert row["messages"][1]["content"][0]["text"] == "I am [e-mail address]"
    pairs = [{"prompt": f"{n} {MAIL}", "completion": f" {n}"} for n in range(12)]
    mended = repair(pairs, "personal_data")
    assert mended.rows[0]["prompt"] == "0 [e-mail address]"
    assert mended.counts["personal_data"] == 12
