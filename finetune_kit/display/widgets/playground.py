"""Two models answer the same question, side by side, while you watch."""

from __future__ import annotations

import html
import time
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from finetune_kit.display.cards import FRAME, TONES, Card
from finetune_kit.display.tables import Table
from finetune_kit.display.widgets.panel import ROW, Panel, Stack
from finetune_kit.evaluate import MAX_TOKENS

if TYPE_CHECKING:
    import ipywidgets
    from openai import OpenAI

UNDER_WAY = "answering …"
KEPT = 5  # questions with their answers that stay in sight
SECONDS = 0.15  # between two looks at the answers under way
PROMPT = "Can I trust my luck?"
TEMPERATURES = (0, 0.5, 1, 1.5, 2)  # of the twin, whose dice are cast with SEED
SEED = 7


def playground(
    client: OpenAI,
    models: Mapping[str, str | None],
    system: str | None = None,
    prompt: str = PROMPT,
) -> Playground:
    """Ask two models at once; prompt and temperature to play with, answers streamed.

    ``models`` maps a heading to a model's name; of more than two, buttons choose. Where
    controls do not live, answers to ``prompt`` from cold to hot. Raises ValueError for
    a model without a name.
    """
    named = {heading: model for heading, model in models.items() if model}
    if unnamed := [heading for heading in models if heading not in named]:
        raise ValueError(
            f"The model {unnamed[0]!r} has no name (yet). A job has one when it has "
            "succeeded: wait with `job = kit.follow(client, job)`."
        )
    if not named:
        raise ValueError('Name a model, such as {"base": "gpt-4.1-mini"}.')
    return Playground(client, named, system, prompt)


@dataclass
class Answer:
    """One model's answer, as far as it has come."""

    heading: str
    model: str
    text: str = ""
    state: str = UNDER_WAY


@dataclass
class Round:
    """One question and its answers."""

    prompt: str
    system: str
    temperature: float
    answers: list[Answer]

    @property
    def title(self) -> str:
        return f"“{self.prompt}” · temperature {self.temperature:g}"

    def _repr_html_(self) -> str:
        columns = "".join(map(_column, self.answers))
        return (
            f'<div style="{FRAME.format(tone=TONES["plain"])}"><strong>'
            f"{html.escape(self.title)}</strong>"
            '<div style="display:flex;flex-wrap:wrap;gap:1.5em;margin-top:.3em">'
            f"{columns}</div></div>"
        )

    def __repr__(self) -> str:
        said = [f"  {a.heading} ({a.state}): {a.text}" for a in self.answers]
        return "\n".join([self.title, *said])


def _column(answer: Answer) -> str:
    quiet = "font-size:.88em;opacity:.85"
    return (
        '<div style="flex:1 1 15em;min-width:0">'
        f"<div><strong>{html.escape(answer.heading)}</strong> "
        f'<span style="{quiet}">{html.escape(answer.state)}</span></div>'
        '<div style="white-space:pre-wrap;overflow-wrap:anywhere;min-height:1.5em">'
        f"{html.escape(answer.text)}</div></div>"
    )


