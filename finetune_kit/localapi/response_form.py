"""What a request for a response may hold, and how its items become messages."""

from typing import Any, Literal, NotRequired

from finetune_kit.localapi import chat_form, job_rules
from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.ids import Ids
from finetune_kit.localapi.requests import (
    decimal_in,
    from_sdk,
    integer_in,
    missing_parameter,
)

Item = dict[str, Any]

_FEWEST_TOKENS = 16  # the service refuses a smaller max_output_tokens (well known)
_PARTS = ("input_text", "output_text", "refusal")
_NOT_HERE = {
    "background": "Responses are not made in the background here. Leave 'background' "
    "out: the local API answers within seconds.",
    "background_options": "Responses are not made in the background here.",
    "conversation": "The local API keeps no conversations. Go on from a response with "
    "'previous_response_id'.",
    "context_management": "The local API compacts nothing. Use 'truncation': 'auto', "
    "or a shorter input.",
    "prompt": "The local API has no stored prompts (the service ends them on "
    "2026-11-30). Write the text into 'instructions' and 'input'.",
}


@from_sdk
def parameters() -> Any:
    """The SDK's type of the request, with messages as the only items of an input
    (late: importing it takes 0.5 s)."""
    from openai.types.responses import response_create_params as sdk
    from openai.types.responses.easy_input_message_param import EasyInputMessageParam
    from openai.types.responses.function_tool_param import FunctionToolParam
    from openai.types.responses.response_output_message_param import (
        ResponseOutputMessageParam,
    )

    class Message(EasyInputMessageParam, total=False):
        id: str  # as items are that come back from the API
        status: Literal["in_progress", "completed", "incomplete"]

    class Function(FunctionToolParam, total=False):
        parameters: NotRequired[dict[str, object] | None]  # type: ignore[misc]
        strict: NotRequired[bool | None]  # type: ignore[misc]

    class ResponseRequest(sdk.ResponseCreateParamsBase, total=False):
        input: str | list[Message | ResponseOutputMessageParam]  # type: ignore[misc]
        tools: list[Function]  # type: ignore[misc]
        stream: bool | None

    return ResponseRequest


@from_sdk
def count_parameters() -> Any:
    """The same for a request that only counts."""

    class CountRequest(parameters(), total=False):  # type: ignore[misc,call-arg]
        personality: str

    return CountRequest


def refuse_foreign(params: dict[str, Any]) -> None:
    """Before the schema: what the service knows and the local API has not."""
    for name, why in _NOT_HERE.items():
        if params.get(name):
            raise _unsupported(name, why)
    _refuse_types(params, "input", "message", "Only messages are read here")
    _refuse_types(
        params,
        "tools",
        "function",
        "There are no tools of the service here, only functions of your own",
    )


def check(params: dict[str, Any]) -> None:
    """Raise the ApiError for the first rule that a well-typed request breaks."""
    for name in ("model", "input"):
        if params.get(name) is None:
            raise missing_parameter(name)
    _check_numbers(params)
    if metadata := params.get("metadata"):
        job_rules.refuse_metadata(metadata)
    if params.get("stream_options") is not None and not params.get("stream"):
        raise ApiError(
            400,
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            param="stream_options",
        )
    _check_parts(params["input"])
    _check_tools(params)
    _check_format(params)


def items(given: str | list[Item], ids: Ids, scope: str) -> list[Item]:
    """The input as the API lists it: every message with an id, its content in parts."""
    messages = [{"role": "user", "content": given}] if isinstance(given, str) else given
    return [
        {
            "id": message.get("id") or ids.new("msg_", scope),
            "type": "message",
            "status": "completed",
            "role": message["role"],
            "content": _parts(message),
        }
        for message in messages
    ]


def as_messages(given: list[Item]) -> list[dict[str, str]]:
    """Role and plain text of items, as chats have them and the engine reads them."""
    return [
        {
            "role": item["role"],
            "content": "".join(
                part.get("text") or part.get("refusal", "") for part in item["content"]
            ),
        }
        for item in given
    ]


