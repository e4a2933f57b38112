"""What the corpus is made of: conversations, and how their parts are put together."""

import json
import random
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
START, STOP = "  ", "."  # around the letters of a name
ODD = 0.15  # letters drawn after one letter, not two

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


class Mint:
    """Coins names that no list holds, so they can only be copied.

    Letter by letter, each drawn from those that follow the last two in real names
    (Shannon 1948), now and then from those that follow the last one.
    """

    def __init__(self, rng: random.Random, names: Iterable[str]) -> None:
        self.rng = rng
        self.after: dict[str, list[str]] = defaultdict(list)
        for name in names:
            letters = f"{START}{name.lower()}{STOP}"
            for i in range(len(START), len(letters)):
                self.after[letters[i - 2 : i]].append(letters[i])
                self.after[letters[i - 1]].append(letters[i])

    def __call__(self) -> str:
        rng, word = self.rng, START
        while not word.endswith(STOP):
            seen = 1 if word != START and rng.random() < ODD else 2
            word += rng.choice(self.after[word[-seen:]])
        name = word.strip(START + STOP)
        return name.capitalize() if 3 <= len(name) <= 13 else self()
