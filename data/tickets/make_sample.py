"""Writes sample.jsonl: 72 support messages of 18 customers, the same on every run."""

from __future__ import annotations

import json
import random
from pathlib import Path

#: What happened -> the team that it is for.
PROBLEMS = {
    "The invoice for {month} lists the {thing} twice": "billing",
    "I was charged for a {thing} that I sent back in {month}": "billing",
    "The discount for the {thing} is missing on my bill": "billing",
    "The {thing} that I ordered in {month} has not arrived": "shipping",
    "The parcel with my {thing} was left at the wrong house": "shipping",
    "The box came today, but the {thing} in it is broken": "shipping",
    "The {thing} stopped working after the update of {month}": "technical",
    "My {thing} shows error 40{digit} when I switch it on": "technical",
    "The {thing} loses its connection every few minutes": "technical",
    "I cannot sign in to register my {thing}": "account",
    "Please change the address on my account, I moved in {month}": "account",
    "I want to close my account and keep the {thing}": "account",
}
THINGS = (
    "coffee machine",
    "radio",
    "desk lamp",
    "router",
    "printer",
    "kettle",
    "scale",
)
MONTHS = ("January", "March", "May", "July", "October", "November")
URGENCY = {
    "low": ("There is no hurry.", "Whenever you find the time.", "It can wait."),
    "normal": (
        "Please let me know this week.",
        "What do I have to do?",
        "Please help.",
    ),
    "high": (
        "I need this solved today.",
        "We cannot work until then.",
        "It is urgent!",
    ),
}
TONE = {
    "calm": ("Hello,", "Good morning,", "Dear team,"),
    "annoyed": ("This is the second time I write:", "Once again:", "Honestly,"),
    "angry": ("I have had enough!", "This is outrageous!", "What a disgrace!"),
}
SHOPS = (
    "Blue Kettle",
    "Paper Moon",
    "Three Bridges",
    "Old Mill",
    "Green Door",
    "Corner",
)
CUSTOMERS, EACH = 18, 4


def main() -> None:
    chance = random.Random(20_241)
    rows = [row for number in range(CUSTOMERS) for row in _of_customer(number, chance)]
    chance.shuffle(rows)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    path = Path(__file__).with_name("sample.jsonl")
    path.write_text(lines, encoding="utf-8", newline="\n")


def _of_customer(number: int, chance: random.Random) -> list[dict[str, str]]:
    """Four messages of one customer; every sixth customer sends one of them again."""
    sign = f"Yours, {SHOPS[number % len(SHOPS)]} no. {number + 1}"
    rows = []
    for problem in chance.sample(list(PROBLEMS), EACH):
        urgency, tone = chance.choice(list(URGENCY)), chance.choice(list(TONE))
        thing, month = chance.choice(THINGS), chance.choice(MONTHS)
        said = problem.format(thing=thing, month=month, digit=chance.randrange(10))
        if tone != "angry" and not said.startswith("I "):
            said = said[0].lower() + said[1:]
        hello, bye = chance.choice(TONE[tone]), chance.choice(URGENCY[urgency])
        rows.append(
            {
                "customer": f"C-{1001 + number}",
                "message": f"{hello} {said}. {bye} {sign}",
                "team": PROBLEMS[problem],
                "urgency": urgency,
                "tone": tone,
            }
        )
    if number % 6 == 0:
        first = rows[0]
        rows[-1] = first | {"message": f"{first['message']}!"}
    return rows


if __name__ == "__main__":
    main()
