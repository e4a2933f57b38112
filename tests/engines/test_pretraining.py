"""The pre-training corpus and loop: seeded, whole, and it learns."""

import json
import os
import random
import re
import subprocess
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from finetune_kit.engines.tinygpt.chat import message_text
from finetune_kit.engines.tinygpt.model import Config, Parameters, all_logits
from finetune_kit.engines.tinygpt.weights import TASKS, load, shipped
from pretraining.conversation import Conversation, Mint
from pretraining.corpus import MIXES, Corpus
from pretraining.people import People
from pretraining.pretrain import deepened
from pretraining.skills import Skills


@pytest.fixture(scope="module")
def corpus() -> list[Conversation]:
    """Of both base models, past the stage in which naming prevails."""
    streams = (Corpus(seed=7, mix=mix, skip=60_000) for mix in MIXES)
    return [each for stream in streams for each in islice(stream, 2000)]


def pretrain(out: Path, steps: int, *more: str) -> list[float]:
    """The losses that a short run prints."""
    command = [sys.executable, "-m", "pretraining.pretrain", "tasks", *more]
    run = subprocess.run(
        [*command, "--out", str(out), "--steps", str(steps), "--batch", "8"],
        capture_output=True, text=True, encoding="utf-8", check=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    return [float(loss) for loss in re.findall(r"loss ([\d.]+)", run.stdout)]


@pytest.mark.parametrize("mix", MIXES)
def test_the_same_seed_gives_the_same_corpus(mix: str) -> None:
    one, again, other = (list(islice(Corpus(seed, mix), 300)) for seed in (7, 7, 8))
    assert one == again != other


def test_the_shares_of_a_mix_are_whole() -> None:
    for shares in MIXES.values():
        assert sum(shares.values()) == pytest.approx(1)


def test_a_chat_ends_with_an_answer(corpus: list[Conversation]) -> None:
    for conversation in corpus:
        assert bool(conversation.messages) != bool(conversation.text)
        if conversation.messages:
            assert conversation.messages[-1]["role"] == "assistant"
            assert all(message_text(turn) for turn in conversation.messages)


def test_a_call_is_of_a_given_tool_and_copies_a_text_as_the_request_spells_it(
    corpus: list[Conversation],
) -> None:
    called = [c for c in corpus if c.messages and "tool_calls" in c.messages[-1]]
    assert len(called) > 30
    for conversation in called:
        function = conversation.messages[-1]["tool_calls"][0]["function"]
        assert function["name"] in {t["function"]["name"] for t in conversation.tools}
        (value,) = json.loads(function["arguments"]).values()
        asked = conversation.messages[-2]["content"]
        if isinstance(value, str) and value.lower() in asked.lower():
            assert value in asked


def test_what_is_extracted_stands_in_the_text_as_the_answer_spells_it() -> None:
    makers = Skills(random.Random(7), lambda: ())
    talks = [makers.extraction().messages for _ in range(1000)]
    found = [(*talk[-2:],) for talk in talks if talk[-1]["content"].startswith("{")]
    assert len(found) > 200
    for asked, answer in found:
        for value in json.loads(answer["content"]).values():
            assert value in asked["content"]


def test_a_coined_name_can_only_be_copied() -> None:
    known = ["Anna", "Hannah", "Johanna", "Nathan", "Ethan", "Joan"]
    mint = Mint(random.Random(7), known)
    names = {mint() for _ in range(200)}
    assert len(names - set(known)) > 50
    assert all(name.isalpha() and name.istitle() for name in names)
    assert all(3 <= len(name) <= 13 for name in names)


def test_any_piece_of_a_word_can_stand_in_a_name() -> None:
    words = ["catalogue", "machinery", "swift", "riddles"]
    people = People(random.Random(7), words)
    names = {people.spliced() for _ in range(500)}
    for head in ("Catal", "Ma", "Swift", "Ri"):
        assert any(name.startswith(head) for name in names)
    assert all(name.istitle() and 3 <= len(name) <= 12 for name in names)


def test_a_deeper_model_begins_as_the_one_that_it_was_made_of() -> None:
    p = Parameters.initial(Config(n_layer=2, n_head=2, n_embd=32), seed=7)
    deeper = deepened(p, replace(p.config, n_layer=5))
    tokens = np.arange(40).reshape(2, 20)
    np.testing.assert_array_equal(all_logits(deeper, tokens), all_logits(p, tokens))
    assert np.abs(deeper["1.w1"]).max() > 0  # the new block can learn


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_short_run_learns_and_writes_weights(tmp_path: Path, processes: str) -> None:
    losses = pretrain(tmp_path / "weights.npz", 200, "--processes", processes)
    assert losses[-1] < losses[0] - 1
    assert (tmp_path / "weights.npz").stat().st_size > 1_000_000


@pytest.mark.slow
def test_a_run_goes_on_from_weights_with_more_blocks(tmp_path: Path) -> None:
    start, out = shipped(TASKS), tmp_path / "weights.npz"
    n_layer = load(start).config.n_layer + 2
    losses = pretrain(out, 50, "--start", str(start), "--layers", str(n_layer))
    assert losses[-1] < 2  # a model from nothing is above 5 then
    assert load(out).config.n_layer == n_layer


@pytest.mark.slow
def test_one_process_and_one_seed_give_the_same_bits(tmp_path: Path) -> None:
    paths = tmp_path / "one.npz", tmp_path / "two.npz"
    for path in paths:
        pretrain(path, steps=10)
    one, two = (path.read_bytes() for path in paths)
    assert one == two
