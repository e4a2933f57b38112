"""Each usual mistake in an exercise of lessons 02 and 03 gets a sentence that helps."""

import pytest

from finetune_kit import exercise, lesson, read_jsonl, repair
from finetune_kit.dataset.convert import convert

CHAT = lesson("03", None).path("messy/chat.jsonl")
REVIEWS = lesson("02", None).path("reviews/train.jsonl")
QUESTION = "Is the review positive or negative?"


def said(name, answer):
    return exercise(name).judge(answer) or ""


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ([1], "Row 3 is legal"),
        ([3], "Row 1 is legal"),
        ([1, 2, 3], "Row 2 has no answer"),
        ([1, 3, 4], "look where `weight` stands"),
        ([1, 7], "numbers from 1 to 4"),
    ],
)
def test_legal_rows(answer, sentence):
    assert sentence in said("02-legal-rows", answer)


def old_rows():
    return read_jsonl(REVIEWS)[:3]


def chats(**changes):
    """The three old rows as chats with their signs, changed by role."""
    said = [
        {"system": QUESTION, "user": row["prompt"], "assistant": row["completion"]}
        for row in old_rows()
    ]
    edited = [
        {role: changes.get(role, str)(text) for role, text in one.items()}
        for one in said
    ]
    return [
        {"messages": [{"role": role, "content": text} for role, text in one.items()]}
        for one in edited
    ]


def test_converting_old_rows():
    assert "`.rows`" in said("02-convert", convert(REVIEWS))
    assert "exactly three" in said("02-convert", convert(REVIEWS).rows)
    assert "system prompt" in said("02-convert", convert(REVIEWS).rows[:3])
    assert "in the completion format" in said("02-convert", old_rows())
    assert "separator" in said("02-convert", chats())
    no_separator = {"user": lambda text: text.removesuffix("\n\n###\n\n")}
    assert "around the answer" in said("02-convert", chats(**no_separator))
    for cut in (lambda t: t.split("###")[0], lambda t: t.replace("###", "")):
        left = said("02-convert", chats(user=cut, assistant=str.strip))
        assert "end of the question: the separator was `\\n\\n###\\n\\n`" in left
    assert said("02-convert", chats(**no_separator, assistant=str.strip)) == ""
    others = convert(REVIEWS, system=QUESTION).rows[3:6]
    assert "the same three" in said("02-convert", others)


def two_turns(first, second):
    messages = [
        {"role": "user", "content": "Should I wait?"},
        {"role": "assistant", "content": "Festina lente", **first},
        {"role": "user", "content": "And in English?"},
        {"role": "assistant", "content": "Hurry slowly", **second},
    ]
    return {"messages": messages}


def test_hiding_a_turn():
    both = two_turns({"weight": 0}, {"weight": 0})
    assert "Neither answer is learnt" in said("02-weight", both)
    assert "Both answers are learnt" in said("02-weight", two_turns({}, {}))
    assert "wanted is the first" in said("02-weight", two_turns({"weight": 0}, {}))
    assert "0 or 1" in said("02-weight", two_turns({}, {"weight": "0"}))
    assert "`weight`" in said("02-weight", two_turns({}, {}) | {"weight": 0})
    short = {"messages": two_turns({}, {})["messages"][:2]}
    assert "There should be two answers" in said("02-weight", short)


def test_the_bug_hunt():
    right = [4, 5, 8, 12, 13, 20, 34, 36]
    assert "Line 22 would be taken" in said("03-bug-hunt", [*right, 22])
    assert "1 more would be refused" in said("03-bug-hunt", right[:-1])
    assert "line numbers of the twelve" in said("03-bug-hunt", [*right, 2])


@pytest.mark.parametrize(
    ("answer", "letter"), [("d", "a"), ("abd", "b"), ("a", "d"), ("adf", "f")]
)
def test_accepting_repairs(answer, letter):
    assert f"Look at {letter} again" in said("03-accept", answer)


def test_saying_what_is_meant():
    both = ["safe", "duplicate_example"]
    bot = {"bot": "assistant"}
    assert "The copy is still there" in said("03-say-it", repair(CHAT, answers=bot))
    forgot_safe = repair(CHAT, "duplicate_example", answers=bot)
    assert '`fixes` needs "safe"' in said("03-say-it", forgot_safe)
    assert "`answers` says who" in said("03-say-it", repair(CHAT, both))
    user = repair(CHAT, both, answers={"bot": "user"})
    assert "it gives the answers" in said("03-say-it", user)
