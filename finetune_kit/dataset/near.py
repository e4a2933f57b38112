"""Finding texts that are almost alike among many, by MinHash.

A text is the set of its pieces of five characters. The smallest of 64 hashes of that
set agree between two texts about as often as the sets overlap (Broder 1997), so texts
that agree in four of them side by side are compared piece by piece; the others never
are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

PIECE = 5  # characters
HASHES, IN_A_BAND = 64, 4
#: Two estimates of 64 hashes differ by less than this in 99 of 100 cases.
_MARGIN = 0.15
_CHUNK = 200_000  # candidate pairs compared at a time

Hashes = npt.NDArray[np.uint32]
_random = np.random.default_rng(20_240_601)
_FACTORS = _random.integers(1, 2**31, HASHES, dtype=np.uint32) * 2 + 1
_OFFSETS = _random.integers(0, 2**32, HASHES, dtype=np.uint32)
_POWERS = np.array([0x9E3779B1, 0x85EBCA6B, 0xC2B2AE35, 0x27D4EB2F, 0x165667B1])


def normalised(text: str) -> str:
    """Lower case, single spaces, one form of each letter, no punctuation."""
    text = unicodedata.normalize("NFKC", text).lower()
    return re.sub(r"[\W_]+", " ", text).strip() or text


def pieces(text: str) -> Hashes:
    """Hashes of the pieces of a normalised text, sorted, each once."""
    letters = np.frombuffer(text.encode("utf-32-le", "replace"), dtype="<u4")
    if len(letters) < PIECE:
        letters = np.pad(letters, (0, PIECE - len(letters)))
    count = len(letters) - PIECE + 1
    mixed = np.zeros(count, dtype=np.uint32)
    for place, power in enumerate(_POWERS.astype(np.uint32)):
        mixed += letters[place : place + count] * power
    mixed ^= mixed >> np.uint32(15)
    return np.unique(mixed * np.uint32(0x2C1B3C6D))


def overlap(one: Hashes, two: Hashes) -> float:
    """Shared pieces as a part of all pieces, from 0 to 1 (Jaccard)."""
    shared = len(np.intersect1d(one, two, assume_unique=True))
    return shared / (len(one) + len(two) - shared)


def similar_pairs(
    texts: Sequence[str], threshold: float
) -> Iterator[tuple[int, int, float]]:
    """Pairs of texts that overlap by `threshold` or more, the most alike first.

    Of many texts alike, pairs enough to connect them, not all: the time grows with
    the number of texts. A pair at the threshold is missed about once in a thousand.
    """
    signatures = np.stack([_signature(pieces(text)) for text in texts])
    pairs = _candidates(signatures)
    alike = _agreement(signatures, pairs)
    likely = alike >= threshold - _MARGIN
    order = np.argsort(-alike[likely], kind="stable")
    joined = Joined(len(texts))
    for one, two in pairs[likely][order].tolist():
        if joined.root(one) == joined.root(two):
            continue
        share = overlap(pieces(texts[one]), pieces(texts[two]))
        if share >= threshold:
            joined.join(one, two)
            yield one, two, share


class Joined:
    """Which of n things belong together (union-find)."""

    def __init__(self, count: int) -> None:
        self._parents = list(range(count))

    def root(self, thing: int) -> int:
        parents = self._parents
        while parents[thing] != thing:
            parents[thing] = parents[parents[thing]]
            thing = parents[thing]
        return thing

    def join(self, one: int, two: int) -> None:
        first, second = sorted((self.root(one), self.root(two)))
        self._parents[second] = first


def _signature(hashes: Hashes) -> Hashes:
    """The smallest of each of the 64 hashes over a text's pieces: (64,)."""
    mixed = hashes[None, :] * _FACTORS[:, None] + _OFFSETS[:, None]  # (64, pieces)
    smallest: Hashes = mixed.min(axis=1)
    return smallest


def _candidates(signatures: Hashes) -> npt.NDArray[np.int64]:
    """Pairs (n, 2) that agree in a whole band: with the first and the next there."""
    count = len(signatures)
    keys = []
    for start in range(0, HASHES, IN_A_BAND):
        band = np.ascontiguousarray(signatures[:, start : start + IN_A_BAND])
        _, group = np.unique(
            band.view(f"V{4 * IN_A_BAND}").ravel(), return_inverse=True
        )
        order = np.argsort(group, kind="stable").astype(np.int64)
        same = group[order][1:] == group[order][:-1]
        starts = np.maximum.accumulate(
            np.where(np.r_[True, ~same], np.arange(count), 0)
        )
        first, last = order[starts][1:][same], order[1:][same]
        before = order[:-1][same]
        keys += [first * count + last, before * count + last]
    found = np.unique(np.concatenate(keys))
    return np.stack([found // count, found % count], axis=1)


def _agreement(
    signatures: Hashes, pairs: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """In which part of the 64 hashes each pair agrees."""
    found = [
        (signatures[part[:, 0]] == signatures[part[:, 1]]).mean(
            axis=1, dtype=np.float32
        )
        for part in np.array_split(pairs, len(pairs) // _CHUNK + 1)
    ]
    return np.concatenate(found)
