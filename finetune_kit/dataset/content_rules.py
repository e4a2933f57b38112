"""Rules of what a chat message says: its content, its weight, its special tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .chat_rules import (
    ALL_KEYS,
    CHAT_RULES,
    has_calls,
    meant_role,
    misspelt_or_missing,
)
from .rules import Example, Hit, json_type, rule, shown, special_tokens

_SCHEMA = "Invalid file format. Example {example}, message {message} {field}: "


@rule(
    CHAT_RULES,
    "error",
    why="A message without content says nothing; only an assistant message that calls "
    "a tool may leave it out.",
    fix="Add `content`, a string.",
    service="Invalid file format. Example {example}, message {message} is missing key "
    "'content'",
)
def missing_content(example: Example) -> Iterator[Hit]:
    for index, message in example.messages:
        if message.get("role") == "assistant" and (
            has_calls(message) or message.get("refusal")
        ):
            continue
        if "content" not in message:
            yield from misspelt_or_missing(message, "content", ALL_KEYS, index)
        elif message["content"] is None:
            yield Hit("`content` is null", message=index, field="content")


@rule(
    CHAT_RULES,
    "error",
    why="Content is a text, or a list of content parts.",
    fix="Write the content as a string; an object becomes one with json.dumps.",
    service=_SCHEMA + "str type expected",
)
def content_type(example: Example) -> Iterator[Hit]:
    for index, message in example.messages:
        content = message.get("content")
        if content == [] or not isinstance(content, str | list | None):
            what = "an empty list" if content == [] else json_type(content)
            yield Hit(f"`content` is {what}", message=index, field="content")


@rule(
    CHAT_RULES,
    "error",
    why="A part is a text, or (in a user's message) an image.",
    fix='Write parts as {"type": "text", "text": …} or {"type": "image_url", '
    '"image_url": {"url": …}}.',
    service=_SCHEMA + "not a valid content part",
)
def content_part(example: Example) -> Iterator[Hit]:
    for index, message in example.messages:
        content = message.get("content")
        for number, part in enumerate(content if isinstance(content, list) else []):
            if problem := _part_problem(part, meant_role(message)):
                field = f"content[{number}]"
                yield Hit(problem, message=index, field=field)


def _part_problem(part: object, role: str | None) -> str | None:
    if not isinstance(part, dict):
        return f"the content part is {json_type(part)}"
    kind = part.get("type")
    if kind == "text":
        return None if isinstance(part.get("text"), str) else "`text` is no string"
    if kind == "refusal" and role == "assistant":
        return None if isinstance(part.get("refusal"), str) else "`refusal` is no text"
    if kind != "image_url":
        return f"unknown type of content part: {shown(kind)}"
    if role not in ("user", None):
        return f"an image in a message of the role {role}"
    image = part.get("image_url")
    if isinstance(image, dict) and isinstance(image.get("url"), str):
        return None
    return "`image_url` is no object with a `url`"


@rule(
    CHAT_RULES,
    "error",
    why="Names and refusals are texts.",
    fix="Write a string, or leave the key out.",
    service=_SCHEMA + "str type expected",
)
def wrong_type(example: Example) -> Iterator[Hit]:
    for index, message in example.messages:
        for key in ("name", "refusal"):
            value = message.get(key)
            if not isinstance(value, str | None):
                yield Hit(f"`{key}` is {json_type(value)}", message=index, field=key)


@rule(
    CHAT_RULES,
    "error",
    why="`weight` says whether an assistant message is learned; the others never are.",
    fix="Remove `weight` here, or move it to the assistant's message.",
    service="Invalid file format. Example {example}, message {message} contains an "
    'extra "weight".',
)
def weight_role(example: Example) -> Iterator[Hit]:
    for index, message in example.messages:
        if "weight" in message and meant_role(message) not in ("assistant", None):
            what = f"`weight` on a message of the role {meant_role(message)}"
            yield Hit(what, message=index, field="weight", at_key=True)


@rule(
    CHAT_RULES,
    "error",
    why="A message is learned (1, the default) or not (0); there is nothing between.",
    fix="Write the number 0 or 1.",
    service=_SCHEMA + "value is not 0 or 1",
)
def weight_value(example: Example) -> Iterator[Hit]:
    for index, message in example.messages:
        weight = message.get("weight", 1)
        if type(weight) is not int or weight not in (0, 1):
            yield Hit(f"`weight` is {shown(weight)}", message=index, field="weight")


@rule(
    CHAT_RULES,
    "warning",
    why="Every assistant message has weight 0, so the example is read and not learned.",
    fix="Give the answer that matters weight 1, or remove the line.",
)
def nothing_to_learn(example: Example) -> Iterator[Hit]:
    weights = [m.get("weight", 1) for _, m in example.messages if _speaks(m)]
    if weights and all(type(weight) is int and weight == 0 for weight in weights):
        yield Hit("no assistant message has weight 1", field="messages")


@rule(
    CHAT_RULES,
    "warning",
    why="An empty answer teaches the model to stay silent.",
    fix="Write the answer, or remove the line.",
)
def empty_assistant_content(example: Example) -> Iterator[Hit]:
    for index, message in example.messages:
        content = message.get("content")
        silent = isinstance(content, str) and not content.strip()
        if silent and _speaks(message) and not has_calls(message):
            yield Hit("the answer is empty", message=index, field="content")


@rule(
    CHAT_RULES,
    "error",
    why="These signs structure the model's input; a text must not contain them.",
    fix="Remove the token, or write it with a space after the `<`.",
    service="Invalid file format. Example {example} message contains an invalid token: "
    "{token}.",
    exact=True,
)
def special_token(example: Example) -> Iterator[Hit]:
    for index, message in example.messages:
        for field, text in texts_of(message):
            for token in special_tokens(text):
                what = f"the text contains the special token {token}"
                values: dict[str, object] = {"token": token}
                yield Hit(what, message=index, field=field, service=values, mark=token)


def texts_of(message: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The texts of a message, each with its field."""
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    if isinstance(content, str):
        yield "content", content
    for number, part in enumerate(parts):
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            yield f"content[{number}]", part["text"]


