"""`POST /v1/moderations`: a word list, to practise the call and the screening of data.

No model judges: `moderation.toml` names the phrases of each category. The reply says so
in the place of the model's name.
"""

import re
import tomllib
from functools import cache
from importlib import resources
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from finetune_kit.localapi import requests
from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.file_rules import not_one_of
from finetune_kit.localapi.kit import kit_of

MODEL = "finetune-kit-word-list"
_MODELS = (
    "omni-moderation-latest",
    "omni-moderation-2024-09-26",
    "text-moderation-latest",
    "text-moderation-stable",
    MODEL,
)
_MOST_INPUTS = 1000  # texts in one request: ours


@requests.from_sdk
def parameters() -> Any:
    """The SDK's type of the request (late: importing it takes 0.3 s)."""
    from openai.types.moderation_create_params import ModerationCreateParams

    return ModerationCreateParams


async def create_moderation(request: Request) -> JSONResponse:
    """A result for each text; parts of one message have one result together."""
    schema = await anyio.to_thread.run_sync(parameters)
    document = await requests.body(request, schema)
    if (model := document.get("model", MODEL)) not in _MODELS:
        raise not_one_of(model, _MODELS, "model")
    texts = _texts(document["input"])
    results = await anyio.to_thread.run_sync(lambda: [_result(text) for text in texts])
    id = kit_of(request).ids.new("modr-")
    return JSONResponse({"id": id, "model": MODEL, "results": results})


def _texts(given: str | list[Any]) -> list[str]:
    if isinstance(given, str):
        return [given]
    requests.array_length_in(given, "input", 1, _MOST_INPUTS)
    if isinstance(given[0], str):
        return given
    for index, part in enumerate(given):
        if part["type"] != "text":
            raise ApiError(
                400,
                "The local API cannot look at images: it screens text with a list of "
                f"words. Leave input[{index}] out.",
                param=f"input[{index}].type",
                code="unsupported_value",
            )
    return ["\n".join(part["text"] for part in given)]


def _result(text: str) -> dict[str, Any]:
    """A score is 1 - 0.5 ^ (phrases found), so 0, 0.5, 0.75 …; a phrase is enough to
    flag."""
    plain = " ".join(text.lower().split())
    found = {name: len(p.findall(plain)) for name, p in _patterns().items()}
    return {
        "flagged": any(found.values()),
        "categories": {name: count > 0 for name, count in found.items()},
        "category_scores": {name: 1 - 0.5**count for name, count in found.items()},
        "category_applied_input_types": {name: ["text"] for name in found},
    }


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    text = resources.files(__package__).joinpath("moderation.toml")
    phrases = tomllib.loads(text.read_text(encoding="utf-8"))
    return {
        category: re.compile(rf"\b(?:{'|'.join(map(re.escape, known))})\b")
        for category, known in phrases.items()
    }


routes = [Route("/v1/moderations", create_moderation, methods=["POST"])]
