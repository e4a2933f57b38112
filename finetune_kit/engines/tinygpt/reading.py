"""Reading a text piece by piece: what was read stays in a cache of keys and values."""

from collections.abc import Sequence

import numpy as np

from finetune_kit.engines.tinygpt.arrays import Array, IntArray
from finetune_kit.engines.tinygpt.attention import (
    causal_mask,
    rotary_tables,
    rotate,
    softmax,
)
from finetune_kit.engines.tinygpt.model import Config, Parameters, rms_norm


class Cache:
    """Keys and values of the positions read so far, and each block's last input."""

    def __init__(self, config: Config) -> None:
        head_size = config.n_embd // config.n_head
        shape = (config.n_layer, config.n_head, config.context, head_size)
        self.config = config
        self.k = np.zeros(shape, np.float32)
        self.v = np.zeros(shape, np.float32)
        self.last = np.zeros((config.n_layer, config.n_embd // 2), np.float32)
        self.length = 0

    def copy(self) -> "Cache":
        """Another one with the same positions, to go on from them elsewhere."""
        other, read = Cache(self.config), slice(0, self.length)
        other.k[:, :, read] = self.k[:, :, read]
        other.v[:, :, read] = self.v[:, :, read]
        other.last, other.length = self.last.copy(), self.length
        return other


def read(p: Parameters, tokens: IntArray, cache: Cache) -> Array:
    """Read `tokens` (T,) after those in the cache; logits (V,) after the last one."""
    c, n_head, t = p.config.n_embd, p.config.n_head, len(tokens)
    head_size, start = c // n_head, cache.length
    end = start + t
    cos, sin = (
        table[start:end] for table in rotary_tables(p.config.context, head_size)
    )
    mask = causal_mask(p.config.context)[start:end, :end]
    x = p["wte"][tokens]  # (T, C)
    for i in range(p.config.n_layer):
        h, _ = rms_norm(x, p[f"{i}.norm1"])
        h, cache.last[i] = shift_after(h, cache.last[i])
        qkv = (h @ p[f"{i}.wqkv"]).reshape(t, 3, n_head, head_size)
        qkv = qkv.transpose(1, 2, 0, 3)  # (3, H, T, D)
        q, cache.k[i, :, start:end] = rotate(qkv[:2], cos, sin)
        cache.v[i, :, start:end] = qkv[2]
        att = q @ cache.k[i, :, :end].swapaxes(-1, -2)
        att = softmax(att * np.float32(head_size**-0.5) + mask)  # (H, T, end)
        y = (att @ cache.v[i, :, :end]).transpose(1, 0, 2).reshape(t, c)
        x = x + y @ p[f"{i}.wo"]
        h, _ = rms_norm(x, p[f"{i}.norm2"])
        relu = np.maximum(h @ p[f"{i}.w1"], 0.0)
        x = x + (relu * relu) @ p[f"{i}.w2"]
    cache.length = end
    return rms_norm(x[-1], p["norm"])[0] @ p["wte"].T


def read_next(p: Parameters, tokens: Sequence[int], caches: Sequence[Cache]) -> Array:
    """One token more for each of several texts (B); logits (B, V).

    A text's logits do not hang on what else is read: products are made row by row
    (B x (1, C) @ W), while the many small steps around them are made once.
    """
    c, n_head, b = p.config.n_embd, p.config.n_head, len(tokens)
    head_size, at = c // n_head, [cache.length for cache in caches]
    cos, sin = (
        table[at][:, None, None]  # (B, 1, 1, 1 or 2, D / 2)
        for table in rotary_tables(p.config.context, head_size)
    )
    x = p["wte"][list(tokens)][:, None]  # (B, 1, C)
    for i in range(p.config.n_layer):
        h, _ = rms_norm(x, p[f"{i}.norm1"])
        for row, cache in zip(h, caches, strict=True):
            row[:], cache.last[i] = shift_after(row, cache.last[i])
        qkv = (h @ p[f"{i}.wqkv"]).reshape(b, 3, n_head, head_size)
        qk = rotate(qkv[:, :2], cos, sin)
        qk[:, 0] *= np.float32(head_size**-0.5)
        for cache, (q, k), v, out in zip(caches, qk, qkv[:, 2], h, strict=True):
            end = cache.length + 1
            cache.k[i, :, end - 1], cache.v[i, :, end - 1] = k, v
            att = cache.k[i, :, :end] @ q[..., None]  # (H, end, 1)
            np.exp(att - att.max(1, keepdims=True), out=att)
            y = att.swapaxes(-1, -2) @ cache.v[i, :, :end]  # (H, 1, D)
            y /= att.sum(1, keepdims=True)
            out[:] = y.reshape(1, c)
        x = x + h @ p[f"{i}.wo"]
        h, _ = rms_norm(x, p[f"{i}.norm2"])
        relu = np.maximum(h @ p[f"{i}.w1"], 0.0)
        relu *= relu
        x = x + relu @ p[f"{i}.w2"]
    for cache in caches:
        cache.length += 1
    logits: Array = rms_norm(x, p["norm"])[0] @ p["wte"].T
    return logits[:, 0]


def shift_after(h: Array, last: Array) -> tuple[Array, Array]:
    """Token shift (T, C) that goes on after `last` (C / 2,), the input before it."""
    half = h.shape[-1] // 2
    out = h.copy()
    out[1:, :half] = h[:-1, :half]
    out[0, :half] = last
    return out, h[-1, :half].copy()
