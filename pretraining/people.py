"""Persons, towns, and sentences about both, for the extraction of the two."""

import random
from collections.abc import Iterable

from pretraining.conversation import Mint, invented, load_toml
from pretraining.noise import estrange

STRANGE = 0.3  # share of the sentences in which words are replaced


class People:
    """`lists` are those of `tasks/extraction.toml`; `words`, whatever may stand in a
    sentence."""

    def __init__(self, rng: random.Random, words: Iterable[str]) -> None:
        self.rng, self.words = rng, sorted(set(words))
        self.lists = load_toml("tasks/extraction.toml")
        known = (*self.lists["names"], *self.lists["cities"])
        self.coined = Mint(rng, filter(str.isalpha, known))

    def spliced(self) -> str:
        """A name of the head of one word and the tail of another. Coined names sound
        like names, so most pieces of the vocabulary never stand in one; here any may,
        and what was never copied is not copied well."""
        head, tail = self.rng.choices(self.words, k=2)
        head = head[: self.rng.randint(1, 7)]
        name = head + tail[len(tail) - self.rng.randint(0, 5) :]
        return name.capitalize() if 3 <= len(name) <= 12 else self.spliced()

    def person(self) -> str:
        kind = self.rng.random()
        if kind < 0.35:
            return str(self.rng.choice(self.lists["names"]))
        if kind < 0.55:
            return self.coined()
        if kind < 0.8:
            return self.spliced()
        return invented(self.rng, self.lists["name_parts"]).capitalize()

    def town(self) -> str:
        rng, kind = self.rng, self.rng.random()
        if kind < 0.3:
            return str(rng.choice(self.lists["cities"]))
        if kind < 0.4:
            return str(rng.choice(self.lists["two_word_cities"]))
        if kind < 0.55:
            form = str(rng.choice(self.lists["town_forms"]))
            return form.format(self.coined(), self.spliced())
        if kind < 0.7:
            return self.coined()
        if kind < 0.87:
            return self.spliced()
        ends = self.lists["city_ends"]
        return f"{rng.choice(self.lists['name_parts'])}{rng.choice(ends)}".capitalize()

    def told(self, name: str, city: str) -> str:
        """A sentence about the two; with words out of place in some, since what
        surrounds a name can be anything."""
        pattern = str(self.rng.choice(self.lists["patterns"]))
        if self.rng.random() < STRANGE:
            pattern = estrange(pattern, self.rng, self.words)
        return pattern.format(name=name, city=city)
