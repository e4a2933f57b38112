"""Fixes of single examples, each under the code of the finding that it mends.

A fix is safe when the example can be meant in one way only; every other one is
applied when asked for by its code. What would need a guess has no fix at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .chat_rules import ALL_KEYS, MESSAGE_KEYS, ROLES, TOP_LEVEL_KEYS, meant_role
from .habits import Usual
from .rules import near, special_tokens

Json = dict[str, Any]
#: A message: its index in `messages`, or a path such as `preferred_output[0]`.
Place = int | str | None

OUTPUTS = ("preferred_output", "non_preferred_output")


@dataclass(slots=True)
class Draft:
    """An example while it is being mended; `value` is a copy, None once dropped.

    `notes` collects what was changed: message index, field, and in words what. `line`
    is the example's line, `usual` what most examples of the file do.
    """

    value: Json | None
    answers: Mapping[str, str] = field(default_factory=dict)
    notes: list[tuple[int | None, str | None, str]] = field(default_factory=list)
    line: int = 0
    usual: Usual = field(default_factory=Usual)

    def note(self, what: str, at: Place = None, field: str | None = None) -> None:
        if isinstance(at, str):
            at, field = None, f"{at}.{field}" if field else at
        self.notes.append((at, field, what))

    @property
    def messages(self) -> Iterator[tuple[Place, Json]]:
        """Every message, with its index in `messages` or its path elsewhere."""
        value = self.value or {}
        lists: list[tuple[str, Any]] = [("", value.get("messages"))]
        given = value.get("input")
        if isinstance(given, dict):
            lists.append(("input.messages", given.get("messages")))
        lists += [(key, value.get(key)) for key in OUTPUTS]
        for path, found in lists:
            for index, message in enumerate(found if isinstance(found, list) else []):
                if isinstance(message, dict):
                    yield f"{path}[{index}]" if path else index, message


@dataclass(frozen=True, slots=True)
class Fix:
    """One way to mend one kind of finding."""

    code: str
    safe: bool
    formats: tuple[str, ...]
    what: str
    apply: Callable[[Draft], None]


FIXES: list[Fix] = []


#: Formats that consist of messages.
MESSAGES = ("chat", "reinforcement", "preference")


def fix(
    code: str, *formats: str, safe: bool = True
) -> Callable[[Callable[[Draft], None]], Callable[[Draft], None]]:
    """Make the decorated function a fix; its docstring says what it does."""

    def register(apply: Callable[[Draft], None]) -> Callable[[Draft], None]:
        what = (apply.__doc__ or "").strip()
        FIXES.append(Fix(code, safe, formats or ("chat", "completion"), what, apply))
        return apply

    return register


def apply_fixes(draft: Draft, fixes: list[Fix]) -> list[Note]:
    """Apply fixes in order, each to what the last left, and hand on their notes."""
    notes = []
    for one in fixes:
        if draft.value is None:
            break
        draft.notes = []
        one.apply(draft)
        notes += [Note(one.code, *place) for place in draft.notes]
    return notes


@dataclass(frozen=True, slots=True)
class Note:
    """What a fix changed and where: message index, field, and in words what."""

    code: str
    message: int | None
    field: str | None
    what: str


# --- keys ---------------------------------------------------------------------


def _rename(
    draft: Draft, holder: Json, known: tuple[str, ...], wanted: set[str], at: Place
) -> None:
    """Rename keys that misspell a wanted one which is missing, in their place."""
    strange = {key: near(key, known) for key in holder if key not in known}
    for key, meant in strange.items():
        rivals = [other for other in strange.values() if other == meant]
        if meant in wanted and meant not in holder and len(rivals) == 1:
            draft.note(f"key `{key}` is written `{meant}`", at, meant)
            items = [(meant if k == key else k, v) for k, v in holder.items()]
            holder.clear()
            holder.update(items)


@fix("missing_messages", "chat", "reinforcement")
def misspelt_messages(draft: Draft) -> None:
    """A misspelt `messages` is spelt right."""
    if draft.value is not None:
        _rename(draft, draft.value, TOP_LEVEL_KEYS, {"messages"}, None)


@fix("missing_role", *MESSAGES)
def misspelt_role_key(draft: Draft) -> None:
    """A misspelt key `role` is spelt right."""
    for index, message in draft.messages:
        _rename(draft, message, ALL_KEYS, {"role"}, index)


@fix("missing_content", *MESSAGES)
def misspelt_content_key(draft: Draft) -> None:
    """A misspelt key `content` is spelt right."""
    for index, message in draft.messages:
        _rename(draft, message, ALL_KEYS, {"content"}, index)


@fix("missing_key", "completion")
def misspelt_prompt_or_completion(draft: Draft) -> None:
    """A misspelt `prompt` or `completion` is spelt right."""
    keys = ("prompt", "completion")
    if draft.value is not None:
        _rename(draft, draft.value, keys, set(keys), None)


@fix("missing_preference_key", "preference")
def misspelt_outputs(draft: Draft) -> None:
    """Outputs under an older or a misspelt name get the name they have now."""
    value = draft.value or {}
    for output in OUTPUTS:
        older = output.replace("output", "completion")
        if older in value and output not in value:
            items = [(output if key == older else key, v) for key, v in value.items()]
            value.clear()
            value.update(items)
            draft.note(f"key `{older}` is written `{output}`", None, output)
    keys = ("input", *OUTPUTS)
    _rename(draft, value, keys, set(keys), None)


@fix("extra_preference_key", "preference")
def unknown_preference_keys(draft: Draft) -> None:
    """Keys beside input and outputs that the service refuses are removed."""
    value = draft.value or {}
    keys = {"input", *OUTPUTS}
    for key in [key for key in value if key not in keys and keys <= value.keys()]:
        del value[key]
        draft.note(f"unknown key `{key}` is removed", None, key)


@fix("extra_key", "chat")
def weight_of_the_only_answer(draft: Draft) -> None:
    """A `weight` beside `messages` moves into the only answer."""
    value = draft.value or {}
    answers = [m for _, m in draft.messages if m.get("role") == "assistant"]
    alone = len(answers) == 1 and "weight" not in answers[0]
    if alone and value.get("weight") in (0, 1):
        index = value["messages"].index(answers[0])
        answers[0]["weight"] = value.pop("weight")
        draft.note("`weight` moves into the answer", index, "weight")


@fix("extra_key")
def unknown_keys(draft: Draft) -> None:
    """Keys that the service refuses: misspelt ones are spelt right, others removed."""
    value = draft.value or {}
    chat = "messages" in value
    known = TOP_LEVEL_KEYS if chat else ("prompt", "completion")
    _rename(draft, value, known, set(known) - {"messages"} if chat else set(), None)
    for key in [key for key in value if key not in known]:
        lacking = near(key, known) in set(known) - value.keys()
        if key != "weight" and not lacking:
            del value[key]
            draft.note(f"unknown key `{key}` is removed", None, key)


@fix("extra_message_key", *MESSAGES)
def unknown_message_keys(draft: Draft) -> None:
    """Keys of a message that the service refuses: spelt right, or removed."""
    for index, message in draft.messages:
        known = MESSAGE_KEYS.get(meant_role(message) or "", ALL_KEYS)
        _rename(draft, message, known, set(known) - {"role", "content"}, index)
        for key in [key for key in message if key not in known and key != "weight"]:
            if near(key, known) not in set(known) - message.keys():
                del message[key]
                draft.note(f"unknown key `{key}` is removed", index, key)


# --- roles and weights --------------------------------------------------------


@fix("unknown_role", *MESSAGES)
def misspelt_role(draft: Draft) -> None:
    """A role that is misspelt by a letter or two, or written in capitals."""
    for index, message in draft.messages:
        role = message.get("role")
        if not isinstance(role, str) or role in MESSAGE_KEYS:
            continue
        meant = draft.answers.get(role) or _misspelling(role)
        if meant:
            message["role"] = meant
            draft.note(f"role `{role}` is written `{meant}`", index, "role")


def _misspelling(role: str) -> str | None:
    """The role that a word is within two letters of, if it is near to it at all."""
    word = role.strip().lower()
    if word in MESSAGE_KEYS:
        return word
    meant = near(word, ROLES)
    return meant if meant and len(word) > 2 and distance(word, meant) <= 2 else None


def distance(one: str, two: str) -> int:
    """Letters to insert, delete or replace to turn one word into the other."""
    row = list(range(len(two) + 1))
    for i, letter in enumerate(one, start=1):
        last, row = row, [i]
        for j, other in enumerate(two, start=1):
            row.append(min(last[j] + 1, row[-1] + 1, last[j - 1] + (letter != other)))
    return row[-1]


@fix("developer_role", *MESSAGES)
def developer(draft: Draft) -> None:
    """The role `developer` is written `system`, which means the same."""
    for index, message in draft.messages:
        if message.get("role") == "developer":
            message["role"] = "system"
            draft.note("role `developer` is written `system`", index, "role")


@fix("weight_role", *MESSAGES)
def weight_of_others(draft: Draft) -> None:
    """`weight` is removed where it has no effect: from other roles' messages."""
    for index, message in draft.messages:
        if "weight" in message and meant_role(message) not in ("assistant", None):
            del message["weight"]
            draft.note("`weight` is removed: only answers have one", index, "weight")


