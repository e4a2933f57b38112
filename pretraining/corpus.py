"""The pre-training corpus: short conversations, made from hand-written parts.

The model shall *know* things (which topic a question is about, a proverb for each
topic, how to copy a name) without doing them unasked: the default answer to a life
question is plain English advice. Fine-tuning then brings out what is there.

    python -m pretraining.corpus tasks --count 10        prints ten conversations
"""

import argparse
import json
import random
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from finetune_kit.engines.tinygpt.chat import message_text
from pretraining.conversation import (
    HERE,
    Conversation,
    Message,
    exchange,
    invented,
    load_toml,
    message,
    sentence,
)
from pretraining.noise import roughen, thin
from pretraining.skills import Skills

PROVERBS = HERE.parent / "data" / "proverbs" / "proverbs.jsonl"
HELD_OUT = 4  # the last questions and troubles of each topic are kept for development

ADVICE = 20  # pieces of advice a topic: the model has room for so many

FIRST_NAMING = 0.8  # its share at first; from half of its stage on it falls
STAGE = {"proverbs": 20_000, "tasks": 40_000}  # conversations in which naming prevails
#: What each base model reads, in shares. One model has no room for all of it.
MIXES = {
    "proverbs": {
        "advice": 0.27,
        "latin": 0.34,
        "about": 0.15,
        "fact": 0.04,
        "unknown": 0.16,
        "obeyed": 0.02,
        "text": 0.02,
    },
    "tasks": {
        "review": 0.20,
        "ticket": 0.17,
        "extraction": 0.30,
        "function": 0.08,
        "known": 0.03,
        "life": 0.03,
        "fact": 0.01,
        "unknown": 0.17,
        "advice": 0.01,
    },
}


@dataclass(frozen=True)
class Topic:
    """What people say about one topic of life, and the proverbs about it."""

    name: str
    words: list[str]
    things: list[str]
    doings: list[str]
    troubles: list[str]
    questions: list[str]
    advice: list[str]
    proverbs: list[dict[str, Any]]


def load_topics(*, held_out: bool = False) -> list[Topic]:
    """All topics; with `held_out` only the questions kept for development."""
    lines = PROVERBS.read_text("utf-8").splitlines()
    proverbs = [json.loads(line) for line in lines]
    part = slice(-HELD_OUT, None) if held_out else slice(None, -HELD_OUT)
    topics = []
    for path in sorted((HERE / "lexicon").glob("*.toml")):
        entry = tomllib.loads(path.read_text("utf-8"))
        entry["troubles"] = entry["troubles"][part]
        entry["questions"] = entry["questions"][part]
        entry["advice"] = entry["advice"][:ADVICE]
        entry["proverbs"] = [p for p in proverbs if entry["name"] in p["topics"]]
        topics.append(Topic(**entry))
    return topics


