"""The example browser: one example at a time, token by token."""

import re

import pytest

from finetune_kit import example_browser, read_jsonl, sizes
from tests.learner import PROVERBS, ROOT, chat_file

TRAIN = PROVERBS / "train.jsonl"


@pytest.fixture
def browser():
    browser = example_browser(TRAIN)
    browser.controls()
    return browser


def tokens(html):
    """(style, text) of every token shown."""
    return re.findall(r'<span style="([^"]*)">([^<]*)</span>', html)


def test_next_and_previous_go_through_the_file_and_stop_at_its_ends(browser):
    browser.move(-1)
    assert "line 1 " in repr(browser.result())
    browser.move(1)
    browser.move(1)
    assert "Example 3 of 100 · line 3" in repr(browser.result())
    browser.line.value = 1000
    browser.move(1)
    assert "Example 100 of 100" in repr(browser.result())


def test_a_filter_leaves_the_examples_that_say_it_in_whatever_case(browser):
    browser.filter.value = "LUCK"
    shown = repr(browser.result())
    found = int(re.search(r"Example 1 of (\d+)", shown).group(1))
    text = TRAIN.read_text(encoding="utf-8").splitlines()
    assert found == sum("luck" in line.casefold() for line in text)
    browser.filter.value = "no such words"
    assert "No example says" in repr(browser.result())


def test_learnt_tokens_are_underlined_hatched_and_named(browser):
    html = browser.result()._repr_html_()
    learnt = [text for style, text in tokens(html) if "repeating-linear" in style]
    assert "".join(learnt) == "Dulce bellum inexpertis"
    assert "assistant · learnt" in html
    assert not re.search(r"<(style|script|svg)|class=", html)


def test_all_of_an_example_is_shown_with_the_tokens_that_are_billed(browser):
    shown = browser.result()
    assert f"{sizes(TRAIN).tokens[0]} tokens" in repr(shown)
    text = "".join(text for _, text in tokens(shown._repr_html_()))
    assert text.startswith("You are a smart assistant that replies with Latin")
    assert text.endswith("Dulce bellum inexpertis")


def test_the_twin_is_the_first_examples():
    twin = repr(example_browser(TRAIN, n=2))
    assert "100 examples, the first 2 here" in twin
    assert "Line 2 ·" in twin
    assert "Line 3 ·" not in twin


def test_an_answer_of_weight_zero_is_not_learnt_and_tokens_keep_whole_letters(tmp_path):
    path = tmp_path / "weights.jsonl"
    answers = '{"role":"assistant","content":"one","weight":0},' + (
        '{"role":"assistant","content":"two 🦔🪿 <b>"}'
    )
    path.write_text(f'{{"messages":[{answers}]}}\n', encoding="utf-8")
    twin = example_browser(path).twin()
    html = twin._repr_html_()
    learnt = [text for style, text in tokens(html) if "repeating-linear" in style]
    assert "".join(learnt) == "two 🦔🪿 &lt;b&gt;"


@pytest.mark.parametrize("name", ["preferences", "functions", "reviews", "tone"])
def test_every_format_has_learnt_passages(name):
    assert "· learnt ·" in repr(example_browser(ROOT / "data" / name / "train.jsonl"))


def test_a_line_that_holds_no_example_is_said_to_be_one(tmp_path):
    path = chat_file(tmp_path / "broken.jsonl", 1)
    path.write_text("{oops\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    browser = example_browser(path)
    assert "Line 1 holds no example" in repr(browser.result())
    browser.move(1)
    assert "line 2 ·" in repr(browser.result())


def test_rows_in_memory_are_looked_through_as_a_file_is():
    rows = read_jsonl(TRAIN, 5)
    for source in (rows, iter(rows)):
        assert "rows: 5 examples, the first 2 here" in repr(example_browser(source, 2))


def test_no_examples_and_an_unknown_model_are_told(tmp_path):
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    with pytest.raises(ValueError, match="no example in empty"):
        example_browser(empty)
    with pytest.raises(ValueError, match="No model"):
        example_browser(TRAIN, model="gpt-99")


def test_rows_in_no_format_of_training_are_shown_and_said_to_be_so():
    shown = repr(example_browser(ROOT / "data" / "tickets" / "train.jsonl"))
    assert "Line 1 · not in a training format" in shown
    assert "· learnt ·" not in shown
