"""Variables in a grader's texts: `{{ item.field }}`, `{{ sample.output_text }}`."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_HOLE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_PATH = re.compile(r"(item|sample)((?:\.\w+)+)")
_OF_SAMPLE = ("output_text", "output_json")


class MissingVariableError(Exception):
    """A template names what the item or the sample has not."""


class SampleParseError(Exception):
    """A template asks for JSON, and the sample is none."""


def fault(text: str) -> str | None:
    """What is wrong with the variables of a template, whatever the data may be."""
    for name in _names(text):
        found = _PATH.fullmatch(name)
        if not found:
            return (
                f"'{{{{{name}}}}}' is no variable. Write {{{{item.FIELD}}}} for a "
                "field of the data, {{sample.output_text}} for the model's answer."
            )
        part = found[2].split(".")[1]
        if found[1] == "sample" and part not in _OF_SAMPLE:
            return (
                f"The sample has no '{part}' here: model_sample is a text, read as "
                f"{' or '.join(f'{{{{sample.{known}}}}}' for known in _OF_SAMPLE)}."
            )
    return None


def filled(text: str, sample: str, item: Mapping[str, Any]) -> str:
    """The text with its variables' values; what is no text is written as JSON.

    Raises MissingVariableError or SampleParseError.
    """
    return _HOLE.sub(lambda hole: _shown(_value(hole[1].strip(), sample, item)), text)


def _names(text: str) -> Iterator[str]:
    for hole in _HOLE.finditer(text):
        yield hole[1].strip()


def _value(name: str, sample: str, item: Mapping[str, Any]) -> Any:
    namespace, *path = name.split(".")
    here: Any = item
    if namespace == "sample":
        is_text = path.pop(0) == "output_text"
        here = sample if is_text else _parsed(sample)
    for step in path:
        try:
            here = here[int(step)] if isinstance(here, list) else here[step]
        except (KeyError, IndexError, TypeError, ValueError):
            raise MissingVariableError(name) from None
    return here


def _parsed(sample: str) -> Any:
    try:
        return json.loads(sample)
    except (ValueError, RecursionError):
        raise SampleParseError from None


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
