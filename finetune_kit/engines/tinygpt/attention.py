"""Causal attention with rotary positions and token shift, forward and backward.

What the sequences of a batch begin with alike, a system prompt most often, is computed
once: a batch is one or two parts, and the second attends to the first.

Shapes: B sequences, T positions, C channels, H heads of size D = C / H, R rows
(positions of the batch, those of the common beginning once).
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from finetune_kit.engines.tinygpt.arrays import Array, IntArray

MASKED = np.float32(-1e9)


class Part(NamedTuple):
    """Rows of a batch that are computed alike: positions `start` to `end` of B
    sequences, that attend to their own and to those before `start`."""

    rows: slice
    b: int
    start: int
    end: int

    def of(self, x: Array) -> Array:
        """The part's rows of (R, ...), as (B, T, ...): a view."""
        return x[self.rows].reshape(self.b, self.end - self.start, *x.shape[1:])


Parts = tuple[Part, ...]


def parts_of(shape: tuple[int, ...], shared: int = 0) -> Parts:
    """`shape` (B, T): B sequences, of which the first `shared` positions are alike."""
    b, t = shape
    own = Part(slice(shared, shared + b * (t - shared)), b, shared, t)
    return (Part(slice(shared), 1, 0, shared), own) if shared else (own,)


def beginning(inputs: IntArray, weights: Array) -> int:
    """How many positions all sequences begin with alike, before what is learnt."""
    if len(inputs) == 1:
        return 0
    alike = (inputs == inputs[0]).all(0) & (weights <= 0).all(0)
    return int(alike[:-1].cumprod().sum())


def shift(h: Array, parts: Parts) -> Array:
    """First half of the channels from position t - 1 (zeros before the first)."""
    half = h.shape[-1] // 2
    out = h.copy()
    for part in parts:
        to = part.of(out)
        to[:, 1:, :half] = part.of(h)[:, :-1, :half]
        to[:, 0, :half] = h[part.start - 1, :half] if part.start else 0.0
    return out


def shift_backward(dout: Array, parts: Parts) -> Array:
    half = dout.shape[-1] // 2
    dh = dout.copy()
    for part in parts:
        to, ahead = part.of(dh), part.of(dout)
        to[:, :-1, :half] = ahead[:, 1:, :half]
        to[:, -1, :half] = 0.0
        if part.start:
            dh[part.start - 1, :half] += ahead[:, 0, :half].sum(0)
    return dh


@lru_cache
def rotary_tables(length: int, head_size: int) -> tuple[Array, Array]:
    """cos (length, 1, D / 2) and -+ sin (length, 2, D / 2) of position x frequency."""
    frequency = 10000.0 ** (-np.arange(0, head_size, 2) / head_size)
    angle = (np.arange(length)[:, None] * frequency).astype(np.float32)
    sin = np.sin(angle)
    return np.cos(angle)[:, None], np.stack((-sin, sin), 1)


def rotate(x: Array, cos: Array, sin: Array) -> Array:
    """Rotary position on (..., T, D), half split; with -sin it is its own inverse."""
    halves = x.reshape(*x.shape[:-1], 2, -1)  # (..., T, 2, D / 2): a, b
    turned = halves * cos
    turned += halves[..., ::-1, :] * sin  # a cos - b sin, b cos + a sin
    return turned.reshape(x.shape)


@lru_cache
def causal_mask(length: int) -> Array:
    """(T, T) with a large negative number where a position would look ahead."""
    return np.triu(np.full((length, length), MASKED, np.float32), 1)


def softmax(x: Array) -> Array:
    x = np.exp(x - x.max(-1, keepdims=True))
    x /= x.sum(-1, keepdims=True)
    return x


class Heads(NamedTuple):
    """What the attention of one part needs again; T counts what it attends to."""

    q: Array  # (B, H, T - start, D)
    k: Array  # (B, H, T, D)
    v: Array
    att: Array  # (B, H, T - start, T)


def attend(qkv: Array, parts: Parts, y: Array) -> list[Heads]:
    """Causal attention of (R, 3, H, D), part by part; the heads joined go to y (R, C).

    Every sequence attends to the keys and values of the common beginning.
    """
    _, _, n_head, head_size = qkv.shape
    k = v = np.empty((1, n_head, 0, head_size), qkv.dtype)
    saved = []
    for part in parts:
        cos, sin = (table[part.start :] for table in rotary_tables(part.end, head_size))
        q, own_k, own_v = part.of(qkv).transpose(2, 0, 3, 1, 4)  # 3 x (B, H, T, D)
        q = rotate(q, cos, sin)
        k, v = behind(k, rotate(own_k, cos, sin)), behind(v, own_v)
        att = q @ k.swapaxes(-1, -2)
        att *= np.float32(head_size**-0.5)
        att = softmax(att + causal_mask(part.end)[part.start :])
        part.of(y)[:] = (att @ v).transpose(0, 2, 1, 3).reshape(part.b, -1, y.shape[-1])
        saved.append(Heads(q, k, v, att))
    return saved


def behind(before: Array, own: Array) -> Array:
    """Keys or values (B, H, T, D) of each sequence, after the common ones (1, ...)."""
    common = np.broadcast_to(before, (len(own), *before.shape[1:]))
    return np.concatenate((common, own), 2)


def attend_backward(dy: Array, parts: Parts, saved: list[Heads]) -> Array:
    """Gradient (R, 3, H, D) of queries, keys and values from that of the output."""
    n_head, head_size = saved[0].q.shape[1], saved[0].q.shape[3]
    dqkv = np.empty((len(dy), 3, n_head, head_size), dy.dtype)
    of_later: tuple[Array | float, Array | float] = 0.0, 0.0  # what later parts ask for
    for part, (q, k, v, att) in zip(reversed(parts), reversed(saved), strict=True):
        cos, sin = (table[part.start :] for table in rotary_tables(part.end, head_size))
        d = part.of(dy).reshape(part.b, -1, n_head, head_size).transpose(0, 2, 1, 3)
        dv = att.swapaxes(-1, -2) @ d + of_later[1]
        datt = d @ v.swapaxes(-1, -2)
        datt -= np.vecdot(datt, att)[..., None]
        datt *= att
        datt *= np.float32(head_size**-0.5)
        dk = datt.swapaxes(-1, -2) @ q + of_later[0]
        own = np.s_[:, :, part.start :]
        each = rotate(datt @ k, cos, -sin), rotate(dk[own], cos, -sin), dv[own]
        part.of(dqkv)[:] = np.stack(each, 1).transpose(0, 3, 1, 2, 4)
        of_later = dk[:, :, : part.start].sum(0), dv[:, :, : part.start].sum(0)
    return dqkv