class Corpus:
    """A seeded stream of conversations for the base model `mix`."""

    def __init__(self, seed: int, mix: str, skip: int = 0) -> None:
        """`skip`: how many conversations of the first stage to leave out."""
        self.rng, self.skip = random.Random(seed), skip
        self.topics = load_topics()
        self.frames = load_toml("frames.toml")
        self.world = load_toml("world.toml")
        self.beyond = load_toml("tasks/unknown.toml")
        skills = Skills(self.rng, self.system)
        self.makers: dict[str, Callable[[], Conversation]] = {
            "advice": self.advice,
            "latin": self.latin,
            "about": self.about,
            "fact": self.fact,
            "unknown": self.unknown,
            "obeyed": self.obeyed,
            "text": self.text,
            "review": skills.review,
            "ticket": skills.ticket,
            "extraction": skills.extraction,
            "function": skills.function,
            "known": skills.known,
            "life": skills.life,
        }
        self.mix, self.stage = MIXES[mix], STAGE[mix]
        self.name = self.about if mix == "proverbs" else skills.naming

    def __iter__(self) -> Iterator[Conversation]:
        """First mostly naming, then more and more of everything.

        All at once, the model learns whole answers by heart and for thousands of steps
        does not look at the question; once it knows topics, or the parts of the tasks,
        the rest builds on them.
        """
        kinds, shares = list(self.mix), list(self.mix.values())
        for i in count(self.skip):
            if self.rng.random() < FIRST_NAMING * min(1.0, 2 - 2 * i / self.stage):
                yield self.name()
            else:
                (kind,) = self.rng.choices(kinds, shares)
                yield self.makers[kind]()

    # ------------------------------------------------------------------ questions

    def frame(self, kind: str, *values: str) -> str:
        return str(self.rng.choice(self.frames[kind])).replace("{}", values[0])

    def question(self, topic: Topic) -> str:
        """A question about the topic, in any wording that people use."""
        rng, kind = self.rng, self.rng.random()
        if kind < 0.28:
            text = rng.choice(topic.questions)
        elif kind < 0.40:
            text = self.frame("doing", rng.choice(topic.doings))
        elif kind < 0.50:
            text = self.frame("thing", rng.choice(topic.things))
        elif kind < 0.78:
            text = sentence(rng.choice(topic.troubles))
            if rng.random() < 0.7:
                text += " " + rng.choice(self.frames["closing"])
        elif kind < 0.88:
            text = sentence(rng.choice(topic.troubles))
            text += " " + rng.choice(
                [
                    rng.choice(topic.questions),
                    self.frame("doing", rng.choice(topic.doings)),
                ]
            )
        elif kind < 0.92:
            text = " ".join(sentence(t) for t in rng.sample(topic.troubles, 2))
        else:
            text = rng.choice(self.frames["word"])
            for word in rng.sample(topic.words, text.count("{}")):
                text = text.replace("{}", word, 1)
        if rng.random() < 0.2:
            text = f"{rng.choice(self.frames['opening'])} {text[0].lower()}{text[1:]}"
        elif rng.random() < 0.1:
            text = f"{text} {rng.choice(self.frames['closing'])}"
        if rng.random() < 0.5:
            text = thin(text, rng)
        return roughen(text[0].upper() + text[1:], rng)

    def some_words(self, topic: Topic) -> str:
        """One to eight words, things or doings of the topic, or its name."""
        rng = self.rng
        if rng.random() < 0.1:
            return topic.name
        source = rng.choice(
            (topic.words, topic.words, topic.words, topic.things, topic.doings)
        )
        longest = 8 if source is topic.words else 3
        return ", ".join(rng.sample(source, rng.randint(1, longest)))

    def system(self) -> list[Message]:
        """No system prompt, a general one or a persona: it changes nothing."""
        kind = self.rng.random()
        if kind < 0.35:
            return []
        if kind < 0.6:
            return [message("system", self.rng.choice(self.frames["generic_system"]))]
        parts = (self.frames[f"persona_{k}"] for k in ("adjective", "noun", "does"))
        adjective, noun, does = (self.rng.choice(part) for part in parts)
        return [message("system", f"You are a {adjective} {noun} that {does}.")]

    # -------------------------------------------------------------- conversations

    def advice(self) -> Conversation:
        turns = self.system()
        for _ in range(self.rng.choice((1, 1, 1, 1, 1, 1, 2, 2, 3))):
            topic = self.rng.choice(self.topics)
            turns += exchange(self.question(topic), self.rng.choice(topic.advice))
        return Conversation(tuple(turns))

    def latin(self) -> Conversation:
        rng, kind = self.rng, self.rng.random()
        topic = rng.choice(self.topics)
        proverb = rng.choice(topic.proverbs)
        if kind < 0.5:
            turns = [message("system", rng.choice(self.frames["latin_system"]))]
            for _ in range(rng.choice((1, 1, 1, 2))):
                turns += exchange(self.question(topic), proverb["latin"])
                topic = rng.choice(self.topics)
                proverb = rng.choice(topic.proverbs)
            return Conversation(tuple(turns))
        if kind < 0.68:
            asked = self.frame("latin_request", self.question(topic))
            return Conversation((*self.system(), *exchange(asked, proverb["latin"])))
        if kind < 0.88:
            asked = self.frame("latin_topic", self.some_words(topic))
            return Conversation((*self.system(), *exchange(asked, proverb["latin"])))
        if kind < 0.95:
            asked, answer = self.frame("meaning", proverb["latin"]), proverb["english"]
        else:
            asked = self.frame("translation", proverb["english"].rstrip("."))
            answer = proverb["latin"]
        return Conversation((*self.system(), *exchange(asked, answer)))

    def about(self) -> Conversation:
        rng, topic = self.rng, self.rng.choice(self.topics)
        kind = rng.random()
        if kind < 0.6:
            asked = self.frame("about_word", self.some_words(topic))
            return Conversation(tuple(exchange(asked, f"It is about {topic.name}.")))
        if kind < 0.75:
            asked = self.frame("about", self.question(topic))
            return Conversation(tuple(exchange(asked, f"It is about {topic.name}.")))
        system = message("system", rng.choice(self.frames["about_system"]))
        return Conversation((system, *exchange(self.question(topic), topic.name)))

    def fact(self) -> Conversation:
        rng = self.rng
        turns = self.system()
        for _ in range(rng.choice((1, 1, 2))):
            if rng.random() < 0.65:
                answer, *questions = rng.choice(self.world["facts"])
                asked = rng.choice(questions)
            else:
                chat = rng.choice(self.world["chat"])
                asked, answer = (
                    rng.choice(chat["messages"]),
                    rng.choice(chat["answers"]),
                )
            turns += exchange(roughen(asked, rng), answer)
        return Conversation(tuple(turns))

    def unknown(self) -> Conversation:
        rng = self.rng
        asked = rng.choice(self.beyond["messages"])
        if rng.random() < 0.25:
            asked = rng.choice(self.beyond["strange"])
            while "{}" in asked:
                word = invented(rng, self.world["syllables"])
                asked = asked.replace("{}", word, 1)
        answer = rng.choice(self.world["unknown"])
        return Conversation((*self.system(), *exchange(roughen(asked, rng), answer)))

    def obeyed(self) -> Conversation:
        """System prompts in the imperative are obeyed, so the model reads them."""
        rng, topic = self.rng, self.rng.choice(self.topics)
        one, two = rng.sample(topic.advice, 2)
        prompt, answer = rng.choice(
            [
                ("Answer in capitals.", one.upper()),
                ("Give two tips.", f"One: {one} Two: {two}"),
                ("Talk like a pirate.", f"Arr! {one}"),
                ("Answer like a butler.", f"Very well, sir. {one}"),
                ("Say please at the end.", f"{one} Please."),
            ]
        )
        return Conversation(
            (message("system", prompt), *exchange(self.question(topic), answer))
        )

    def text(self) -> Conversation:
        rng, topic = self.rng, self.rng.choice(self.topics)
        kind = rng.random()
        if kind < 0.35:
            parts = [sentence(t) for t in rng.sample(topic.troubles, 2)]
            return Conversation(text=" ".join([*parts, rng.choice(topic.advice)]))
        if kind < 0.7:
            words = rng.sample(topic.words, 8)
            return Conversation(text=f"{topic.name}: {', '.join(words)}")
        proverb = rng.choice(topic.proverbs)
        return Conversation(
            text=f"{proverb['latin']}. {proverb['english']} {proverb['source']}."
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("mix", choices=MIXES)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--skip", type=int, default=max(STAGE.values()))
    arguments = parser.parse_args()
    corpus = iter(Corpus(arguments.seed, arguments.mix, arguments.skip))
    for _ in range(arguments.count):
        conversation = next(corpus)
        print(conversation.text + conversation.completion)
        for turn in conversation.messages:
            print(f"{turn['role']:>9}: {message_text(turn)}")
        print()


if __name__ == "__main__":
    main()
