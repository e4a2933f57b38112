"""What the corpus is made of: conversations, and how their parts are put together."""

import json
import random
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

Message = dict[str, Any]


@dataclass(frozen=True)
class Conversation:
    """Messages of a chat, perhaps with `tools`; or a plain `text`, perhaps only there
    for its `completion` to be learnt."""

    messages: tuple[Message, ...] = ()
    text: str = ""
    completion: str = ""
    tools: tuple[dict[str, Any], ...] = ()


def load_toml(name: str) -> dict[str, Any]:
    return tomllib.loads((HERE / name).read_text("utf-8"))


def message(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def exchange(asked: str, answer: str) -> list[Message]:
    return [message("user", asked), message("assistant", answer)]


def tool(name: str, argument: str, description: str) -> Any:
    """A function of a chat request, as the API takes it, with one parameter."""
    properties = {argument: {"type": "string"}}
    parameters = {"type": "object", "properties": properties, "required": [argument]}
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


def called(name: str, arguments: dict[str, Any]) -> Message:
    function = {"name": name, "arguments": json.dumps(arguments)}
    call = {"id": "call_1", "type": "function", "function": function}
    return {"role": "assistant", "tool_calls": [call]}


def sentence(text: str) -> str:
    return text[0].upper() + text[1:] + ("" if text[-1] in ".?!" else ".")


def invented(rng: random.Random, parts: list[str]) -> str:
    return "".join(rng.choices(parts, k=rng.choice((2, 2, 3))))


def coined(rng: random.Random, sounds: dict[str, list[str]]) -> str:
    """A name of one to three syllables that no list holds: it can only be copied."""
    word = rng.choice((rng.choice(sounds["onsets"]), rng.choice(sounds["onsets"]), ""))
    for left in reversed(range(rng.choice((1, 2, 2, 3)))):
        word += rng.choice(sounds["nuclei"])
        word += rng.choice(sounds["onsets" if left else "codas"])
    return word.capitalize() if len(word) > 2 else coined(rng, sounds)