_IMAGE_TYPES = re.compile(r"data:image/(?:jpeg|png|webp);base64,", re.IGNORECASE)
MAX_IMAGES = 10
MAX_IMAGE_BYTES = 10 * 1024 * 1024


def _images(message: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    content = message.get("content")
    for number, part in enumerate(content if isinstance(content, list) else []):
        image = part.get("image_url") if isinstance(part, dict) else None
        if isinstance(image, dict) and isinstance(image.get("url"), str):
            yield f"content[{number}].image_url", image


@rule(
    CHAT_RULES,
    "error",
    why="The service takes at most 10 images in one example.",
    fix="Leave some out, or make several examples of this one.",
)
def too_many_images(example: Example) -> Iterator[Hit]:
    count = sum(len(list(_images(message))) for _, message in example.messages)
    if count > MAX_IMAGES:
        yield Hit(f"{count} images, {MAX_IMAGES} are allowed", field="messages")


@rule(
    CHAT_RULES,
    "warning",
    why="The service silently skips an example whose image it cannot load: it takes "
    "JPEG, PNG and WEBP up to 10 MB, as https address or as data URI in base64.",
    fix='Write "url": "https://…" or "url": "data:image/png;base64,…".',
)
def image_skipped(example: Example) -> Iterator[Hit]:
    for index, message in example.messages:
        for field, image in _images(message):
            url, detail = image["url"], image.get("detail", "auto")
            if url.startswith("data:"):
                known = _IMAGE_TYPES.match(url)
                size = len(url) * 3 // 4
                problem = None if known else "the image is no JPEG, PNG or WEBP"
                if known and size > MAX_IMAGE_BYTES:
                    problem = f"the image has {size / 1e6:.0f} MB"
            else:
                web = url.startswith(("https://", "http://"))
                problem = None if web else "the image's url is no web address"
            if problem:
                yield Hit(problem, message=index, field=f"{field}.url")
            if detail not in ("auto", "low", "high"):
                what = f"`detail` is {shown(detail)}, not auto, low or high"
                yield Hit(what, message=index, field=f"{field}.detail")


def _speaks(message: dict[str, Any]) -> bool:
    return message.get("role") == "assistant"
