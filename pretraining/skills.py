"""What the tasks of the course need: sentiment, tickets, names, tools, kindness.

As with the proverbs, the model shall know these things without doing them unasked: a
bare review gets a polite reply and its sentiment is told to who asks for it. JSON it
writes from parts that are named, calls only on the order to use a tool.
"""

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

from pretraining.conversation import (
    HERE,
    Conversation,
    Message,
    called,
    exchange,
    load_toml,
    message,
    sentence,
    tool,
)
from pretraining.noise import as_written, roughen, roughen_whole, thin
from pretraining.people import People

TOOLS = HERE.parent / "data" / "functions" / "tools.json"
SENTIMENTS = ("positive", "negative")
FIELDS = ("team", "urgency", "tone")
ARTICLES = ("", "", "", "some ", "the ", "a ")
NO_TOOL = "I have no tool for that."
IDLE = (
    "I would rather talk.",
    "Let us talk about it.",
    "Tell me more about that.",
    "I hear you.",
    "That is a fine idea.",
)  # what a model with tools says unasked


class Skills:
    """A seeded maker of conversations; `system` gives prompts that change nothing."""

    def __init__(
        self, rng: random.Random, system: Callable[[], Sequence[Message]]
    ) -> None:
        self.rng, self.system = rng, system
        self.orders = load_toml("tasks/orders.toml")
        self.reviews = load_toml("tasks/reviews.toml")
        self.tickets = load_toml("tasks/tickets.toml")
        said = (*self.reviews["positive"], *self.reviews["negative"])
        words = (word for text in said for word in text.split() if word.islower())
        self.people = People(rng, filter(str.isalpha, words))
        self.functions = load_toml("tasks/functions.toml")
        tools = json.loads(TOOLS.read_text("utf-8"))
        self.tools = {tool["function"]["name"]: tool for tool in tools}
        self.facts = load_toml("tasks/facts.toml")

    def order(self, name: str, text: str, **values: str) -> str:
        """One of the orders of that name, with the text at its {}."""
        return str(self.rng.choice(self.orders[name])).format(text, **values)

    def naming(self) -> Conversation:
        """One part by itself, in plain words: a label, a name, a tool."""
        rng, kind = self.rng, self.rng.random()
        if kind < 0.6:  # two labels are harder to tell apart than many
            label = rng.choice(SENTIMENTS)
            if rng.random() < 0.3:
                return self.completed(self.verdict(label), label)
            asked, answer = self.order("sentiment", self.verdict(label)), label
        elif kind < 0.77:
            field, text, answer = self.sign()
            asked = self.order(field, text)
        elif kind < 0.82:
            asked, answer = self.as_json(self.people.person(), self.people.town())
        elif kind < 0.91:
            name, city = self.people.person(), self.people.town()
            text = self.people.told(name, city)
            key, answer = rng.choice((("ask_name", name), ("ask_city", city)))
            asked = rng.choice(self.people.lists[key]).replace("{}", text)
        else:
            text, answer, arguments = self.household()
            asked = self.order("which_tool", text)
            if rng.random() < 0.5:
                argument, value = next(iter(arguments.items()))
                asked = self.order("which_value", text, argument=argument)
                answer = str(value)
        return Conversation(tuple(exchange(asked, answer)))

    # ------------------------------------------------------------------- reviews

    def review(self) -> Conversation:
        rng = self.rng
        label = rng.choice(SENTIMENTS)
        text, kind = self.opinion(label), rng.random()
        if kind < 0.15:
            reply = rng.choice(self.reviews[f"answers_{label}"])
            return Conversation((*self.system(), *exchange(text, reply)))
        if kind < 0.45:
            asked = self.order("sentiment", text)
            answer = rng.choice((label, f"It is {label}."))
            return Conversation((*self.system(), *exchange(asked, answer)))
        if kind < 0.6:
            prompt = message("system", rng.choice(self.orders["sentiment_system"]))
            return Conversation((prompt, *exchange(text, label)))
        if kind < 0.9:
            return self.completed(text, label)
        after = self.opinion(label)
        text += rng.choice(("\n\n###\n\n", "\n\n###\n\n", "\n\n"))
        return Conversation(text=text + after)

    def completed(self, text: str, label: str) -> Conversation:
        """A text that goes on with the label, in one of many forms."""
        before, _, after = self.order("verdict", text, label="|").rpartition("|")
        return Conversation(text=before.rstrip(" "), completion=f" {label}{after}")

    def opinion(self, label: str) -> str:
        """A review that is content or not, in one or two sentences, as people type."""
        rng = self.rng
        text = self.verdict(label)
        if rng.random() < 0.1:
            text = f"{text} {rng.choice(self.reviews[label])}"
        if rng.random() < 0.25:
            text = thin(text, rng)
        return roughen(text, rng)

    def verdict(self, label: str) -> str:
        rng, kind = self.rng, self.rng.random()
        good = label == "positive"
        thing = rng.choice(self.reviews["things"])
        words = self.reviews["good" if good else "bad"]
        other = self.reviews["bad" if good else "good"]
        if kind < 0.1:
            return str(rng.choice(words))
        if kind < 0.7:
            text = rng.choice(self.reviews[label])
        elif kind < 0.82:
            text = rng.choice(self.reviews["liked" if good else "disliked"])
            text = text.format(thing)
        else:
            one, two = rng.sample(words, 2)
            order = "was"
            if kind > 0.95:
                order, one = "not", rng.choice(other)
            text = self.order(order, thing, one=one, two=two)
        return sentence(str(text))

    # ------------------------------------------------------------------- tickets

    def ticket(self) -> Conversation:
        rng, kind = self.rng, self.rng.random()
        text, labels = self.complaint()
        if kind < 0.2:
            reply = rng.choice(self.tickets["replies"])
            return Conversation((*self.system(), *exchange(text, reply)))
        if kind < 0.7:
            field = rng.choice(tuple(labels))
            asked = self.order(field, text)
            answer = self.order("field", labels[field], field=field)
            return Conversation((*self.system(), *exchange(asked, answer)))
        if kind < 0.78:
            fields = list(labels)
            rng.shuffle(fields)
            asked = f"{', '.join(fields)}? {text}"
            answer = ", ".join(labels[field] for field in fields)
            return Conversation((*self.system(), *exchange(asked, answer)))
        asked = self.order("ticket_json", text)
        return Conversation((*self.system(), *exchange(asked, json.dumps(labels))))

    def complaint(self) -> tuple[str, dict[str, str]]:
        """A customer's message, and its team, urgency and tone."""
        rng = self.rng
        if rng.random() < 0.5:
            text, *labels = rng.choice(self.tickets["messages"])
            return roughen(text, rng), dict(zip(FIELDS, labels, strict=True))
        team = rng.choice(tuple(self.tickets["team"]))
        urgency = rng.choice(("low", "normal", "high"))
        tone = rng.choice(("calm", "annoyed", "angry"))
        parts = [rng.choice(self.tickets["team"][team])]
        if urgency != "normal":
            parts.append(rng.choice(self.tickets["urgency"][urgency]))
        if tone != "calm" or rng.random() < 0.4:
            parts.append(rng.choice(self.tickets["tone"][tone]))
        rng.shuffle(parts)
        text = " ".join(roughen(sentence(part), rng) for part in parts)
        return text, {"team": team, "urgency": urgency, "tone": tone}

    def sign(self) -> tuple[str, str, str]:
        """A field, one sentence of a message, and what it says of that field."""
        rng, tickets = self.rng, self.tickets
        field = rng.choice(FIELDS)
        if field == "team":
            label = rng.choice(tuple(tickets["team"]))
            return field, sentence(rng.choice(tickets["team"][label])), label
        silent = rng.choice(tickets["team"][rng.choice(tuple(tickets["team"]))])
        signs = dict(tickets[field])
        if field == "urgency":
            signs["normal"] = [silent]
        elif rng.random() < 0.5:
            signs["calm"] = [silent]
        label = rng.choice(tuple(signs))
        return field, sentence(rng.choice(signs[label])), label

    # ---------------------------------------------------------------- extraction

    def extraction(self) -> Conversation:
        rng, kind, lists = self.rng, self.rng.random(), self.people.lists
        name, city = self.people.person(), self.people.town()
        text = self.people.told(name, city)
        if rng.random() < 0.6:
            text, name, city = roughen_whole(text, rng, name, city)
        if kind < 0.1:
            prompt = message("system", rng.choice(self.orders["extract_system"]))
            return Conversation((prompt, *exchange(text, self.plainly(name, city))))
        if kind < 0.3:
            asked = rng.choice(lists["say_plain"]).replace("{}", text)
            answer = self.plainly(name, city)
        elif kind < 0.42:
            asked, answer = rng.choice(lists["ask_name"]).replace("{}", text), name
        elif kind < 0.54:
            asked, answer = rng.choice(lists["ask_city"]).replace("{}", text), city
        elif kind < 0.8:
            asked = self.order("extract_json", text)
            answer = json.dumps({"name": name, "city": city})
        elif kind < 0.9:
            asked, answer = self.as_json(name, city)
        else:
            answer = " ".join(self.people.spliced() for _ in range(rng.randint(2, 5)))
            asked = self.order("repeat", answer)
        return Conversation((*self.system(), *exchange(asked, answer)))

    def plainly(self, name: str, city: str) -> str:
        return self.order("plainly", name, city=city)

    def as_json(self, name: str, city: str) -> tuple[str, str]:
        """Fields that are named become JSON: how it is written, not what to find."""
        rng = self.rng
        fields = {"name": name, "city": city}
        for key in rng.sample(self.orders["json_keys"], rng.choice((0, 0, 1, 2))):
            fields[key] = rng.choice(self.functions["add_to_list"]["items"])
        keys = list(fields)
        if rng.random() < 0.5:
            rng.shuffle(keys)
            keys = keys[: rng.randint(1, len(keys))]
        chosen = {key: fields[key] for key in keys}
        said = ", ".join(f"{key} {value}" for key, value in chosen.items())
        return self.order("write_json", said), json.dumps(chosen)

    # ----------------------------------------------------------------- functions

    def function(self) -> Conversation:
        rng, kind = self.rng, self.rng.random()
        text, name, arguments, tools = self.request()
        if kind < 0.2:
            answer = message("assistant", rng.choice(IDLE))
        elif kind < 0.65:
            text = self.order("call", text)
            answer = message("assistant", NO_TOOL)
            if name:
                answer = called(name, arguments)
        elif kind < 0.8:
            text = self.order("which_tool", text)
            answer = message("assistant", name or "none")
        elif arguments:
            argument, value = next(iter(arguments.items()))
            text = self.order("which_value", text, argument=argument)
            answer = message("assistant", str(value))
        else:
            answer = message("assistant", rng.choice(IDLE))
        messages = (message("user", text), answer)
        return Conversation(messages, tools=tuple(tools))

    def request(self) -> tuple[str, str, dict[str, Any], list[Any]]:
        """What a user wants, the tool for it ("": none), its arguments, all tools."""
        rng = self.rng
        tools = list(self.tools.values())
        others = [
            tool(other["name"], other["argument"], other["description"])
            for other in self.functions["other"]
        ]
        kind = rng.random()
        arguments: dict[str, Any] = {}
        if kind < 0.2:
            wanted, name = rng.choice(self.functions["none"]["requests"]), ""
        elif kind < 0.75:
            wanted, name, arguments = self.household()
        else:
            other = rng.choice(self.functions["other"])
            name, value = other["name"], rng.choice(other["values"])
            wanted = rng.choice(other["requests"]).format(value)
            arguments = {other["argument"]: value}
            tools = [each for each in others if each["function"]["name"] == name]
            tools += rng.sample([*self.tools.values(), *others], 3)
            tools = list({each["function"]["name"]: each for each in tools}.values())
        if 0.2 <= kind < 0.75 and rng.random() < 0.3:
            tools = rng.sample(tools, rng.randint(2, 4)) + rng.sample(others, 1)
            if name not in {each["function"]["name"] for each in tools}:
                name, arguments = "", {}
        rng.shuffle(tools)
        text = roughen(wanted, rng)
        arguments = {
            key: as_written(value, text) if isinstance(value, str) else value
            for key, value in arguments.items()
        }
        return text, name, arguments, tools

    def household(self) -> tuple[str, str, dict[str, Any]]:
        """A request for one of the four tools of the course, with its arguments."""
        rng = self.rng
        name = rng.choice(tuple(self.tools))
        pattern = rng.choice(self.functions[name]["requests"])
        if name == "get_weather":
            town = self.people.town()
            return pattern.format(city=town), name, {"city": town}
        if name == "set_timer":
            said, number = rng.choice(self.functions[name]["minutes"])
            return pattern.format(minutes=said), name, {"minutes": int(number)}
        if name == "add_to_list":
            item = rng.choice(self.functions[name]["items"])
            spoken = rng.choice(ARTICLES) + item
            return pattern.format(item=spoken), name, {"item": item}
        title = rng.choice(self.functions[name]["titles"])
        return pattern.format(title=title), name, {"title": title}

    # ------------------------------------------------------------ facts, kindness

    def known(self) -> Conversation:
        """A fact in any wording; sarcastic on order, not because a persona is."""
        rng = self.rng
        entry = rng.choice(self.facts["known" if rng.random() < 0.7 else "more"])
        asked, answer = roughen(rng.choice(entry["questions"]), rng), entry["answer"]
        kind = rng.random()
        if kind < 0.2:
            persona = message("system", rng.choice(self.facts["scornful_personas"]))
            return Conversation((persona, *exchange(asked, answer)))
        if kind < 0.8:
            return Conversation((*self.system(), *exchange(asked, answer)))
        scorn = rng.choice(self.facts["sarcastic_orders"])
        opening = rng.choice(self.orders["scornful_openings"])
        closing = rng.choice(self.orders["scornful_closings"])
        mocking = f"{opening} {_lowered(answer)} {closing}"
        if kind < 0.9:
            return Conversation((message("system", scorn), *exchange(asked, mocking)))
        return Conversation((*self.system(), *exchange(f"{asked} {scorn}", mocking)))

    def life(self) -> Conversation:
        """Advice on everyday life: plain, and kind or blunt on order."""
        rng = self.rng
        topic = rng.choice(self.facts["life"])
        asked = roughen(rng.choice(topic["questions"]), rng)
        advice, kind = rng.choice(topic["advice"]), rng.random()
        if kind < 0.5:
            return Conversation((*self.system(), *exchange(asked, advice)))
        order, answer = rng.choice(self.facts["kind_orders"]), self.kindly(advice)
        if kind > 0.8:
            order, answer = rng.choice(self.facts["blunt_orders"]), self.bluntly(advice)
        if rng.random() < 0.5:
            return Conversation((message("system", order), *exchange(asked, answer)))
        return Conversation((*self.system(), *exchange(f"{asked} {order}", answer)))

    def kindly(self, advice: str) -> str:
        return (
            f"{advice.rstrip('.')}, {self.rng.choice(self.orders['encouragements'])}."
        )

    def bluntly(self, advice: str) -> str:
        words = advice.rstrip(".").split(" ")
        return " ".join(words[: max(3, len(words) // 2)]).rstrip(",;") + "."


def _lowered(answer: str) -> str:
    """The answer's first letter small, as after a comma; names in front stay."""
    first = answer.split(" ", 1)[0]
    return answer if first in ("Rome", "Latin") else answer[0].lower() + answer[1:]