def chat_format(params: dict[str, Any]) -> dict[str, Any]:
    """`text.format` as `response_format` of a chat."""
    wanted: dict[str, Any] = (params.get("text") or {}).get("format") or {}
    if wanted.get("type") != "json_schema":
        return {"type": wanted.get("type", "text")}
    schema = {name: value for name, value in wanted.items() if name != "type"}
    return {"type": "json_schema", "json_schema": schema}


def _check_numbers(params: dict[str, Any]) -> None:
    for name, most in (("temperature", 2), ("top_p", 1)):
        if params.get(name) is not None:
            decimal_in(params[name], name, 0, most)
    for name, least, greatest in (
        ("max_output_tokens", _FEWEST_TOKENS, 2**63 - 1),
        ("max_tool_calls", 1, 2**63 - 1),
        ("top_logprobs", 0, 20),
    ):
        if params.get(name) is not None:
            integer_in(params[name], name, least, greatest)


def _check_parts(given: str | list[Item]) -> None:
    if isinstance(given, str):
        return
    if not given:
        raise ApiError(
            400,
            "Invalid 'input': empty array. Give a text, or a list of messages.",
            param="input",
            code="empty_array",
        )
    for index, message in enumerate(given):
        if isinstance(message["content"], str):
            continue
        for number, part in enumerate(message["content"]):
            if part["type"] not in _PARTS:
                where = f"input[{index}].content[{number}]"
                raise _unsupported(
                    f"{where}.type",
                    f"The local engine reads text only; remove {where}, which is of "
                    f"type '{part['type']}', or describe it in words.",
                )


def _check_tools(params: dict[str, Any]) -> None:
    tools = params.get("tools") or []
    functions = [
        {key: value for key, value in tool.items() if key != "type"} for tool in tools
    ]
    if functions:
        as_chat = [{"type": "function", "function": f} for f in functions]
        _check_as_chat({"tools": as_chat}, ".function", "")
    if params.get("tool_choice") not in (None, "auto", "none"):
        raise _unsupported(
            "tool_choice",
            "tinygpt calls no function in this endpoint. Use 'auto' or 'none', or ask "
            "client.chat.completions for a call.",
        )


def _check_format(params: dict[str, Any]) -> None:
    wanted = chat_format(params)
    if wanted["type"] == "json_schema":
        given = {"response_format": wanted}
        _check_as_chat(given, "response_format.json_schema", "text.format")
    if wanted["type"] == "json_object":
        told = as_messages(items(params["input"], Ids(), ""))
        texts = [params.get("instructions") or "", *(m["content"] for m in told)]
        chat_form.refuse_without_json(texts, "input", "text.format")


def _check_as_chat(params: dict[str, Any], there: str, here: str) -> None:
    """Rules that chats have too; an error names the place where it is `here`."""
    try:
        chat_form.check({"messages": [], **params})
    except ApiError as error:
        if error.param:
            error.param = error.param.replace(there, here)
            error.param = error.param.replace("response_format", "text.format")
        error.message = error.message.replace(there, here)
        raise


def _refuse_types(params: dict[str, Any], name: str, known: str, why: str) -> None:
    """Refuse items of a list that are of another type than `known`."""
    given = params.get(name)
    for index, item in enumerate(given if isinstance(given, list) else ()):
        kind = item.get("type", known) if isinstance(item, dict) else known
        if isinstance(kind, str) and kind != known:
            place = f"{name}[{index}]"
            raise _unsupported(
                f"{place}.type",
                f"{why}: {place} is of type '{kind[:64]}'. Leave it out.",
            )


def _parts(message: Item) -> list[dict[str, Any]]:
    content = message["content"]
    if not isinstance(content, str):
        return list(content)
    if message["role"] != "assistant":
        return [{"type": "input_text", "text": content}]
    return [text_part(content)]


def text_part(text: str, logprobs: list[dict[str, Any]] | None = None) -> Item:
    """What the model says, as a part of its message."""
    return {
        "type": "output_text",
        "text": text,
        "annotations": [],
        "logprobs": logprobs or [],
    }


def _unsupported(param: str, why: str) -> ApiError:
    return ApiError(400, why, param=param, code="unsupported_value")
