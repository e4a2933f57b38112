"""Reading a request strictly: the SDK's parameter types are the schema.

pydantic validates against the TypedDicts of the installed `openai` package. On top
of its defaults: unknown keys are refused, nothing is coerced ("12" is no seed), and
`Iterable` fields are checked at once instead of when somebody iterates.
"""

import json
import math
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import cache, wraps
from typing import Any, NamedTuple

from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from finetune_kit.localapi.errors import ApiError

JSON_LIMIT = 8 * 2**20  # bytes; larger bodies than this are files, not requests
JSON_DEPTH = 64  # arrays and objects within each other; a JSON schema needs about 20

# pydantic's error types -> what was expected, in the words of the service.
_EXPECTED = {
    "string_type": "a string",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "a boolean",
    "list_type": "an array",
    "is_instance_of": "an array",
    "sequence_str": "an array",
    "dict_type": "an object",
    "none_required": "null",
}
_DISCRIMINATORS = ("role", "type")


class _Problem(NamedTuple):
    kind: str  # pydantic's error type
    path: tuple[str | int, ...]  # keys and indices into the body
    branch: tuple[str, ...]  # members of unions on the way there
    supported: str  # for literals: the values, quoted


_loading = threading.RLock()


def from_sdk(load: Callable[[], Any]) -> Callable[[], Any]:
    """Make `load`, which imports a type of the SDK, run once and not beside another.

    The SDK's modules import each other in circles: of two threads that begin at
    different ends, one would see half a module.
    """

    @cache
    @wraps(load)
    def one_at_a_time() -> Any:
        with _loading:
            return load()

    return one_at_a_time


async def body(request: Request, schema: Any) -> dict[str, Any]:
    """The JSON object in the request's body, valid against the TypedDict `schema`.

    Raises ApiError 400 in the contract's words for anything else.
    """
    document = await json_object(request)
    check(document, schema)
    return document


async def json_object(request: Request) -> dict[str, Any]:
    """The JSON object in the request's body, not yet checked against a schema."""
    raw = await request.body()
    try:
        document = json.loads(raw, parse_constant=_refuse_constant)
        # Lone surrogates parse, but can be neither stored nor sent back.
        json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError:
        raise _too_deep() from None
    except UnicodeError:
        raise _unreadable("it is not valid UTF-8 text") from None
    except ValueError as error:
        raise _unreadable(str(error)) from None
    if _deeper_than(JSON_DEPTH, document):
        raise _too_deep()
    if not isinstance(document, dict):
        raise ApiError(
            400,
            f"Invalid type for the request body: expected an object, but got "
            f"{_name_of(document)} instead.",
            code="invalid_type",
        )
    return document


def require_form(request: Request, fields: str) -> None:
    """Refuse a body that is no multipart form in UTF-8; `fields` it should have."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data":
        raise ApiError(
            400, f"This endpoint takes a multipart/form-data body with {fields}."
        )
    charset = options.get(b"charset", b"utf-8").decode("latin-1")
    if charset.lower() not in ("utf-8", "utf8", "us-ascii"):
        raise ApiError(
            400, f"The form is said to be written in '{charset}'. Write it in UTF-8."
        )


def check(document: dict[str, Any], schema: Any) -> None:
    """Raise the ApiError for the first fault of `document` against `schema`."""
    from pydantic_core import ValidationError

    try:
        _validator(schema).validate_python(document, strict=True, extra="forbid")
    except ValidationError as error:
        problems = [_problem(entry, document) for entry in error.errors()]
        raise _as_api_error(_most_telling(problems), document) from None


def integer_in(value: int, name: str, low: int, high: int) -> None:
    """Refuse an integer out of `low` .. `high` in the service's words."""
    _in_range(value, name, low, high, "integer")


def decimal_in(value: float, name: str, low: float, high: float) -> None:
    """Refuse a number out of `low` .. `high` in the service's words."""
    _in_range(value, name, low, high, "decimal")


