"""Learn the tokenizer's merges from the corpus (byte-pair encoding, Sennrich 2016).

python -m pretraining.vocabulary tasks --out merges_tasks.json
"""

import argparse
import json
from collections import Counter, defaultdict
from itertools import islice, pairwise
from pathlib import Path

from finetune_kit.engines.tinygpt.calls import tools_text
from finetune_kit.engines.tinygpt.chat import message_text
from finetune_kit.engines.tinygpt.tokenizer import FIRST_MERGE, units
from pretraining.corpus import MIXES, Corpus, load_topics

Unit = tuple[int, ...]
Pair = tuple[int, int]


def count_units(mix: str, conversations: int) -> Counter[Unit]:
    """How often each word and each run between words occurs in `mix`."""
    texts: Counter[str] = Counter()
    for conversation in islice(Corpus(1, mix), conversations):
        texts[conversation.text + conversation.completion] += 1
        texts.update(message_text(m) for m in conversation.messages)
        texts[tools_text(conversation.tools)] += bool(conversation.tools)
    for topic in load_topics():
        texts.update(word for word in topic.words for _ in range(6))
    counts: Counter[Unit] = Counter()
    for text, n in texts.items():
        for unit in units(text):
            counts[unit] += n
    return counts


def learn_merges(counts: Counter[Unit], n_merges: int) -> list[Pair]:
    """The most frequent pair becomes a token, again and again."""
    words = [list(unit) for unit in counts]
    weights = list(counts.values())
    pairs: Counter[Pair] = Counter()
    places: defaultdict[Pair, set[int]] = defaultdict(set)
    for i, word in enumerate(words):
        for pair in pairwise(word):
            pairs[pair] += weights[i]
            places[pair].add(i)
    merges: list[Pair] = []
    while len(merges) < n_merges:
        best = max(pairs, key=lambda p: (pairs[p], p))
        token = FIRST_MERGE + len(merges)
        merges.append(best)
        for i in places.pop(best):
            word = words[i]
            for pair in pairwise(word):
                pairs[pair] -= weights[i]
            words[i] = word = merged(word, best, token)
            for pair in pairwise(word):
                pairs[pair] += weights[i]
                places[pair].add(i)
        del pairs[best]
    return merges


def merged(word: list[int], pair: Pair, token: int) -> list[int]:
    out: list[int] = []
    for item in word:
        if out and (out[-1], item) == pair:
            out[-1] = token
        else:
            out.append(item)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mix", choices=MIXES)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--vocab-size", type=int, default=4096)
    parser.add_argument("--conversations", type=int, default=60_000)
    arguments = parser.parse_args()
    counts = count_units(arguments.mix, arguments.conversations)
    merges = learn_merges(counts, arguments.vocab_size - FIRST_MERGE)
    arguments.out.write_text(json.dumps(merges, separators=(",", ":")), "utf-8")
    print(f"{len(merges)} merges of {len(counts)} different words and runs")


if __name__ == "__main__":
    main()
