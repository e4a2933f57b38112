"""Writes sample.jsonl: 60 reviews with their sentiment, the same on every run."""

from __future__ import annotations

import json
import random
from pathlib import Path

THINGS = ("film", "novel", "hotel", "restaurant", "game", "museum", "concert", "phone")
PARTS = {
    "film": ("the ending", "the music", "the camera"),
    "novel": ("the plot", "the first chapter", "the language"),
    "hotel": ("the room", "the breakfast", "the view"),
    "restaurant": ("the soup", "the service", "the wine list"),
    "game": ("the story", "the controls", "the last level"),
    "museum": ("the guide", "the new wing", "the audio tour"),
    "concert": ("the sound", "the hall", "the second half"),
    "phone": ("the battery", "the screen", "the camera"),
}
SAID = {
    "positive": (
        "I loved this {thing}, and {part} above all.",
        "A wonderful {thing}: {part} alone is worth the money.",
        "{Part} surprised me. I would choose this {thing} again.",
        "I had feared the worst, but {part} was a joy.",
        "Not a dull moment, and {part} is the best I know.",
    ),
    "negative": (
        "I wanted to like this {thing}, but {part} spoiled it.",
        "A poor {thing}: {part} is a waste of money.",
        "{Part} disappointed me. I would not choose this {thing} again.",
        "I had hoped for more, and {part} was a bore.",
        "Hardly a good moment, and {part} is the worst I know.",
    ),
}
SEPARATOR, END = "\n\n###\n\n", "\n"


def main() -> None:
    chance = random.Random(20_242)
    seen: dict[str, str] = {}
    while len(seen) < 60:
        label = ("positive", "negative")[len(seen) % 2]
        thing = chance.choice(THINGS)
        part = chance.choice(PARTS[thing])
        said = chance.choice(SAID[label])
        text = said.format(thing=thing, part=part, Part=part.capitalize())
        seen.setdefault(text, label)
    rows = [
        {"prompt": text + SEPARATOR, "completion": f" {label}{END}"}
        for text, label in seen.items()
    ]
    chance.shuffle(rows)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    path = Path(__file__).with_name("sample.jsonl")
    path.write_text(lines, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
