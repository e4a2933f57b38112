"""`/v1/fine_tuning/alpha/graders`: a reinforcement job's grader, tried on one answer.

`string_check`, `text_similarity` and `multi` are really computed. Graders that run a
program or ask a model are refused.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Required

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from finetune_kit.localapi import requests, variables
from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.file_rules import not_one_of
from finetune_kit.localapi.formula import Formula, FormulaError
from finetune_kit.localapi.similarity import METRICS
from finetune_kit.localapi.variables import MissingVariableError, SampleParseError

_LONGEST = 20_000  # characters of a text that is compared: ours
_MOST_GRADERS = 20  # in a multi grader: ours
_SCORED_HERE = "string_check, text_similarity or multi"
_REFUSED = {
    "python": "it would run a program, and the local API runs none. Score with "
    f"{_SCORED_HERE}, or grade the answers in your notebook",
    "score_model": "it asks a model to judge, and no model here can. Score with "
    f"{_SCORED_HERE}",
    "label_model": "it asks a model to judge, and no model here can. Score with "
    f"{_SCORED_HERE}",
    "cosine": "it compares embeddings, and there is no embedding model here. Use one "
    f"of {', '.join(METRICS)}",
    "meteor": "it looks up synonyms in WordNet, which is not part of the local API. "
    f"Use one of {', '.join(METRICS)}",
}
_PLAIN = ("string_check", "text_similarity", "python", "score_model", "label_model")
_ERRORS: dict[str, bool | None] = {
    "formula_parse_error": False,
    "sample_parse_error": False,
    "truncated_observation_error": False,
    "unresponsive_reward_error": False,
    "invalid_variable_error": False,
    "other_error": False,
    "python_grader_server_error": False,
    "python_grader_server_error_type": None,
    "python_grader_runtime_error": False,
    "python_grader_runtime_error_details": None,
    "model_grader_server_error": False,
    "model_grader_refusal_error": False,
    "model_grader_parse_error": False,
    "model_grader_server_error_details": None,
}


@requests.from_sdk
def run_parameters() -> Any:
    """The SDK's type of the request (late: importing it takes 0.3 s).

    A multi grader holds its graders by name, as OpenAI's guide has it; the SDK's type
    has one grader in that place.
    """
    from openai.types.fine_tuning.alpha.grader_run_params import GraderRunParams
    from openai.types.graders.multi_grader_param import Graders, MultiGraderParam
    from pydantic import Field

    by_type = Field(discriminator="type")

    class MultiGrader(MultiGraderParam, total=False):
        graders: Required[dict[str, Annotated[Graders, by_type]]]  # type: ignore[misc]

    class RunRequest(GraderRunParams, total=False):
        grader: Required[Annotated[Graders | MultiGrader, by_type]]  # type: ignore[misc]
        item: dict[str, Any]  # type: ignore[misc]

    return RunRequest


async def validate_grader(request: Request) -> JSONResponse:
    """The grader as it was given, if it can be used."""
    document = await requests.json_object(request)
    if "model_sample" in document or "item" in document:
        raise requests.unknown_parameter(
            "item" if "item" in document else "model_sample"
        )
    await checked(document | {"model_sample": ""})
    return JSONResponse({"grader": document["grader"]})


async def run_grader(request: Request) -> JSONResponse:
    """The reward for one sample, and what went wrong on the way to it."""
    document = await checked(await requests.json_object(request))
    started = time.perf_counter()
    grade = await anyio.to_thread.run_sync(
        _grade, document["grader"], document["model_sample"], document.get("item", {})
    )
    metadata = {
        "name": document["grader"]["name"],
        "type": document["grader"]["type"],
        "errors": _ERRORS | dict.fromkeys(sorted(grade.errors), True),
        "execution_time": time.perf_counter() - started,
        "scores": grade.parts,
        "token_usage": None,
        "sampled_model_name": None,
    }
    return JSONResponse(
        {
            "reward": grade.reward,
            "metadata": metadata,
            "sub_rewards": grade.parts,
            "model_grader_token_usage_per_model": {},
        }
    )


@dataclass
class _Grade:
    """`errors` are names of flags in the reply; `parts` a multi grader's rewards."""

    reward: float
    errors: set[str] = field(default_factory=set)
    parts: dict[str, float] = field(default_factory=dict)


async def checked(document: dict[str, Any]) -> dict[str, Any]:
    """The request with a multi grader's graders by name; ApiError for a wrong one."""
    schema = await anyio.to_thread.run_sync(run_parameters)
    if (grader := document.get("grader")) is not None:
        _check_type(grader, "grader", (*_PLAIN, "multi"))
        if "graders" in grader:
            grader = grader | {"graders": _by_name(grader["graders"])}
            document = document | {"grader": grader}
    requests.check(document, schema)
    _check(document["grader"], "grader")
    return document


