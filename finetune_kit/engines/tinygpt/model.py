"""The model: a decoder-only transformer, forward and backward, in plain NumPy.

Pre-norm blocks with RMSNorm (Zhang & Sennrich 2019), rotary positions (Su et al.
2021), causal attention (Vaswani et al. 2017), a feed-forward layer with squared ReLU
(So et al. 2021), tied embeddings (Press & Wolf 2017), no biases. Half of the channels
that enter the attention come from the previous position (token shift, RWKV: Peng et al.
2023); at this size it is what makes copying a name out of the prompt learnable.

Shapes: B sequences, T positions, C channels, H heads of size D = C / H, V tokens,
R rows (positions of the batch, those of a common beginning once), N supervised ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from finetune_kit.engines.tinygpt.arrays import Array, IntArray
from finetune_kit.engines.tinygpt.attention import (
    Heads,
    Parts,
    attend,
    attend_backward,
    beginning,
    parts_of,
    shift,
    shift_backward,
)

Positions = IntArray | slice
EVERY = slice(None)
EPS = np.float32(1e-5)


@dataclass(frozen=True)
class Config:
    """Sizes of the model; `context` counts tokens of prompt and answer together.

    `merges` names the file in this package by which its text becomes tokens.
    """

    vocab_size: int = 4096
    n_layer: int = 4
    n_head: int = 4
    n_embd: int = 128
    context: int = 512
    merges: str = "merges.json"


class Parameters:
    """All weights in one flat vector, with a named view for each matrix.

    One vector makes the optimiser one pass over memory; the views keep the maths
    readable. Gradients have the same layout.
    """

    def __init__(self, config: Config, flat: Array | None = None) -> None:
        self.config = config
        size = sum(rows * cols for _, rows, cols in layout(config))
        self.flat = np.zeros(size, np.float32) if flat is None else flat
        self.views: dict[str, Array] = {}
        start = 0
        for name, rows, cols in layout(config):
            view = self.flat[start : start + rows * cols]
            self.views[name] = view.reshape(rows, cols) if rows > 1 else view
            start += rows * cols

    def __getitem__(self, name: str) -> Array:
        return self.views[name]

    def like(self) -> "Parameters":
        """Zeros in the same layout: a place for gradients."""
        return Parameters(self.config)

    @classmethod
    def initial(cls, config: Config, seed: int) -> "Parameters":
        """N(0, 0.06); output projections scaled by (2 L)^-1/2 (GPT-2), gains 1.

        GPT-2's 0.02 is made for 768 channels and more; with 128 the attention then
        starts so flat that the first plateau lasts for thousands of steps.
        """
        self, rng = cls(config), np.random.default_rng(seed)
        for name, view in self.views.items():
            if view.ndim == 1:
                view[:] = 1.0
                continue
            scale = 0.06
            if name.endswith((".wo", ".w2")):
                scale /= (2 * config.n_layer) ** 0.5
            view[:] = rng.normal(0.0, scale, view.shape)
        return self


def layout(config: Config) -> Iterator[tuple[str, int, int]]:
    """(name, rows, columns) of every weight, in the order of the flat vector."""
    c = config.n_embd
    yield "wte", config.vocab_size, c  # token embedding, also the output layer
    for i in range(config.n_layer):
        yield f"{i}.norm1", 1, c
        yield f"{i}.wqkv", c, 3 * c
        yield f"{i}.wo", c, c
        yield f"{i}.norm2", 1, c
        yield f"{i}.w1", c, 4 * c
        yield f"{i}.w2", 4 * c, c
    yield "norm", 1, c


def rms_norm(x: Array, gain: Array) -> tuple[Array, Array]:
    """x / rms(x) * gain over the last axis; also 1 / rms for the backward pass."""
    square = np.vecdot(x, x)[..., None] / x.shape[-1]  # (..., 1)
    r: Array = 1.0 / np.sqrt(square + EPS)
    return x * r * gain, r


def rms_norm_backward(
    dy: Array, x: Array, r: Array, gain: Array, dgain: Array
) -> Array:
    n = x * r
    np.sum((dy * n).reshape(-1, x.shape[-1]), 0, out=dgain)
    dn = dy * gain
    dot = np.vecdot(dn, n)[..., None] / x.shape[-1]
    dx: Array = r * (dn - n * dot)
    return dx


# ------------------------------------------------------------------ forward, backward


class Saved(NamedTuple):
    """What one block's backward pass needs of its forward pass."""

    x: Array  # (R, C) input of the block
    r1: Array  # (R, 1)
    h: Array  # (R, C) shifted input of the attention
    heads: list[Heads]  # of each part
    at: Positions
    y: Array  # (N, C) heads joined
    x2: Array  # (N, C) between attention and feed-forward
    r2: Array  # (N, 1)
    h2: Array  # (N, C)
    relu: Array  # (N, 4C)


