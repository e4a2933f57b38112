"""How people really type: lower case, lost punctuation, slips of the finger."""

import random
import re
from collections.abc import Sequence

NEIGHBOURS = {
    "a": "s", "b": "v", "c": "x", "d": "f", "e": "r", "f": "g", "g": "h", "h": "j",
    "i": "o", "k": "l", "l": "k", "m": "n", "n": "m", "o": "p", "p": "o", "r": "t",
    "s": "a", "t": "y", "u": "i", "v": "b", "w": "e", "y": "u",
}  # fmt: skip
SHORT = {"you": "u", "are": "r", "please": "pls", "because": "cause", "really": "rly"}


def roughen(text: str, rng: random.Random) -> str:
    """The text as a hurried person might type it; half of the time unchanged."""
    kind = rng.random()
    if kind < 0.45:
        return text
    if kind < 0.85:
        text = text.lower()
    if rng.random() < 0.3:
        text = text.replace("'", "")
    if rng.random() < 0.35:
        text = text.rstrip(".?!")
    if rng.random() < 0.1:
        text = re.sub(r"[.,;:]", "", text)
    if rng.random() < 0.3:
        rate = rng.choice((0.05, 0.1, 0.2))
        text = " ".join(
            slip(word, rng) if rng.random() < rate else word for word in text.split(" ")
        )
    if rng.random() < 0.08:
        text += rng.choice(("??", "!!", "...", " :(", " thx", " please", " lol"))
    return text


def roughen_whole(text: str, rng: random.Random, *parts: str) -> tuple[str, ...]:
    """The text as typed in haste, and parts of it as they stand there then; unchanged
    where a slip would fall into a part."""
    rough = roughen(text, rng)
    written = [as_written(part, rough) for part in parts]
    if all(part in rough for part in written):
        return rough, *written
    return text, *parts


def as_written(part: str, text: str) -> str:
    """The part in the spelling in which the text has it, where it does."""
    at = text.lower().find(part.lower())
    return text[at : at + len(part)] if at >= 0 else part


def thin(text: str, rng: random.Random) -> str:
    """Some words lost, so that no single phrase gives the topic away."""
    words, rate = text.split(" "), rng.choice((0.1, 0.15, 0.25))
    kept = [word for word in words if rng.random() > rate]
    return " ".join(kept or words)


def slip(word: str, rng: random.Random) -> str:
    """One slip: a letter lost, doubled, swapped or hit beside; or a short form."""
    if word in SHORT:
        return SHORT[word]
    if len(word) < 4:
        return word
    i = rng.randrange(1, len(word) - 1)
    kind = rng.randrange(4)
    if kind == 0:
        return word[:i] + word[i + 1 :]
    if kind == 1:
        return word[:i] + word[i] + word[i:]
    if kind == 2:
        return word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    return word[:i] + NEIGHBOURS.get(word[i], word[i]) + word[i + 1 :]


def estrange(pattern: str, rng: random.Random, words: Sequence[str]) -> str:
    """Some of the pattern's longer words replaced by any others; {fields} stay."""
    rate = rng.choice((0.1, 0.2, 0.4))

    def other(found: re.Match[str]) -> str:
        if rng.random() >= rate:
            return found[0]
        word = rng.choice(words)
        return word.capitalize() if found[0][0].isupper() else word

    return re.sub(r"(?<![{\w'])[A-Za-z]{4,}(?![}\w'])", other, pattern)