def _by_name(graders: Any) -> dict[str, Any]:
    """By name as in the guide, from a list as in the reference's example, or from one
    grader as in the SDK's type."""
    where = "grader.graders"
    if isinstance(graders, dict) and isinstance(graders.get("type"), str):
        graders = [graders]
    if isinstance(graders, list):
        names = [one.get("name") if isinstance(one, dict) else None for one in graders]
        strings = {name for name in names if isinstance(name, str)}
        if len(strings) < len(names):
            raise _wrong(
                where,
                "each of the graders needs a name of its own. Write them as an object: "
                '{"exact": {…}, "close": {…}}',
            )
        graders = dict(zip(names, graders, strict=True))
    if not isinstance(graders, dict):
        raise _wrong(where, "expected an object of graders by their names")
    for name, grader in graders.items():
        _check_type(grader, f"{where}.{name}", _PLAIN)
    return graders


def _check_type(grader: Any, where: str, known: tuple[str, ...]) -> None:
    """Before the schema, which tells the types of graders apart by this field."""
    if not isinstance(grader, dict):
        raise _wrong(where, "expected an object")
    if "type" not in grader:
        raise requests.missing_parameter(f"{where}.type")
    if grader["type"] not in known:
        raise not_one_of(str(grader["type"]), known, f"{where}.type")


def _check(grader: dict[str, Any], where: str) -> None:
    """Refuse what no sample could be graded with."""
    kind = grader["type"]
    for chosen in (kind, grader.get("evaluation_metric")):
        if chosen in _REFUSED:
            raise ApiError(
                400,
                f"The local API cannot grade with '{chosen}': {_REFUSED[chosen]}.",
                param=f"{where}.type"
                if chosen == kind
                else f"{where}.evaluation_metric",
                code="unsupported_value",
            )
    if kind == "multi":
        _check_multi(grader, where)
        return
    for name in ("input", "reference"):
        if fault := variables.fault(grader[name]):
            raise _wrong(f"{where}.{name}", fault)


def _check_multi(grader: dict[str, Any], where: str) -> None:
    graders = grader["graders"]
    if not 0 < len(graders) <= _MOST_GRADERS:
        raise _wrong(f"{where}.graders", f"expected 1 to {_MOST_GRADERS} graders")
    for name, part in graders.items():
        if not name.isidentifier():
            raise _wrong(
                f"{where}.graders",
                f"'{name[:64]}' cannot stand in a formula. Name a grader with letters, "
                "digits and _",
            )
        _check(part, f"{where}.graders.{name}")
    try:
        Formula(grader["calculate_output"], graders)
    except FormulaError as error:
        raise _wrong(f"{where}.calculate_output", str(error)) from None


def _grade(grader: dict[str, Any], sample: str, item: Mapping[str, Any]) -> _Grade:
    """An error that lies in the sample gives no reward, and is told in the reply."""
    if grader["type"] == "multi":
        return _grade_together(grader, sample, item)
    try:
        text = variables.filled(grader["input"], sample, item)
        reference = variables.filled(grader["reference"], sample, item)
    except MissingVariableError:
        return _Grade(0.0, {"invalid_variable_error"})
    except SampleParseError:
        return _Grade(0.0, {"sample_parse_error"})
    if max(len(text), len(reference)) > _LONGEST:
        raise ApiError(
            400,
            f"A text to be compared is longer than {_LONGEST:,} characters, the most "
            "that the local API grades. Send a shorter model_sample or item.",
            param="model_sample",
        )
    if grader["type"] == "string_check":
        return _Grade(float(_is_so(grader["operation"], text, reference)))
    return _Grade(METRICS[grader["evaluation_metric"]](text, reference))


def _grade_together(
    grader: dict[str, Any], sample: str, item: Mapping[str, Any]
) -> _Grade:
    grades = {name: _grade(g, sample, item) for name, g in grader["graders"].items()}
    errors = set().union(*(grade.errors for grade in grades.values()))
    parts = {name: grade.reward for name, grade in grades.items()}
    try:
        reward = Formula(grader["calculate_output"], parts).value(parts)
    except ArithmeticError:
        return _Grade(0.0, errors | {"other_error"}, parts)
    return _Grade(reward, errors, parts)


def _is_so(operation: str, text: str, reference: str) -> bool:
    """As OpenAI's guide on graders defines the four operations."""
    match operation:
        case "eq":
            return text == reference
        case "ne":
            return text != reference
        case "like":
            return reference in text
        case _:  # ilike
            return reference.casefold() in text.casefold()


def _wrong(where: str, why: str) -> ApiError:
    return ApiError(
        400,
        f"Invalid '{where}': {why.removesuffix('.')}.",
        param=where,
        code="invalid_grader",
    )


_ALPHA = "/v1/fine_tuning/alpha/graders"
routes = [
    Route(f"{_ALPHA}/validate", validate_grader, methods=["POST"]),
    Route(f"{_ALPHA}/run", run_grader, methods=["POST"]),
]
