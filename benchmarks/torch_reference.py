"""The same model and the same steps in torch, as a yardstick (extra `bench`)."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy, relu, rms_norm, softmax

from finetune_kit.engines.tinygpt.attention import rotary_tables
from finetune_kit.engines.tinygpt.model import (
    Config,
    Parameters,
    layout,
    loss_and_gradient,
)

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


class TorchCache:
    """Keys, values and last inputs, as `model.Cache` keeps them."""

    def __init__(self, config: Config) -> None:
        size = config.n_embd // config.n_head
        shape = (config.n_layer, config.n_head, config.context, size)
        self.k, self.v = torch.zeros(shape), torch.zeros(shape)
        self.last = torch.zeros(config.n_layer, config.n_embd // 2)
        self.length = 0


@torch.inference_mode()
def read(
    p: dict[str, torch.Tensor], config: Config, tokens: torch.Tensor, cache: TorchCache
) -> torch.Tensor:
    """Logits (V,) after `tokens` (T,), as `model.read` computes them."""
    c, n_head, t = config.n_embd, config.n_head, len(tokens)
    size, half, start = c // n_head, c // 2, cache.length
    end = start + t
    tables = rotary_tables(config.context, size)
    cos, sin = (torch.from_numpy(table)[start:end, -1] for table in tables)
    mask = torch.full((t, end), -1e9).triu(1 + start)
    x = p["wte"][tokens]
    for i in range(config.n_layer):
        h = rms_norm(x, (c,), p[f"{i}.norm1"], 1e-5)
        before = torch.cat((cache.last[i][None], h[:-1, :half]))
        cache.last[i] = h[-1, :half]
        h = torch.cat((before, h[:, half:]), -1)
        qkv = (h @ p[f"{i}.wqkv"]).view(t, 3, n_head, size).permute(1, 2, 0, 3)
        cache.k[i, :, start:end] = rotate(qkv[1], cos, sin)
        cache.v[i, :, start:end] = qkv[2]
        att = rotate(qkv[0], cos, sin) @ cache.k[i, :, :end].transpose(-1, -2)
        att = softmax(att * size**-0.5 + mask, -1)
        x = x + (att @ cache.v[i, :, :end]).transpose(0, 1).reshape(t, c) @ p[f"{i}.wo"]
        h = rms_norm(x, (c,), p[f"{i}.norm2"], 1e-5)
        x = x + relu(h @ p[f"{i}.w1"]).square() @ p[f"{i}.w2"]
    cache.length = end
    return rms_norm(x[-1], (c,), p["norm"], 1e-5) @ p["wte"].T


def tensors_of(p: Parameters) -> dict[str, torch.Tensor]:
    return {
        name: torch.from_numpy(p[name].copy()).requires_grad_()
        for name, _, _ in layout(p.config)
    }


def stepper(tensors: dict[str, torch.Tensor], config: Config) -> Callable[[Any], None]:
    """A training step in torch: loss, gradient, clipping, Adam."""
    optimiser = torch.optim.Adam(tensors.values(), lr=5e-4, betas=(0.9, 0.98))

    def step(data: Any) -> None:
        optimiser.zero_grad()
        torch_loss(tensors, config, data).backward()
        torch.nn.utils.clip_grad_norm_(tensors.values(), 1.0)
        optimiser.step()

    return step


def assert_equal_gradients(p: Parameters, data: Any) -> None:
    g, tensors = p.like(), tensors_of(p)
    loss_and_gradient(p, *data, g)
    torch_loss(tensors, p.config, data).backward()
    for name, tensor in tensors.items():
        assert tensor.grad is not None
        np.testing.assert_allclose(g[name], tensor.grad.numpy(), rtol=1e-3, atol=1e-5)
