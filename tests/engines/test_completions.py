"""Learning from prompts and completions, and the measures of the 2023 API."""

import math

import numpy as np
import pytest

from finetune_kit.engines.tinygpt import tokenizer, weights
from finetune_kit.engines.tinygpt.chat import encode_example
from finetune_kit.engines.tinygpt.classification import (
    Classification,
    auroc,
    average_precision,
    binary,
    multiclass,
)
from finetune_kit.engines.tinygpt.completions import (
    CompletionObjective,
    CompletionTraining,
)
from finetune_kit.engines.tinygpt.train import Settings

ROWS = [
    {"prompt": f"Film {i} ->", "completion": (" bad", " good")[i % 2]} for i in range(6)
]


def examples(weight, rows=ROWS):
    tok = tokenizer.load()
    return [encode_example(tok, row, 512, prompt_loss_weight=weight) for row in rows]


def loss(p, weight):
    return CompletionObjective(p).learn(examples(weight), p.like())["loss"]


def test_the_prompt_counts_as_much_as_its_weight_says():
    """The loss is the weighted mean of both parts, so it is known from three of it."""
    p = weights.load(None)
    completions, everything, half = (loss(p, weight) for weight in (0, 1, 0.5))
    prompt_tokens = sum(e.answer - 1 for e in examples(1))
    own_tokens = sum(len(e.tokens) - e.answer for e in examples(1))
    prompts = everything * (prompt_tokens + own_tokens) - completions * own_tokens
    prompts /= prompt_tokens
    expected = completions * own_tokens + prompts * prompt_tokens / 2
    expected /= own_tokens + prompt_tokens / 2
    assert half == pytest.approx(expected, rel=1e-4)
    assert not math.isclose(completions, everything, rel_tol=0.01)


def test_the_gradient_knows_the_prompts_weight():
    p = weights.load(None)
    gradients = []
    for weight in (0.0, 1.0):
        g = p.like()
        CompletionObjective(p).learn(examples(weight), g)
        gradients.append(g.flat)
    assert np.abs(gradients[0] - gradients[1]).max() > 1e-3


def test_accuracy_looks_at_completions_whatever_the_prompts_weight():
    p = weights.load(None)
    measured = [CompletionObjective(p).measure(examples(weight)) for weight in (0, 1)]
    for name in ("mean_token_accuracy", "sequence_accuracy"):
        assert measured[0][name] == measured[1][name]


def test_training_says_how_much_it_has_seen_and_learns_the_sequences():
    settings = Settings(n_epochs=20, batch_size=4, learning_rate=1e-3, seed=1)
    training = CompletionTraining(
        weights.load(None), examples(0.01), examples(0.01), settings, None
    )
    steps = list(training)
    assert [each["elapsed_examples"] for each in steps[:4]] == [4, 6, 10, 12]
    an_epoch = sum(len(example.tokens) for example in examples(0))
    assert [each["elapsed_tokens"] for each in steps[1::2]] == [
        an_epoch * epoch for epoch in range(1, 21)
    ]
    assert steps[-1]["full_valid_sequence_accuracy"] == 1.0


@pytest.mark.parametrize(
    ("prompt", "completion"),
    [
        ("Film ->", " good"),
        ("Film ->", "good"),
        ("Film\n\n###\n\n", " good"),
        ("", "x"),
    ],
)
def test_a_completion_is_said_as_it_was_learnt(prompt, completion):
    tok = tokenizer.load()
    row = {"prompt": prompt, "completion": completion}
    example = encode_example(tok, row, 512)
    decoder = tokenizer.Decoder(tok, prompt)
    said = "".join(decoder.feed(token) for token in example.tokens[example.answer : -1])
    assert said == completion


def test_scores_are_shares_of_the_classes():
    p, tok = weights.load(None), tokenizer.load()
    classes = Classification(
        tok, ROWS, ROWS, 512, positive_class="good", betas=[0.5, 2]
    )
    shares = classes.scores(p, "Film 9 ->")
    assert shares.sum() == pytest.approx(1)
    assert list(classes.measure(p)) == [
        "classification/accuracy",
        "classification/precision",
        "classification/recall",
        "classification/auroc",
        "classification/auprc",
        "classification/f0.5",
        "classification/f2.0",
    ]


def test_binary_measures_by_hand():
    truth = np.array([True, True, False, False, True])
    score = np.array([0.9, 0.4, 0.6, 0.1, 0.8])
    found = binary(truth, score, [1.0, 2.0])
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["f1.0"] == pytest.approx(2 / 3)
    assert found["auroc"] == pytest.approx(5 / 6)  # 0.4 below 0.6 is the one fault
    # thresholds 0.9, 0.8, 0.6, 0.4: each positive adds a third of the recall
    assert found["auprc"] == pytest.approx((1 + 1 + 3 / 4) / 3)


def test_ties_and_a_single_kind_have_no_order():
    equal = np.array([0.5, 0.5])
    assert auroc(np.array([True, False]), equal) == 0.5
    assert auroc(np.array([True, True]), equal) == 0.5
    assert average_precision(np.array([True, False]), equal) == 0.5


def test_f1_of_several_classes_is_weighted_by_their_size():
    labels = np.array([0, 0, 1, 2])
    scores = np.eye(3)[[0, 1, 1, 2]]
    found = multiclass(labels, scores)
    assert found["accuracy"] == 0.75
    f1 = [2 / 3, 2 / 3, 1.0]
    assert found["weighted_f1_score"] == pytest.approx((2 * f1[0] + f1[1] + f1[2]) / 4)
