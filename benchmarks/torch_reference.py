"""The same model and the same steps in torch, as a yardstick (extra `bench`).

`python -m benchmarks.torch_reference` prints steps a second of both as JSON, one
thread each, batch 1, and fails when their gradients differ.
"""

import finetune_kit.engines.tinygpt.threads  # noqa: F401  isort: skip

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy, relu, rms_norm, softmax

from finetune_kit.engines.tinygpt import tokenizer
from finetune_kit.engines.tinygpt.adam import Adam
from finetune_kit.engines.tinygpt.chat import batch, encode_example
from finetune_kit.engines.tinygpt.model import (
    Config,
    Parameters,
    layout,
    loss_and_gradient,
    rotary_tables,
)
from finetune_kit.evaluate import read_jsonl

DATA = Path(__file__).parent.parent / "data" / "proverbs"
STEPS = 75

torch.set_num_threads(1)


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    half = x.shape[-1] // 2
    a, b = x[..., :half], x[..., half:]
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


def forward(
    p: dict[str, torch.Tensor], config: Config, tokens: torch.Tensor
) -> torch.Tensor:
    """Hidden states (B, T, C) before the output layer."""
    b, t = tokens.shape
    c, n_head = config.n_embd, config.n_head
    size = c // n_head
    cos, sin = (torch.from_numpy(table)[:, -1] for table in rotary_tables(t, size))
    mask = torch.full((t, t), -1e9).triu(1)
    x = p["wte"][tokens]
    for i in range(config.n_layer):
        h = rms_norm(x, (c,), p[f"{i}.norm1"], 1e-5)
        before = torch.cat((torch.zeros(b, 1, c // 2), h[:, :-1, : c // 2]), 1)
        h = torch.cat((before, h[:, :, c // 2 :]), -1)
        qkv = (h @ p[f"{i}.wqkv"]).view(b, t, 3, n_head, size).permute(2, 0, 3, 1, 4)
        q, k, v = rotate(qkv[0], cos, sin), rotate(qkv[1], cos, sin), qkv[2]
        att = softmax(q @ k.transpose(-1, -2) * size**-0.5 + mask, -1)
        x = x + (att @ v).transpose(1, 2).reshape(b, t, c) @ p[f"{i}.wo"]
        h = rms_norm(x, (c,), p[f"{i}.norm2"], 1e-5)
        x = x + relu(h @ p[f"{i}.w1"]).square() @ p[f"{i}.w2"]
    return rms_norm(x, (c,), p["norm"], 1e-5)


def torch_loss(p: dict[str, torch.Tensor], config: Config, data: Any) -> torch.Tensor:
    inputs, targets, weights = data
    at = np.nonzero(weights > 0)
    hidden = forward(p, config, torch.from_numpy(inputs))[at]
    return cross_entropy(hidden @ p["wte"].T, torch.from_numpy(targets[at]))


def rate(step: Callable[[Any], None], batches: list[Any]) -> float:
    """Steps a second, after a few that do not count."""
    for data in batches[:5]:
        step(data)
    started = time.perf_counter()
    for data in batches:
        step(data)
    return len(batches) / (time.perf_counter() - started)


def main() -> None:
    config, tok = Config(), tokenizer.load()
    rows = read_jsonl(DATA / "train.jsonl", STEPS)
    batches = [batch([encode_example(tok, row, config.context)]) for row in rows]

    p = Parameters.initial(config, 0)
    g, adam = p.like(), Adam(p)
    tensors = {
        name: torch.from_numpy(p[name].copy()).requires_grad_()
        for name, _, _ in layout(config)
    }
    optimiser = torch.optim.Adam(tensors.values(), lr=5e-4, betas=(0.9, 0.98))

    loss_and_gradient(p, *batches[0], g)
    torch_loss(tensors, config, batches[0]).backward()
    for name, tensor in tensors.items():
        assert tensor.grad is not None
        np.testing.assert_allclose(g[name], tensor.grad.numpy(), rtol=1e-3, atol=1e-5)

    def numpy_step(data: Any) -> None:
        loss_and_gradient(p, *data, g)
        adam.step(g, 5e-4)

    def torch_step(data: Any) -> None:
        optimiser.zero_grad()
        torch_loss(tensors, config, data).backward()
        torch.nn.utils.clip_grad_norm_(tensors.values(), 1.0)
        optimiser.step()

    print(
        json.dumps(
            {"numpy": rate(numpy_step, batches), "torch": rate(torch_step, batches)}
        )
    )


if __name__ == "__main__":
    main()
