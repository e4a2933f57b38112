"""Does an answer have the form that was asked for (`response_format`, `text.format`)?

tinygpt is not held to a form while it speaks, so its answer is checked afterwards. One
that does not fit is sent as a refusal: the service too gives either what the schema
says or a refusal, and the SDK's `parse` knows both.
"""

import json
from functools import cache
from typing import Any

_LONGEST = 300  # characters of jsonschema's explanation


def is_json(wanted: dict[str, Any] | None) -> bool:
    """Does `wanted`, a chat's `response_format`, ask for JSON?"""
    return wanted is not None and wanted["type"] in ("json_object", "json_schema")


def refusal(wanted: dict[str, Any] | None, text: str) -> str | None:
    """What is sent in place of `text` where that is not as `wanted`, with the text."""
    if wanted is None or not is_json(wanted):
        return None
    fault = _misfit(wanted, text)
    return fault and (
        f"tinygpt said {json.dumps(text, ensure_ascii=False)}, which is {fault}. The "
        "local engine is not held to a format: it answers so only where it was tuned "
        "to."
    )


def _misfit(wanted: dict[str, Any], text: str) -> str | None:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"no JSON ({error})"
    if wanted["type"] == "json_object":
        return None if isinstance(said, dict) else "no JSON object"
    schema = wanted["json_schema"]
    fault = _first_fault(schema.get("schema") or {}, said)
    return fault and f"not as the schema '{schema['name']}' wants it ({fault})"


def _first_fault(schema: dict[str, Any], said: Any) -> str | None:
    """None also where a reference of the schema leads nowhere."""
    from jsonschema.exceptions import ValidationError
    from referencing.exceptions import Unresolvable

    try:
        _validator_class()(schema, registry=_no_registry()).validate(said)
    except ValidationError as error:
        return f"{error.json_path}: {error.message[:_LONGEST]}"
    except (Unresolvable, RecursionError):
        return None
    return None


def schema_fault(schema: dict[str, Any]) -> str | None:
    """Why this is no JSON Schema, None where it is one."""
    from jsonschema import FormatChecker
    from jsonschema.exceptions import SchemaError

    any_pattern = FormatChecker(())  # those of a schema are not Python's
    try:
        _validator_class().check_schema(schema, any_pattern)
    except SchemaError as error:
        where = error.json_path.replace("$", "schema", 1)
        return f"{where}: {error.message[:_LONGEST]}"
    except RecursionError:
        return "it is nested too deep"
    return None


@cache
def _validator_class() -> Any:
    """Without patterns: one that never ends would hold up the server."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    def passes(*_: Any) -> None:
        return None

    return extend(
        Draft202012Validator, {"pattern": passes, "patternProperties": passes}
    )


@cache
def _no_registry() -> Any:
    """References lead nowhere outside the schema: nothing is fetched."""
    from referencing import Registry

    return Registry()
