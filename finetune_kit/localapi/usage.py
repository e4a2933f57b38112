"""`usage`: tokens as the service bills them, counted off the event loop.

Counted in the encoding that the catalog gives for the model's base, not in the tokens
of the engine: money is the service's, and so is the count.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from finetune_kit import catalog

# "every reply is primed with <|start|>assistant<|message|>": OpenAI cookbook, "How to
# count tokens with tiktoken".
_REPLY_PRIMER = 3
# One thread: the vocabulary (0.3 s, 80 MB) is then never loaded twice.
_counting = ThreadPoolExecutor(1, thread_name_prefix="count-tokens")


def load(encoding: str) -> None:
    """Begin to load a vocabulary; building it holds the interpreter for 0.2 s, which
    is felt less while the server starts than in the middle of somebody's polling."""
    _counting.submit(_texts, (), encoding)


async def of_prompt(params: Mapping[str, Any], base: str) -> int:
    """Tokens of a chat request's messages and tools for the catalog's model `base`."""
    return await _off_the_loop(_prompt, params, _encoding(base))


async def of_texts(texts: Sequence[str], base: str) -> int:
    """Tokens of the answers' texts together."""
    return await _off_the_loop(_texts, texts, _encoding(base))


async def text_of(tokens: Sequence[int], base: str) -> str:
    """What tokens of the catalog's model `base` say; KeyError, OverflowError or
    ValueError for a number that is none of them."""
    loop = asyncio.get_running_loop()
    text: str = await loop.run_in_executor(_counting, _decode, tokens, _encoding(base))
    return text


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    """The `usage` object; the engine caches, reasons and predicts nothing."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


async def _off_the_loop(count: Any, what: Any, encoding: str) -> int:
    loop = asyncio.get_running_loop()
    tokens: int = await loop.run_in_executor(_counting, count, what, encoding)
    return tokens


def _prompt(params: Mapping[str, Any], encoding: str) -> int:
    from finetune_kit.dataset import tokens

    told = tokens.chat_tokens(params["messages"], encoding)
    tools = _texts(list(tokens.tool_texts(params)), encoding)
    return told + tools + _REPLY_PRIMER


def _texts(texts: Sequence[str], encoding: str) -> int:
    from finetune_kit.dataset import tokens

    vocabulary = tokens.encoding(encoding)
    return sum(len(vocabulary.encode_ordinary(text)) for text in texts)


def _decode(tokens: Sequence[int], encoding: str) -> str:
    from finetune_kit.dataset.tokens import encoding as vocabulary

    return vocabulary(encoding).decode(tokens)


def _encoding(base: str) -> str:
    known = catalog.base(base)  # None: a tuned model whose base left the catalog
    return known.encoding if known else "o200k_base"
