"""How to sample an answer: the parameters' ranges, and what the engine is told."""

from __future__ import annotations

import re
from typing import Any

from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.requests import array_length_in, decimal_in, integer_in

_INT64 = 2**63
_MAX_STOPS = 4


def check(params: dict[str, Any], vocab_size: int) -> None:
    """Refuse values out of the service's ranges (OpenAPI specification, 2026-08)."""
    _check_common(params, vocab_size)
    _integer(params, "max_tokens", 1, _INT64 - 1)
    _integer(params, "max_completion_tokens", 1, _INT64 - 1)
    _integer(params, "top_logprobs", 0, 20)
    if params.get("top_logprobs") is not None and not params.get("logprobs"):
        raise _only_with("top_logprobs", "logprobs")
    if None not in (params.get("max_tokens"), params.get("max_completion_tokens")):
        raise ApiError(
            400,
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not "
            "supported. Keep 'max_completion_tokens'.",
            param="max_tokens",
            code="invalid_parameter_combination",
        )


def check_completion(params: dict[str, Any], vocab_size: int) -> None:
    """The same for `/v1/completions`: `max_tokens` may be 0, `logprobs` is a number."""
    _check_common(params, vocab_size)
    _integer(params, "max_tokens", 0, _INT64 - 1)
    _integer(params, "logprobs", 0, 5)
    _integer(params, "best_of", 1, 20)


def _check_common(params: dict[str, Any], vocab_size: int) -> None:
    """What chats and completions have in common."""
    _decimal(params, "temperature", 0, 2)
    _decimal(params, "top_p", 0, 1)
    _decimal(params, "presence_penalty", -2, 2)
    _decimal(params, "frequency_penalty", -2, 2)
    _integer(params, "n", 1, 128)
    _integer(params, "seed", -_INT64, _INT64 - 1)
    if params.get("stream_options") is not None and not params.get("stream"):
        raise _only_with("stream_options", "stream")
    _check_stop(params.get("stop"))
    _check_logit_bias(params.get("logit_bias") or {}, vocab_size)


def for_engine(params: dict[str, Any], seed: int) -> dict[str, Any]:
    """The `sampling` object of the answer process's protocol."""
    stop = params.get("stop") or []
    return {
        "max_tokens": params.get("max_completion_tokens") or params.get("max_tokens"),
        "temperature": given(params, "temperature", 1.0),
        "top_p": given(params, "top_p", 1.0),
        "seed": seed,
        "stop": [stop] if isinstance(stop, str) else stop,
        "top_logprobs": params.get("top_logprobs") or 0,
        "logit_bias": params.get("logit_bias") or {},
        "presence_penalty": given(params, "presence_penalty", 0.0),
        "frequency_penalty": given(params, "frequency_penalty", 0.0),
    }


def seeds(params: dict[str, Any], default: int) -> list[int]:
    """One seed, 0 .. 2**63 - 1, for each of the `n` answers: seed, seed + 1, …"""
    first = given(params, "seed", default)
    return [(first + i) % _INT64 for i in range(given(params, "n", 1))]


def given(params: dict[str, Any], name: str, default: Any) -> Any:
    """The parameter's value; the default where it is absent or null."""
    value = params.get(name)
    return default if value is None else value


def _decimal(params: dict[str, Any], name: str, low: float, high: float) -> None:
    if params.get(name) is not None:
        decimal_in(params[name], name, low, high)


def _integer(params: dict[str, Any], name: str, low: int, high: int) -> None:
    if params.get(name) is not None:
        integer_in(params[name], name, low, high)


def _check_stop(stop: str | list[str] | None) -> None:
    stops = [stop] if isinstance(stop, str) else stop or []
    array_length_in(stops, "stop", 0, _MAX_STOPS)
    if "" in stops:
        raise ApiError(
            400,
            "Invalid 'stop': empty string. A stop sequence needs at least one "
            "character; leave 'stop' out to use none.",
            param="stop",
            code="invalid_value",
        )


def _check_logit_bias(bias: dict[str, int], vocab_size: int) -> None:
    for key, value in bias.items():
        if not re.fullmatch(r"[0-9]{1,9}", key):
            raise _wrong_token(key, "You should only be submitting token ids, 0 or up.")
        if int(key) >= vocab_size:
            raise _wrong_token(
                key,
                f"Maximum value is {vocab_size - 1}: the ids are tokens of the local "
                "engine tinygpt, not of tiktoken.",
            )
        integer_in(value, f"logit_bias.{key}", -100, 100)


def _wrong_token(key: str, why: str) -> ApiError:
    shown = key if len(key) <= 32 else key[:29] + "..."
    return ApiError(
        400,
        f"Invalid key in 'logit_bias': {shown}. {why}",
        param="logit_bias",
        code="invalid_value",
    )


def _only_with(name: str, other: str) -> ApiError:
    return ApiError(
        400,
        f"The '{name}' parameter is only allowed when '{other}' is enabled. Add "
        f"{other}=True, or leave '{name}' out.",
        param=name,
    )