def block(
    p: Parameters, i: int, x: Array, parts: Parts, at: Positions = EVERY
) -> tuple[Array, Saved]:
    """One transformer block: x + attention(norm(x)), then + feed-forward(norm(x)).

    x is (R, C), the output (N, C): `at` says which N of the rows are wanted. The others
    are still read, so their keys and values are computed.
    """
    n_head = p.config.n_head
    h, r1 = rms_norm(x, p[f"{i}.norm1"])
    h = shift(h, parts)
    qkv = (h @ p[f"{i}.wqkv"]).reshape(len(x), 3, n_head, -1)
    y = np.empty_like(x)
    heads = attend(qkv, parts, y)
    y = y[at]
    x2 = x[at] + y @ p[f"{i}.wo"]

    h2, r2 = rms_norm(x2, p[f"{i}.norm2"])
    relu = np.maximum(h2 @ p[f"{i}.w1"], 0.0)
    out = x2 + (relu * relu) @ p[f"{i}.w2"]
    return out, Saved(x, r1, h, heads, at, y, x2, r2, h2, relu)


def block_backward(
    p: Parameters, g: Parameters, i: int, dout: Array, parts: Parts, s: Saved
) -> Array:
    """Gradient (R, C) of the block's input from that of its output (N, C); writes the
    weights' gradients into g."""
    np.matmul((s.relu * s.relu).T, dout, out=g[f"{i}.w2"])
    du = dout @ p[f"{i}.w2"].T  # (N, 4C)
    du *= s.relu
    du *= 2.0
    np.matmul(s.h2.T, du, out=g[f"{i}.w1"])
    dh2 = du @ p[f"{i}.w1"].T
    dx2 = dout + rms_norm_backward(dh2, s.x2, s.r2, p[f"{i}.norm2"], g[f"{i}.norm2"])

    np.matmul(s.y.T, dx2, out=g[f"{i}.wo"])
    dy = np.zeros_like(s.x)
    dy[s.at] = dx2 @ p[f"{i}.wo"].T
    dqkv = attend_backward(dy, parts, s.heads).reshape(len(dy), -1)
    np.matmul(s.h.T, dqkv, out=g[f"{i}.wqkv"])
    dh = shift_backward(dqkv @ p[f"{i}.wqkv"].T, parts)
    dx = rms_norm_backward(dh, s.x, s.r1, p[f"{i}.norm1"], g[f"{i}.norm1"])
    dx[s.at] += dx2
    return dx


class Loss(NamedTuple):
    """Mean cross-entropy (nats per weighted token) and token accuracy of a batch;
    `right` (N,): would the model have said the target itself?"""

    loss: float
    accuracy: float
    tokens: int
    right: Array = np.zeros(0, bool)


def loss_and_gradient(
    p: Parameters,
    inputs: IntArray,
    targets: IntArray,
    weights: Array,
    g: Parameters | None = None,
) -> Loss:
    """Cross-entropy of `targets` (B, T) after `inputs` (B, T), weighted by `weights`.

    The last block and the logits are computed at the supervised positions only (weight
    > 0). With `g` the gradients are written into it. Right padding needs no mask:
    attention is causal. FloatingPointError: the model has burst.
    """
    shared = beginning(inputs, weights)
    parts = parts_of(inputs.shape, shared)
    learnt = np.flatnonzero(weights[:, shared:] > 0)  # N, counted after the beginning
    tokens = np.concatenate((inputs[0, :shared], inputs[:, shared:].ravel()))
    last, saved = p["wte"][tokens], []  # (R, C)
    for i in range(p.config.n_layer):
        wanted = shared + learnt if i == p.config.n_layer - 1 else EVERY
        last, s = block(p, i, last, parts, wanted)
        saved.append(s)
    h, r = rms_norm(last, p["norm"])
    if not (r.all() and all(s.r1.all() and s.r2.all() for s in saved)):
        raise FloatingPointError("activations beyond the numbers: 1 / rms is 0")
    logits = h @ p["wte"].T  # (N, V)
    logits -= logits.max(-1, keepdims=True)
    target = targets[:, shared:].ravel()[learnt]
    rows = np.arange(len(target))
    at_target = logits[rows, target]
    right = at_target >= 0  # the target is the largest logit
    np.exp(logits, out=logits)
    total = logits.sum(-1)
    w = weights[:, shared:].ravel()[learnt]
    w = w / w.sum()
    loss = float((w * (np.log(total) - at_target)).sum())
    if g is not None:
        logits *= (w / total)[:, None]
        logits[rows, target] -= w  # dlogits (N, V)
        np.matmul(logits.T, h, out=g["wte"])
        dx = rms_norm_backward(logits @ p["wte"], last, r, p["norm"], g["norm"])
        for i in reversed(range(p.config.n_layer)):
            dx = block_backward(p, g, i, dx, parts, saved[i])
        add_rows(g["wte"], tokens, dx)
    return Loss(loss, int(right.sum()) / len(target), len(target), right)


def add_rows(matrix: Array, rows: IntArray, values: Array) -> None:
    """matrix[rows] += values where rows repeat (np.add.at, but faster)."""
    order = np.argsort(rows, kind="stable")
    unique, starts = np.unique(rows[order], return_index=True)
    matrix[unique] += np.add.reduceat(values[order], starts, axis=0)


def all_logits(p: Parameters, inputs: IntArray) -> Array:
    """Logits (B, T, V) at every position: the slow, plain way; tests compare to it."""
    x, parts = p["wte"][inputs.ravel()], parts_of(inputs.shape)
    for i in range(p.config.n_layer):
        x, _ = block(p, i, x, parts)
    logits = rms_norm(x, p["norm"])[0] @ p["wte"].T
    return logits.reshape(*inputs.shape, -1)