@fix("weight_value", *MESSAGES)
def weight_as_number(draft: Draft) -> None:
    """A `weight` that is plainly 0 or 1 is written as that number."""
    plain = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}
    for index, message in draft.messages:
        weight = message.get("weight", 1)
        number = plain.get(str(weight).strip().lower())
        if number is not None and type(weight) is not int:
            message["weight"] = number
            draft.note(f"`weight` is written {number}", index, "weight")


# --- contents -----------------------------------------------------------------


def _text_fields(draft: Draft) -> Iterator[tuple[Place, Json, str]]:
    """Every place for a text: message index or None, its holder, its key."""
    value = draft.value or {}
    yield from ((None, value, key) for key in ("prompt", "completion") if key in value)
    for index, message in draft.messages:
        if "content" in message:
            yield index, message, "content"


def _content_codes(apply: Callable[[Draft], None], safe: bool) -> None:
    fix("content_type", *MESSAGES, safe=safe)(apply)
    fix("wrong_type", "completion", safe=safe)(apply)


def numbers_as_text(draft: Draft) -> None:
    """A number where a text belongs is written as text."""
    for index, holder, key in _text_fields(draft):
        if type(holder[key]) in (int, float):
            holder[key] = json.dumps(holder[key])
            draft.note("the number is written as text", index, key)