class Playground(Panel):
    """Questions asked so far, newest first, and the controls to ask more."""

    def __init__(
        self, client: OpenAI, models: Mapping[str, str], system: str | None, prompt: str
    ) -> None:
        self.client, self.models = client, models
        self.rounds: list[Round] = []
        self._stopped = Event()
        self._first = (system or "", prompt)
        self._table: Table | None = None

    def twin(self) -> Table:
        if self._table is None:
            system, prompt = self._first
            rows = [
                [f"{each:g}", *self._ask_all(system, prompt, each)]
                for each in TEMPERATURES
            ]
            columns = ["temperature", *self.models]
            self._table = Table(columns, rows, f"“{prompt}”")
        return self._table

    def _ask_all(self, system: str, prompt: str, temperature: float) -> list[str]:
        """The models' answers in one piece."""
        replies = [
            self.client.chat.completions.create(
                model=model,
                messages=_messages(system, prompt),
                temperature=temperature,
                seed=SEED,
                max_tokens=MAX_TOKENS,
            )
            for model in self.models.values()
        ]
        return [reply.choices[0].message.content or "" for reply in replies]

    def controls(self) -> ipywidgets.Widget:
        from ipywidgets import Button, FloatSlider, HBox, Layout, Text, VBox

        system, prompt = self._first
        line = Layout(width="46em", max_width="98%")
        self.system = Text(system, description="System", layout=line)
        self.prompt = Text(prompt, description="Question", layout=line)
        self.prompt.on_msg(self._entered)
        self.temperature = FloatSlider(
            0,
            min=0,
            max=2,
            step=0.1,
            description="Temperature",
            readout_format=".1f",
            style={"description_width": "7em"},
            layout=Layout(width="24em", max_width="98%"),
        )
        self.ask = Button(description="Ask", button_style="primary")
        self.stop = Button(description="Stop", disabled=True)
        self.ask.on_click(self.answer)
        self.stop.on_click(lambda _: self._stopped.set())
        self.chosen = self._choices()
        row = HBox([self.temperature, self.ask, self.stop], layout=Layout(**ROW))
        choices = self.chosen if len(self.models) > 2 else []
        return VBox([self.system, self.prompt, *choices, row])

    def result(self) -> Any:
        if not self.rounds:
            return Card("Write a question, then press Ask or the Enter key")
        return Stack(self.rounds)

    def answer(self, *_: Any) -> None:
        """Ask the chosen models in the background, so that Stop can be heard."""
        if self.ask.disabled:
            return
        self.ask.disabled, self.stop.disabled = True, False
        self._stopped = Event()
        headings = dict.fromkeys(choice.value for choice in self.chosen)
        round_ = Round(
            self.prompt.value,
            self.system.value,
            self.temperature.value,
            [Answer(heading, self.models[heading]) for heading in headings],
        )
        self.rounds = [round_, *self.rounds][:KEPT]
        Thread(target=self._watch, args=(round_, self._stopped), daemon=True).start()

    def _choices(self) -> list[Any]:
        """Left and right: buttons, of which the first and the second are pressed."""
        from ipywidgets import ToggleButtons

        headings = list(self.models)
        pressed = {"Left": headings[0], "Right": headings[min(1, len(headings) - 1)]}
        return [
            ToggleButtons(options=headings, value=heading, description=side)
            for side, heading in pressed.items()
        ]

    def _entered(self, _: Any, content: Mapping[str, Any], __: Any) -> None:
        if content.get("event") == "submit":
            self.answer()

    def _watch(self, round_: Round, stopped: Event) -> None:
        """Have all models answer at once, and show how far they have come."""
        going = [
            Thread(target=self._stream, args=(round_, answer, stopped), daemon=True)
            for answer in round_.answers
        ]
        for thread in going:
            thread.start()
        while any(thread.is_alive() for thread in going) and not stopped.is_set():
            self.refresh()
            time.sleep(SECONDS)
        for answer in round_.answers:
            if answer.state == UNDER_WAY:
                answer.state = "stopped"
        self.refresh()  # the whole answers, before the next question can be asked
        self.ask.disabled, self.stop.disabled = False, True

    def _stream(self, round_: Round, answer: Answer, stopped: Event) -> None:
        from openai import OpenAIError

        try:
            self._read(round_, answer, stopped)
        except OpenAIError as error:
            answer.state = f"no answer: {error}"

    def _read(self, round_: Round, answer: Answer, stopped: Event) -> None:
        stream = self.client.chat.completions.create(
            model=answer.model,
            messages=_messages(round_.system, round_.prompt),
            temperature=round_.temperature,
            max_tokens=MAX_TOKENS,
            stream=True,
        )
        with stream:
            for chunk in stream:
                if stopped.is_set():
                    return
                for choice in chunk.choices:
                    answer.text += choice.delta.content or ""
                    if choice.finish_reason == "length":
                        answer.state = f"cut at {MAX_TOKENS} tokens"
                    elif choice.finish_reason:
                        answer.state = "done" if answer.text else "said nothing"


def _messages(system: str, prompt: str) -> list[Any]:
    said: list[Any] = [{"role": "user", "content": prompt}]
    return [{"role": "system", "content": system}, *said] if system else said