def string_length_in(value: str, name: str, low: int, high: int) -> None:
    """Refuse a string shorter than `low` or longer than `high` characters."""
    if len(value) < low:
        side, code, bound = "short", "string_below_min_length", f"minimum length {low}"
    elif len(value) > high:
        side, code, bound = "long", "string_above_max_length", f"maximum length {high}"
    else:
        return
    raise ApiError(
        400,
        f"Invalid '{name}': string too {side}. Expected a string with {bound}, but "
        f"got a string with length {len(value)} instead.",
        param=name,
        code=code,
    )


def array_length_in(
    array: Sequence[Any], name: str, low: int, high: float = math.inf
) -> None:
    """Refuse an array with fewer than `low` or more than `high` elements."""
    if len(array) < low:
        expected = f"empty array. Expected an array with minimum length {low}"
        got, code = "an empty array", "empty_array"
    elif len(array) > high:
        expected = f"array too long. Expected an array with maximum length {high}"
        got, code = f"an array with length {len(array)}", "array_above_max_length"
    else:
        return
    raise ApiError(
        400,
        f"Invalid '{name}': {expected}, but got {got} instead.",
        param=name,
        code=code,
    )


def unknown_parameter(name: str) -> ApiError:
    return ApiError(
        400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter"
    )


def missing_parameter(name: str) -> ApiError:
    return ApiError(
        400,
        f"Missing required parameter: '{name}'.",
        param=name,
        code="missing_required_parameter",
    )


def _in_range(value: float, name: str, low: float, high: float, kind: str) -> None:
    if value < low:
        side, code, bound = "below minimum", "below_min", f">= {low}"
    elif value > high:
        side, code, bound = "above maximum", "above_max", f"<= {high}"
    else:
        return
    raise ApiError(
        400,
        f"Invalid '{name}': {kind} {side} value. Expected a value {bound}, but got "
        f"{value} instead.",
        param=name,
        code=f"{kind}_{code}_value",
    )


@cache
def _validator(schema: Any) -> Any:
    """A pydantic validator for a TypedDict, with lazy iterables made into lists."""
    with _loading:
        from pydantic import TypeAdapter
        from pydantic_core import SchemaValidator

        return SchemaValidator(_eager(TypeAdapter(schema).core_schema))


def _eager(schema: Any) -> Any:
    if isinstance(schema, dict):
        if schema.get("type") == "generator":
            schema = {**schema, "type": "list"}
        return {key: _eager(value) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_eager(item) for item in schema]
    if isinstance(schema, tuple):
        return tuple(_eager(item) for item in schema)
    return schema


def _problem(error: Any, document: Any) -> _Problem:
    """Split pydantic's location into the way through the body and through unions."""
    path: list[str | int] = []
    branch: list[str] = []
    here = document
    location = error["loc"]
    for position, step in enumerate(location):
        is_last = position == len(location) - 1
        inside = isinstance(here, dict) and step in here
        inside |= isinstance(here, list) and isinstance(step, int)
        if inside:
            here = here[step]
            path.append(step)
        elif is_last and error["type"] == "missing":
            path.append(step)
        else:
            branch.append(str(step))
    supported = str(error.get("ctx", {}).get("expected", ""))
    return _Problem(error["type"], tuple(path), tuple(branch), supported)


def _most_telling(problems: Sequence[_Problem]) -> list[_Problem]:
    """The problems at one path that explain the refusal best.

    A failed union reports each of its members. The member whose `role` or `type`
    fits is the one that was meant: what the others complain of is left out.
    """
    # Only the first faulty field, and in a list only its first faulty item.
    first = problems[0].path[:2]
    problems = [problem for problem in problems if problem.path[: len(first)] == first]
    unmeant = [problem for problem in problems if _is_unmeant(problem)]
    telling = [
        problem
        for problem in problems
        if not any(_is_noise(problem, other, problems, unmeant) for other in unmeant)
    ]
    deepest = max(telling, key=lambda problem: len(problem.path))
    return [problem for problem in telling if problem.path == deepest.path]


