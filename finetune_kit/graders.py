"""Graders of the data sets beside the proverbs: an answer against its test row.

They need no judge. What counts as right is written in the README of each set.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from finetune_kit.evaluate import Grader, Row, plain

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessage

    Message = ChatCompletionMessage | Mapping[str, Any]

TICKET_FIELDS = ("team", "urgency", "tone")
EXTRACTION_FIELDS = ("name", "city")

SARCASTIC_OPENINGS = ("oh", "wow", "gosh", "amazing")
SARCASTIC_CLOSINGS = (
    "shocking",
    "imagine that",
    "who knew",
    "thrilling",
    "what a surprise",
    "hold your hat",
    "try to stay calm",
)
KIND_ENDINGS = (
    "you can do it",
    "you will manage",
    "take heart",
    "have courage",
    "i believe in you",
    "all will be well",
)
LIMITS = ("tiny model", "not know")


def review_graders() -> dict[str, Grader[str]]:
    """``exact label``: the row's sentiment and nothing else; white space is free."""
    return {"exact label": lambda answer, row: answer.strip() == row["sentiment"]}


def ticket_graders() -> dict[str, Grader[str]]:
    """``valid JSON``, ``all fields``, and each of team, urgency, tone."""
    return _field_graders(TICKET_FIELDS)


def extraction_graders() -> dict[str, Grader[str]]:
    """``valid JSON``, ``all fields``, and each of name, city."""
    return _field_graders(EXTRACTION_FIELDS)


def tool_graders() -> dict[str, Grader[Message]]:
    """``right tool`` and ``right arguments`` of a chat message.

    The message is the SDK's (``reply.choices[0].message``) or a dict of that shape. A
    row whose tool is None wants no call; several calls at once are wrong. Arguments
    count only with the right tool; the case of letters in them is free.
    """
    return {"right tool": _right_tool, "right arguments": _right_arguments}


def tone_graders() -> dict[str, Grader[str]]:
    """``sarcastic``: the set's markers at both ends; ``fact kept``: its key words."""
    return {
        "sarcastic": lambda answer, row: is_sarcastic(answer),
        "fact kept": lambda answer, row: holds_words(answer, row["fact"]),
        "both": lambda answer, row: (
            is_sarcastic(answer) and holds_words(answer, row["fact"])
        ),
    }


def preference_graders() -> dict[str, Grader[str]]:
    """``preferred style``: one sentence that ends with an encouragement."""
    return {"preferred style": lambda answer, row: is_encouraging(answer)}


def limits_graders() -> dict[str, Grader[str]]:
    """``says so``: the answer is that a tiny model does not know."""
    return {"says so": lambda answer, row: says_its_limits(answer)}


def is_sarcastic(answer: str) -> bool:
    """Opens with ``Oh,`` or its like and closes with a mocking sentence of the set."""
    opening = plain(answer).partition(",")[0]
    closing = plain(re.split(r"[.!?]\s+", answer.strip())[-1])
    return opening in SARCASTIC_OPENINGS and closing in SARCASTIC_CLOSINGS


def is_encouraging(answer: str) -> bool:
    """One sentence whose last words, after a comma, are an encouragement of the set."""
    advice, comma, ending = plain(answer).rpartition(", ")
    one_sentence = re.search(r"[.!?]", advice) is None
    return bool(advice and comma) and one_sentence and ending in KIND_ENDINGS


def says_its_limits(answer: str) -> bool:
    """Whether the words ``tiny model`` and ``not know`` both stand in the answer."""
    text = " ".join(["", *re.findall(r"[a-z0-9']+", answer.lower()), ""])
    return all(f" {phrase} " in text for phrase in LIMITS)


def holds_words(answer: str, words: str | Sequence[str]) -> bool:
    """Whether each of the words stands in the answer, whole, in any order and case."""
    wanted = words if isinstance(words, str) else " ".join(words)
    return _words(wanted) <= _words(answer)


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text.lower()))


def _field_graders(fields: Sequence[str]) -> dict[str, Grader[str]]:
    def all_fields(answer: str, row: Row) -> bool:
        return _json_object(answer) == {field: row[field] for field in fields}

    return {
        "valid JSON": lambda answer, row: _json_object(answer) is not None,
        "all fields": all_fields,
        **{field: _field_grader(field) for field in fields},
    }


def _field_grader(field: str) -> Grader[str]:
    def right(answer: str, row: Row) -> bool:
        found = _json_object(answer)
        return found is not None and found.get(field) == row[field]

    return right


def _json_object(text: str) -> dict[str, Any] | None:
    """The one JSON object that the text is, or None."""
    try:
        found = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _right_tool(message: Message, row: Row) -> bool:
    wanted = [] if row["tool"] is None else [row["tool"]]
    return [call["function"]["name"] for call in _calls(message)] == wanted


def _right_arguments(message: Message, row: Row) -> bool:
    if not _right_tool(message, row):
        return False
    calls = _calls(message)
    if not calls:
        return True
    found = _json_object(calls[0]["function"]["arguments"])
    return found is not None and _comparable(found) == _comparable(row["arguments"])


def _calls(message: Message) -> list[dict[str, Any]]:
    found = message if isinstance(message, Mapping) else message.model_dump()
    return list(found.get("tool_calls") or [])


def _comparable(arguments: Mapping[str, Any]) -> dict[str, tuple[type, Any]]:
    """Texts without case and outer signs; the type counts, as 1 == 1.0 == True."""
    return {
        key: (type(value), plain(value) if isinstance(value, str) else value)
        for key, value in arguments.items()
    }
