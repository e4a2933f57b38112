"""DPO: its gradient against finite differences, and that it learns the preference."""

import numpy as np
import pytest

from finetune_kit.engines.tinygpt.chat import encode_prompt
from finetune_kit.engines.tinygpt.dpo import Pair, PreferenceObjective, encode_pair
from finetune_kit.engines.tinygpt.model import Config, Parameters, all_logits
from finetune_kit.engines.tinygpt.tokenizer import load
from finetune_kit.engines.tinygpt.train import Settings, Training

SMALL = Config(n_layer=2, n_head=2, n_embd=32, context=64)


def row(number: int) -> dict:
    question = {"role": "user", "content": f"What comes after {number}?"}
    return {
        "input": {"messages": [question]},
        "preferred_output": [{"role": "assistant", "content": "It is a number."}],
        "non_preferred_output": [{"role": "assistant", "content": "I do not know!"}],
    }


def pairs(count: int = 8) -> list[Pair]:
    return [encode_pair(load(), row(i), SMALL.context) for i in range(count)]


def in_double_precision(seed: int) -> Parameters:
    p = Parameters.initial(SMALL, seed)
    return Parameters(SMALL, (p.flat * 3).astype(np.float64))


def moved(p: Parameters) -> None:
    """Away from the reference, where the margin is not zero any more."""
    p.flat += np.random.default_rng(9).normal(0, 0.01, p.flat.shape)


@pytest.mark.parametrize("name", list(Parameters(SMALL).views))
def test_the_gradient_of_dpo_equals_finite_differences(name: str) -> None:
    p = in_double_precision(seed=1)
    objective = PreferenceObjective(p, beta=0.3)
    objective.of_pair = Parameters(SMALL, np.zeros_like(p.flat))
    some = objective.referred(pairs(2))
    moved(p)
    g = Parameters(SMALL, np.zeros_like(p.flat))
    objective.learn(some, g)
    view = p[name].reshape(-1)
    largest = np.argsort(np.abs(g[name].reshape(-1)))[-2:]
    for i in largest:
        kept, h = view[i], 1e-6
        view[i] = kept + h
        above = objective.measure(some)["loss"]
        view[i] = kept - h
        below = objective.measure(some)["loss"]
        view[i] = kept
        expected = (above - below) / (2 * h)
        assert g[name].reshape(-1)[i] == pytest.approx(expected, rel=1e-3, abs=1e-6)


def log_probability(p: Parameters, number: int, answer: list[dict]) -> float:
    """Of an answer's tokens, the plain way."""
    prompt = encode_prompt(load(), row(number)["input"]["messages"])
    whole = encode_prompt(load(), row(number)["input"]["messages"] + answer)[:-1]
    logits = all_logits(p, np.array([whole]))[0].astype(np.float64)
    logits -= np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    places = range(len(prompt), len(whole))
    return float(sum(logits[at - 1, whole[at]] for at in places))


def test_loss_and_margin_follow_the_formula_of_the_paper() -> None:
    p = Parameters.initial(SMALL, seed=2)

    def ratio() -> float:
        chosen, rejected = row(5)["preferred_output"], row(5)["non_preferred_output"]
        return log_probability(p, 5, chosen) - log_probability(p, 5, rejected)

    objective = PreferenceObjective(p, beta=0.5)
    some = objective.referred(pairs()[5:6])
    before = objective.measure(some)
    assert before["loss"] == pytest.approx(np.log(2))
    assert before["reward_margin"] == 0
    reference = ratio()
    p.flat *= np.float32(1.3)
    margin = 0.5 * (ratio() - reference)
    after = objective.measure(some)
    assert after["reward_margin"] == pytest.approx(margin, abs=1e-4)
    assert after["loss"] == pytest.approx(-np.log(1 / (1 + np.exp(-margin))), abs=1e-4)


def training(n_epochs: int = 4) -> Training:
    p = Parameters.initial(SMALL, seed=3)
    objective = PreferenceObjective(p, beta=0.1)
    examples, validation = map(objective.referred, (pairs(8), pairs(12)[8:]))
    settings = Settings(n_epochs, batch_size=2, learning_rate=3e-3, seed=1)
    return Training(p, examples, validation, settings, objective)


def test_the_preferred_answer_wins_also_on_pairs_that_were_held_out() -> None:
    metrics = list(training())
    assert metrics[0]["train_loss"] == pytest.approx(np.log(2), abs=1e-5)
    last = metrics[-1]
    assert last["train_loss"] < 0.2
    assert last["full_valid_loss"] < 0.2
    assert last["full_valid_reward_accuracy"] == 1.0
    assert last["full_valid_reward_margin"] > 1


def test_a_saved_and_continued_run_of_dpo_equals_an_uninterrupted_one(tmp_path) -> None:
    whole = training()
    expected = list(whole)
    first = training()
    before = [first.step() for _ in range(5)]
    first.save_state(tmp_path)
    second = training()
    second.load_state(tmp_path)
    assert before + list(second) == expected
    assert second.p.flat.tobytes() == whole.p.flat.tobytes()