def _is_unmeant(problem: _Problem) -> bool:
    """Does it say that this member of a union is not the one that was meant?"""
    at_discriminator = problem.path[-1:] and problem.path[-1] in _DISCRIMINATORS
    kind = problem.kind in ("literal_error", "missing")
    return bool(problem.branch and at_discriminator and kind)


def _is_noise(
    problem: _Problem,
    unmeant: _Problem,
    problems: Sequence[_Problem],
    all_unmeant: Sequence[_Problem],
) -> bool:
    """Does `problem` come from the member that `unmeant` rules out?

    Where every member is ruled out, their complaints about the discriminator stay.
    """
    place, depth = unmeant.path[:-1], len(unmeant.branch)

    def member(other: _Problem) -> tuple[str, ...] | None:
        here = other.path[: len(place)] == place and len(other.branch) >= depth
        return other.branch[:depth] if here else None

    if member(problem) != unmeant.branch:
        return False
    ruled_out = {p.branch for p in all_unmeant if p.path[:-1] == place}
    siblings = {member(p) for p in problems} - ruled_out - {None}
    meant = any(sibling[:-1] == unmeant.branch[:-1] for sibling in siblings if sibling)
    return meant or problem not in all_unmeant


def _as_api_error(problems: Sequence[_Problem], document: Any) -> ApiError:
    problem = problems[0]
    name = _parameter_name(problem.path)
    if problem.kind == "missing":
        return missing_parameter(name)
    if problem.kind == "extra_forbidden":
        return unknown_parameter(name)
    value = _value_at(document, problem.path)
    supported = ", ".join(dict.fromkeys(p.supported for p in problems if p.supported))
    expected = dict.fromkeys(_EXPECTED[p.kind] for p in problems if p.kind in _EXPECTED)
    if supported and isinstance(value, str):
        values = supported.replace(" or ", ", ")
        return ApiError(
            400,
            f"Invalid value: '{_shortened(value)}'. Supported values are: {values}.",
            param=name,
            code="invalid_value",
        )
    wanted = " or ".join([*([f"one of {supported}"] if supported else []), *expected])
    return ApiError(
        400,
        f"Invalid type for '{name}': expected {wanted or 'another type'}, but got "
        f"{_name_of(value)} instead.",
        param=name,
        code="invalid_type",
    )


def _parameter_name(path: tuple[str | int, ...]) -> str:
    """('messages', 0, 'role') -> messages[0].role"""
    name = ""
    for step in path:
        name += f"[{step}]" if isinstance(step, int) else f".{step}" if name else step
    return name


def _value_at(document: Any, path: Iterable[str | int]) -> Any:
    for step in path:
        document = document[step]
    return document


def _shortened(value: str) -> str:
    return value if len(value) <= 64 else value[:61] + "..."


def _name_of(value: Any) -> str:
    """What a JSON value is called in the service's messages."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a decimal"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


def _deeper_than(limit: int, document: Any) -> bool:
    """Are there more than `limit` arrays or objects within each other?"""
    level = [document]
    for _ in range(limit + 1):
        level = [item for item in level if isinstance(item, dict | list)]
        if not level:
            return False
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
        ]
    return True


def _too_deep() -> ApiError:
    return _unreadable(
        f"it is nested too deeply, at most {JSON_DEPTH} arrays and objects may lie "
        "within each other"
    )


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _unreadable(reason: str) -> ApiError:
    return ApiError(
        400,
        "We could not parse the JSON body of your request. (HINT: This likely means "
        "you aren't using your HTTP library correctly. The OpenAI API expects a JSON "
        f"payload, but what was sent was not valid JSON: {reason}.)",
    )
