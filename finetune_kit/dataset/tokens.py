"""Token counts as the service bills them, without a network.

``tiktoken`` downloads a vocabulary on first use. The two that matter here,
``o200k_base`` and ``cl100k_base``, are shipped with the package (xz-compressed) and
checked against the SHA-256 that tiktoken itself expects.
"""

from __future__ import annotations

import binascii
import hashlib
import json
import lzma
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache, lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tiktoken

# From tiktoken 0.14.0, tiktoken_ext/openai_public.py: hash, special tokens, pattern.
_SHA256 = {
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
}
_SPECIAL_TOKENS = {
    "cl100k_base": {
        "<|endoftext|>": 100257,
        "<|fim_prefix|>": 100258,
        "<|fim_middle|>": 100259,
        "<|fim_suffix|>": 100260,
        "<|endofprompt|>": 100276,
    },
    "o200k_base": {"<|endoftext|>": 199999, "<|endofprompt|>": 200018},
}
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_PATTERN = {
    "cl100k_base": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"
    r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    "o200k_base": rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_CONTRACTION}"
    rf"|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_CONTRACTION}"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}

# Three special tokens around each message: <|im_start|>, <|im_sep|>, <|im_end|>.
# Source: amitness.com, 2025-03, which found the dashboard's trained_tokens exactly so;
# OpenAI's cookbook gives "3 per message" as an approximation.
TOKENS_PER_MESSAGE = 3


@cache
def encoding(name: str) -> tiktoken.Encoding:
    """The encoding ``o200k_base`` or ``cl100k_base``, from the shipped vocabulary.

    Takes about 0.3 s and 80 MB the first time. Raises ValueError for another name, or
    where the vocabulary in the package is damaged.
    """
    import tiktoken

    if name not in _SHA256:
        known = ", ".join(sorted(_SHA256))
        raise ValueError(
            f"No vocabulary of the encoding {name!r} is shipped. Known: {known}."
        )
    return tiktoken.Encoding(
        name,
        pat_str=_PATTERN[name],
        mergeable_ranks=_ranks(name),
        special_tokens=_SPECIAL_TOKENS[name],
    )


def count(text: str, encoding_name: str) -> int:
    """Tokens in ``text``; the text of a special token counts as ordinary text."""
    return len(encoding(encoding_name).encode_ordinary(text))


def pieces(text: str, encoding_name: str) -> list[str]:
    """The text of each token; tokens that share a character stand together."""
    coder = encoding(encoding_name)
    found, held = [], b""
    for token in coder.encode_ordinary(text):
        held += coder.decode_single_token_bytes(token)
        with suppress(UnicodeDecodeError):
            found.append(held.decode())
            held = b""
    return found


def chat_tokens(messages: Iterable[Mapping[str, Any]], encoding_name: str) -> int:
    """Tokens of chat messages: role, name, text, tool calls, and three per message."""
    return sum(map(message_counter(encoding_name), messages))


@cache
def message_counter(encoding_name: str) -> Callable[[Mapping[str, Any]], int]:
    """What counts the tokens of one message, as `chat_tokens` does; parts that are
    not text count nothing.

    It remembers roles, names and system prompts, which repeat in every example.
    """
    encode = encoding(encoding_name).encode_ordinary
    word = lru_cache(maxsize=1024)(lambda text: len(encode(text)))
    system_prompt = lru_cache(maxsize=64)(lambda text: len(encode(text)))

    def count_message(message: Mapping[str, Any]) -> int:
        role = message.get("role", "")
        content = message.get("content")
        total = TOKENS_PER_MESSAGE + word(str(role))
        if isinstance(content, str):
            repeats = role in ("system", "developer")
            total += system_prompt(content) if repeats else len(encode(content))
            if len(message) == 2:
                return total
        if message.get("name"):
            total += word(str(message["name"]))
        return total + sum(len(encode(text)) for text in _further_texts(message))

    return count_message


def tool_texts(holder: Mapping[str, Any]) -> Iterable[str]:
    """The tool definitions of a row or request as they are counted: as JSON.

    Approximate: how the service writes them for the model is not public.
    """
    for key in ("tools", "functions"):
        if holder.get(key):
            yield json.dumps(holder[key], separators=(",", ":"))


def _further_texts(message: Mapping[str, Any]) -> Iterable[str]:
    """The strings of a message in parts and calls; what is not text is left."""
    content = message.get("content")
    if isinstance(content, list):
        yield from (
            part["text"]
            for part in content
            if isinstance(part, Mapping) and isinstance(part.get("text"), str)
        )
    called = message.get("tool_calls")
    calls = called if isinstance(called, list) else []
    functions = [call.get("function") for call in calls if isinstance(call, Mapping)]
    for function in [*functions, message.get("function_call")]:
        if isinstance(function, Mapping):
            yield str(function.get("name", ""))
            yield str(function.get("arguments", ""))


def _ranks(name: str) -> dict[bytes, int]:
    """Token bytes to rank; the file's lines are ``base64 rank``."""
    path = resources.files(__package__) / "vocabularies" / f"{name}.tiktoken.xz"
    vocabulary = lzma.decompress(path.read_bytes())
    digest = hashlib.sha256(vocabulary).hexdigest()
    if digest != _SHA256[name]:
        raise ValueError(
            f"The vocabulary {path.name} in the package is damaged: its SHA-256 is "
            f"{digest}, not {_SHA256[name]}. Install the package again."
        )
    fields = vocabulary.split()
    tokens = map(binascii.a2b_base64, fields[::2])
    return dict(zip(tokens, map(int, fields[1::2]), strict=True))