def objects_as_text(draft: Draft) -> None:
    """An object where a text belongs is written as the text of its JSON."""
    for index, holder, key in _text_fields(draft):
        if isinstance(holder[key], dict):
            holder[key] = json.dumps(holder[key], ensure_ascii=False)
            draft.note("the object is written as JSON text", index, key)


_content_codes(numbers_as_text, safe=True)
_content_codes(objects_as_text, safe=False)


@fix("content_part", *MESSAGES)
def content_parts(draft: Draft) -> None:
    """Content parts in the words of other APIs are written as this one has them."""
    for index, message in draft.messages:
        content = message.get("content")
        parts = content if isinstance(content, list) else []
        for number, part in enumerate(parts):
            meant = _part(part)
            if meant != part:
                parts[number] = meant
                where = f"content[{number}]"
                draft.note("the part is written as this API has it", index, where)


def _part(part: Any) -> Any:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if not isinstance(part, dict):
        return part
    if part.get("type") in ("input_text", "output_text"):
        return {**part, "type": "text"}
    url = part.get("image_url")
    if part.get("type") in ("input_image", "image_url") and isinstance(url, str):
        detail = {"detail": part["detail"]} if "detail" in part else {}
        return {"type": "image_url", "image_url": {"url": url, **detail}}
    return part


@fix("special_token", *MESSAGES, "completion", safe=False)
def special_tokens_apart(draft: Draft) -> None:
    """Special tokens get a space after their `<`, so that they are plain text."""
    for index, holder, key in _text_fields(draft):
        found = special_tokens(holder[key]) if isinstance(holder[key], str) else []
        for token in found:
            holder[key] = holder[key].replace(token, "< " + token[1:])
            draft.note(f"{token} is written with a space", index, key)


@fix("last_not_assistant", "chat", safe=False)
def cut_after_the_last_answer(draft: Draft) -> None:
    """Messages after the last answer are cut off."""
    listed = (draft.value or {}).get("messages")
    if not isinstance(listed, list):
        return
    kept = len(listed)
    while kept and not _is_answer(listed[kept - 1]):
        kept -= 1
    if kept and (n := len(listed) - kept):
        del listed[kept:]
        draft.note(f"{n} after the last answer cut off", kept, None)


def _is_answer(message: Any) -> bool:
    return isinstance(message, dict) and message.get("role") == "assistant"
