"""The chat template: how messages become tokens, and which of them are learnt.

`<|system|>…<|end|><|user|>…<|end|><|assistant|>…<|end|>`; a plain text and its
continuation: `<|text|>prompt completion<|end|>`. The loss counts on assistant messages
and their `<|end|>`, unless the message says `"weight": 0` (OpenAI guide).

Tools are a system message in front, the calls of an assistant lines of its message
(`calls.py`), a tool's result a user's message:
`<|system|>Tools: get_weather(city).<|end|><|user|>…<|end|>
<|assistant|>call get_weather {"city": "Paris"}<|end|>`, without the line break.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from finetune_kit.engines.tinygpt.arrays import Array, IntArray
from finetune_kit.engines.tinygpt.calls import calls_text, tools_of, tools_text
from finetune_kit.engines.tinygpt.tokenizer import (
    ASSISTANT,
    END,
    PAD,
    SYSTEM,
    TEXT,
    USER,
    Tokenizer,
)

ROLES = {"system": SYSTEM, "developer": SYSTEM, "assistant": ASSISTANT}  # else: USER


class Example(NamedTuple):
    """Tokens of one example and the loss weight of each (same length).

    `answer` is where a completion begins, for those who measure it alone.
    """

    tokens: list[int]
    weights: list[float]
    truncated: bool = False
    answer: int = 0

    @property
    def teaches(self) -> bool:
        """Has it a token to learn?"""
        return any(self.weights[self.answer :])


def encode_message(tokenizer: Tokenizer, message: dict[str, Any]) -> list[int]:
    role = ROLES.get(message["role"], USER)
    return [role, *tokenizer.encode(message_text(message)), END]


def message_text(message: Mapping[str, Any]) -> str:
    """What the model reads and writes of a message: its text, then its calls."""
    texts = (content_text(message.get("content")), calls_text(message))
    return "\n".join(filter(None, texts))


def content_text(content: object) -> str:
    """The text of a message: a string, or the text parts of a list of parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(part.get("text", "") for part in parts if isinstance(part, dict))


def with_tools(
    messages: Sequence[dict[str, Any]], tools: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The messages, and in front what there is to call."""
    first = [{"role": "system", "content": tools_text(tools)}] if tools else []
    return [*first, *messages]


def encode_prompt(
    tokenizer: Tokenizer,
    messages: Sequence[dict[str, Any]],
    tools: Sequence[Mapping[str, Any]] = (),
) -> list[int]:
    """Tokens of a conversation, ready for the assistant's next message."""
    told = with_tools(messages, tools)
    return [*(i for m in told for i in encode_message(tokenizer, m)), ASSISTANT]


def encode_example(
    tokenizer: Tokenizer,
    row: dict[str, Any],
    context: int,
    prompt_loss_weight: float = 0.0,
) -> Example:
    """A training row (`messages` and perhaps `tools`, or `prompt` and `completion`),
    cut at the context.

    `prompt_loss_weight` is what a token of a prompt counts beside one of a completion.
    """
    tokens: list[int] = []
    weights: list[float] = []
    answer = 0
    if "messages" in row:
        for message in with_tools(row["messages"], tools_of(row)):
            ids = encode_message(tokenizer, message)
            learnt = message["role"] == "assistant" and message.get("weight", 1) != 0
            tokens += ids
            weights += [0.0] + [float(learnt)] * (len(ids) - 1)
    else:
        prompt = encode_text(tokenizer, row["prompt"])
        completion = [*tokenizer.encode(row["completion"], row["prompt"]), END]
        tokens, answer = prompt + completion, len(prompt)
        weights = [0.0] + [prompt_loss_weight] * (len(prompt) - 1)
        weights += [1.0] * len(completion)
    cut = len(tokens) > context + 1
    return Example(tokens[: context + 1], weights[: context + 1], cut, answer)


def encode_text(tokenizer: Tokenizer, text: str) -> list[int]:
    """Tokens of a plain text that can be gone on with: a completion's prompt."""
    return [TEXT, *tokenizer.encode(text)]


def batch(examples: Sequence[Example]) -> tuple[IntArray, IntArray, Array]:
    """inputs, targets, weights, each (B, T), padded on the right."""
    length = max(len(e.tokens) for e in examples)
    tokens = np.full((len(examples), length), PAD, np.int64)
    weights = np.zeros((len(examples), length), np.float32)
    for row, example in enumerate(examples):
        tokens[row, : len(example.tokens)] = example.tokens
        weights[row, : len(example.weights)] = example.weights
    return tokens[:, :-1], tokens[:, 1:], weights[:, 1:]
