"""What the texts of a file say, beside its structure: nothing here is refused.

Copies, contradictions, rows that also stand in the training file, system prompts and
answers that differ by accident, personal data and secrets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .content_rules import texts_of
from .findings import Finding
from .habits import Habits, SystemPrompts, Usual, usual_of
from .personal import covered, found_in
from .read import Source, read_rows
from .repeats import Repeats, fingerprint, fingerprint_of
from .rules import Hit, Rule, rule, shown

CONTENT_RULES: list[Rule[Noted]] = []
#: (message, field, role, text)
Text = tuple[int | None, str, str, str]


@dataclass(frozen=True, slots=True)
class Noted:
    """A remark about a line, made by the code of its rule."""

    code: str
    line: int
    what: str
    message: int | None = None
    field: str | None = None
    mark: str | None = None
    number: int = 0


def _noted(noted: Noted, code: str) -> Iterator[Hit]:
    if noted.code == code:
        yield Hit(noted.what, noted.message, noted.field, mark=noted.mark)


@rule(
    CONTENT_RULES,
    "warning",
    why="A repeated example counts double in training, and one that stands in the "
    "training and the validation file makes the validation loss look too good.",
    fix="Remove the line, unless the repetition is meant.",
)
def duplicate_example(noted: Noted) -> Iterator[Hit]:
    yield from _noted(noted, "duplicate_example")


@rule(
    CONTENT_RULES,
    "warning",
    why="The model is shown two answers to one question and learns neither well.",
    fix="Keep the better answer, or say in the question what makes the difference.",
)
def contradiction(noted: Noted) -> Iterator[Hit]:
    yield from _noted(noted, "contradiction")


@rule(
    CONTENT_RULES,
    "warning",
    why="Validation shows how the model does on what it has not seen; this it has.",
    fix="Remove the line from one of the two files.",
)
def in_training(noted: Noted) -> Iterator[Hit]:
    yield from _noted(noted, "in_training")


@rule(
    CONTENT_RULES,
    "warning",
    why="The model ties what it learns to the words of the system prompt; a slip in "
    "it makes the example count for another prompt.",
    fix="Write the same system prompt in all lines, and use it when you ask.",
)
def system_prompt_slip(noted: Noted) -> Iterator[Hit]:
    yield from _noted(noted, "system_prompt_slip")


@rule(
    CONTENT_RULES,
    "advice",
    why="The model also learns the form of the answers; a few that are made otherwise "
    "teach it to waver.",
    fix="Write all answers alike, or leave it where the difference is meant.",
)
def unusual_answer(noted: Noted) -> Iterator[Hit]:
    yield from _noted(noted, "unusual_answer")


@rule(
    CONTENT_RULES,
    "warning",
    why="A tuned model can repeat what it was trained on, to anybody who asks.",
    fix="Revoke the key where it was issued, and remove it here. (Found by a pattern; "
    "others may stand here unfound.)",
)
def secret(noted: Noted) -> Iterator[Hit]:
    yield from _noted(noted, "secret")


@rule(
    CONTENT_RULES,
    "advice",
    why="A tuned model can repeat what it was trained on, to anybody who asks; for "
    "data of persons you also need a reason in law.",
    fix="Replace it by an invented one, e.g. name@example.com. (Found by a pattern: no "
    "guarantee that there is no more.)",
)
def personal_data(noted: Noted) -> Iterator[Hit]:
    yield from _noted(noted, "personal_data")


class Contents:
    """Looks at the texts of examples as they come by, and sums up at the end."""

    def __init__(self, training: Iterable[tuple[int, int]] = ()) -> None:
        self._training = {whole: line for line, whole in training}
        self._repeats = Repeats()
        self._habits = Habits()
        self._prompts = SystemPrompts()

    def plain(self, line: int, messages: list[Any]) -> list[Finding]:
        """Findings in the messages of a plain example (see `plain.Chat`)."""
        roles = [message.__struct_config__.tag for message in messages]
        told = [message.content for message in messages]
        asked = list(zip(roles[:-1], told[:-1], strict=True))
        hashes = fingerprint(asked, told[-1])
        texts: list[Text] = [
            (index, "content", role, text)
            for index, (role, text) in enumerate(zip(roles, told, strict=True))
        ]
        return self._look(line, texts, hashes)

    def example(
        self, line: int, value: dict[str, Any], format: str | None, sound: bool
    ) -> list[Finding]:
        """Findings in an example that was read as JSON; only sound ones contradict."""
        asked, whole = fingerprint_of(value, format)
        texts = list(_texts(value, format))
        return self._look(line, texts, (asked if sound else whole, whole))

    def _look(
        self, line: int, texts: list[Text], hashes: tuple[int, int]
    ) -> list[Finding]:
        self._repeats.add(line, *hashes)
        found: list[Finding] = []
        if hashes[1] in self._training:
            there = self._training[hashes[1]]
            what = f"the same as line {there} of the training file"
            found += _findings([Noted("in_training", line, what)])
        for message, field, role, text in texts:
            if role == "system" and message is not None:
                self._prompts.add(line, message, text)
            if role in ("assistant", "completion") and text.strip():
                self._habits.add(line, message, text)
            for is_secret, name, mark in found_in(text):
                code = "secret" if is_secret else "personal_data"
                what = f"the text holds {name}: {shown(covered(mark))}"
                noted = Noted(code, line, what, message, field, mark)
                found += _findings([noted])
        return found

    def end(self) -> Iterator[Finding]:
        """Findings that need the whole file, by kind and then by line."""
        yield from _findings(
            Noted("duplicate_example", line, f"the same as line {first}")
            for line, first in self._repeats.repeated()
        )
        yield from _findings(
            Noted("contradiction", line, f"line {first} asks the same, other answer")
            for line, first in self._repeats.contradicting()
        )
        for line, message, usual, slip in self._prompts.slips():
            what = f"the system prompt is {shown(slip)}, elsewhere {shown(usual)}"
            noted = Noted("system_prompt_slip", line, what, message, "content")
            yield from _findings([noted])
        for one in self._habits.exceptions():
            field = "completion" if one.message is None else "content"
            noted = Noted("unusual_answer", one.line, one.what, one.message, field)
            yield from _findings([noted])

    def usual(self) -> Usual:
        """What most examples do where few do otherwise."""
        return usual_of(self._prompts, self._habits)


def _findings(noted: Iterable[Noted]) -> Iterator[Finding]:
    for one in noted:
        yield from _BY_CODE[one.code].findings(one)


_BY_CODE = {rule.code: rule for rule in CONTENT_RULES}


def _texts(value: dict[str, Any], format: str | None) -> Iterator[Text]:
    if format == "completion":
        for key in ("prompt", "completion"):
            if isinstance(text := value.get(key), str):
                yield None, key, key, text
        return
    holders = [("", value.get("messages"))]
    if format == "preference":
        given = value.get("input")
        asked = given.get("messages") if isinstance(given, dict) else None
        holders = [("input.messages", asked)]
        outputs = ("preferred_output", "non_preferred_output")
        holders += [(key, value.get(key)) for key in outputs]
    for path, messages in holders:
        listed = messages if isinstance(messages, list) else []
        for index, message in enumerate(listed):
            if isinstance(message, dict):
                for field, text in texts_of(message):
                    place = f"{path}[{index}].{field}" if path else field
                    number = None if path.endswith("output") else index
                    yield number, place, str(message.get("role")), text


def usual_texts(source: Source, format: str | None) -> Usual:
    """What most examples of a file do, for its repair."""
    contents = Contents()
    for row in read_rows(source):
        if isinstance(row.value, dict):
            contents.example(row.line, row.value, format, sound=False)
    return contents.usual()


def training_index(
    rows: Iterable[tuple[int, dict[str, Any]]], format: str | None
) -> Iterator[tuple[int, int]]:
    """(line, hash) of each example of a training file."""
    return ((line, fingerprint_of(value, format)[1]) for line, value in rows)
