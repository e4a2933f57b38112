"""How alike two texts are, 0 to 1: the metrics of a `text_similarity` grader.

Computed from the papers; which variant the service computes is not documented.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence

_LONGEST = 4  # words in an n-gram of BLEU and GLEU


def fuzzy_match(text: str, reference: str) -> float:
    """Share of the characters that need no insertion or deletion (Indel similarity,
    `rapidfuzz.fuzz.ratio` / 100)."""
    return _f1(common_length(text, reference), len(text), len(reference))


def bleu(text: str, reference: str) -> float:
    """BLEU (Papineni et al. 2002) of one sentence, one added to the counts of all but
    single words (Lin and Och 2004), without which a short text would always have 0."""
    said, wanted = _words_and_signs(text), _words_and_signs(reference)
    if not said:
        return float(not wanted)
    precisions = []
    for n in range(1, _LONGEST + 1):
        hits, total, _ = _overlap(said, wanted, n)
        added = int(n > 1)
        precisions.append((hits + added) / (total + added))
    if not all(precisions):
        return 0.0
    brevity = min(1.0, math.exp(1 - len(wanted) / len(said)))
    return brevity * math.exp(sum(map(math.log, precisions)) / _LONGEST)


def gleu(text: str, reference: str) -> float:
    """Google's BLEU (Wu et al. 2016): of all n-grams of 1 to 4 words, the lower of
    precision and recall."""
    said, wanted = _words_and_signs(text), _words_and_signs(reference)
    counts = [_overlap(said, wanted, n) for n in range(1, _LONGEST + 1)]
    hits, in_text, in_reference = map(sum, zip(*counts, strict=True))
    most = max(in_text, in_reference)
    return hits / most if most else 1.0


def rouge_n(text: str, reference: str, n: int) -> float:
    """ROUGE-N (Lin 2004) as F1, on words in lower case."""
    return _f1(*_overlap(_words(text), _words(reference), n))


def rouge_l(text: str, reference: str) -> float:
    """ROUGE-L (Lin 2004) as F1: the longest common subsequence of words."""
    said, wanted = _words(text), _words(reference)
    return _f1(common_length(said, wanted), len(said), len(wanted))


def _rouge(n: int) -> Callable[[str, str], float]:
    return lambda text, reference: rouge_n(text, reference, n)


METRICS: dict[str, Callable[[str, str], float]] = {
    "fuzzy_match": fuzzy_match,
    "bleu": bleu,
    "gleu": gleu,
    **{f"rouge_{n}": _rouge(n) for n in range(1, 6)},
    "rouge_l": rouge_l,
}


def common_length(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence, a bit for each item of `first`
    (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for index, item in enumerate(first):
        places[item] = places.get(item, 0) | 1 << index
    everything = (1 << len(first)) - 1
    row = everything
    for item in second:
        found = row & places.get(item, 0)
        row = ((row + found) | (row - found)) & everything
    return len(first) - row.bit_count()


def _overlap(
    said: Sequence[str], wanted: Sequence[str], n: int
) -> tuple[int, int, int]:
    """n-grams in both, in the text, in the reference."""
    first, second = _ngrams(said, n), _ngrams(wanted, n)
    return (first & second).total(), first.total(), second.total()


def _ngrams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def _f1(hits: int, in_text: int, in_reference: int) -> float:
    """Nothing wanted and nothing said is as alike as can be."""
    together = in_text + in_reference
    return 2 * hits / together if together else 1.0


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _words_and_signs(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text)
