from typing import Any

import pytest
from openai.types.chat import ChatCompletionMessage

from finetune_kit.evaluate import Scores, score
from finetune_kit.graders import (
    extraction_graders,
    is_encouraging,
    limits_graders,
    preference_graders,
    review_graders,
    ticket_graders,
    tone_graders,
    tool_graders,
)

TICKET = {"message": "…", "team": "billing", "urgency": "high", "tone": "calm"}
RIGHT_TICKET = '{"team": "billing", "urgency": "high", "tone": "calm"}'
PERSON = {"sentence": "Ada moved to Turin.", "name": "Ada", "city": "Turin"}
TIMER = {"request": "…", "tool": "set_timer", "arguments": {"minutes": 10}}
ITEM = {"request": "…", "tool": "add_to_list", "arguments": {"item": "Green apples"}}
NO_TOOL = {"request": "…", "tool": None, "arguments": None}
WEEK = {"question": "…", "fact": "seven"}


def message(*calls: tuple[str, str]) -> ChatCompletionMessage:
    """What the SDK hands over: calls of (name, arguments), or a text."""
    made: list[dict[str, Any]] = [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }
        for number, (name, arguments) in enumerate(calls)
    ]
    return ChatCompletionMessage.model_validate(
        {
            "role": "assistant",
            "content": None if made else "I have no tool for that.",
            "tool_calls": made or None,
        }
    )


def grades(graders, answer, row) -> dict[str, bool]:
    return {name: grade(answer, row) for name, grade in graders.items()}


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("positive", True),
        (" positive\n", True),
        ("negative", False),
        ("Positive", False),
        ("positive positive", False),
        ("It is positive.", False),
        ("", False),
    ],
)
def test_a_label_counts_when_it_stands_alone(answer, right):
    assert grades(review_graders(), answer, {"sentiment": "positive"}) == {
        "exact label": right
    }


@pytest.mark.parametrize(
    "answer",
    [RIGHT_TICKET, '\n{"tone":"calm",  "team":"billing","urgency":"high"} '],
)
def test_a_right_ticket_may_order_and_space_its_json_freely(answer):
    assert all(grades(ticket_graders(), answer, TICKET).values())


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "billing, high, calm",
        "{'team': 'billing', 'urgency': 'high', 'tone': 'calm'}",
        RIGHT_TICKET + RIGHT_TICKET,
        "Here it is: " + RIGHT_TICKET,
        RIGHT_TICKET[:-1],
        '["billing", "high", "calm"]',
        '{"team": NaN}',
        "[" * 100_000,
    ],
)
def test_what_is_no_single_json_object_is_wrong_in_everything(answer):
    assert not any(grades(ticket_graders(), answer, TICKET).values())


def test_one_wrong_field_leaves_the_others_right():
    answer = '{"team": "billing", "urgency": "low", "tone": "calm"}'
    assert grades(ticket_graders(), answer, TICKET) == {
        "valid JSON": True,
        "all fields": False,
        "team": True,
        "urgency": False,
        "tone": True,
    }


def test_a_missing_or_further_key_spoils_all_fields_only():
    missing = grades(ticket_graders(), '{"team": "billing"}', TICKET)
    further = grades(ticket_graders(), RIGHT_TICKET[:-1] + ', "vip": true}', TICKET)
    assert missing["valid JSON"]
    assert (missing["team"], missing["tone"], missing["all fields"]) == (
        True,
        False,
        False,
    )
    assert (further["team"], further["tone"], further["all fields"]) == (
        True,
        True,
        False,
    )


def test_names_and_cities_are_copied_letter_by_letter():
    right = grades(extraction_graders(), '{"name": "Ada", "city": "Turin"}', PERSON)
    small = grades(extraction_graders(), '{"name": "ada", "city": "Turin"}', PERSON)
    assert all(right.values())
    assert small == {
        "valid JSON": True,
        "all fields": False,
        "name": False,
        "city": True,
    }


def test_a_call_as_the_sdk_gives_it_is_graded():
    found = grades(tool_graders(), message(("set_timer", '{"minutes": 10}')), TIMER)
    assert found == {"right tool": True, "right arguments": True}


def test_a_call_as_a_dict_is_graded():
    call = {"function": {"name": "set_timer", "arguments": '{"minutes": 10}'}}
    answer = {"role": "assistant", "tool_calls": [call]}
    assert all(grades(tool_graders(), answer, TIMER).values())


@pytest.mark.parametrize(
    "arguments",
    [
        '{"minutes": 15}',
        '{"minutes": "10"}',
        '{"minutes": 10.0}',
        '{"minutes": true}',
        '{"minute": 10}',
        '{"minutes": 10, "sound": "bell"}',
        "{}",
        '{"minutes": 10',
        "10",
    ],
)
def test_wrong_arguments_leave_the_tool_right(arguments):
    found = grades(tool_graders(), message(("set_timer", arguments)), TIMER)
    assert found == {"right tool": True, "right arguments": False}


def test_one_is_not_true():
    row = {"tool": "set_timer", "arguments": {"minutes": 1}}
    answer = message(("set_timer", '{"minutes": true}'))
    assert not tool_graders()["right arguments"](answer, row)


@pytest.mark.parametrize("item", ["green apples", "Green apples.", " GREEN  apples"])
def test_case_blanks_and_a_final_stop_of_an_argument_are_free(item):
    answer = message(("add_to_list", f'{{"item": "{item}"}}'))
    assert all(grades(tool_graders(), answer, ITEM).values())


@pytest.mark.parametrize(
    "calls",
    [
        [],
        [("play_music", '{"minutes": 10}')],
        [("set_timer", '{"minutes": 10}')] * 2,
    ],
)
def test_no_call_another_call_and_two_calls_are_wrong(calls):
    assert not any(grades(tool_graders(), message(*calls), TIMER).values())


def test_where_no_tool_fits_only_an_answer_without_a_call_is_right():
    assert all(grades(tool_graders(), message(), NO_TOOL).values())
    called = message(("play_music", '{"title": "Moon River"}'))
    assert not any(grades(tool_graders(), called, NO_TOOL).values())


@pytest.mark.parametrize(
    "answer",
    [
        "Oh, a week has seven days. Shocking.",
        "wow, a week has  seven days! Who knew?",
        "Gosh, SEVEN days, my friend. Try to stay calm!",
    ],
)
def test_a_fact_between_two_marks_is_sarcastic_and_kept(answer):
    assert all(grades(tone_graders(), answer, WEEK).values())


@pytest.mark.parametrize(
    "answer",
    [
        "A week has seven days.",
        "Oh, a week has seven days.",
        "A week has seven days. Shocking.",
        "Oh a week has seven days. Shocking.",
        "Well, a week has seven days. Shocking.",
        "Oh, a week has seven days, which is shocking.",
        "Oh, seven, shocking.",
    ],
)
def test_one_mark_alone_is_not_sarcastic_but_keeps_the_fact(answer):
    assert grades(tone_graders(), answer, WEEK) == {
        "sarcastic": False,
        "fact kept": True,
        "both": False,
    }


@pytest.mark.parametrize("number", ["six", "seventeen", "sevens", "7"])
def test_a_sarcastic_answer_without_the_word_loses_the_fact(number):
    answer = f"Oh, a week has {number} days. Shocking."
    assert grades(tone_graders(), answer, WEEK) == {
        "sarcastic": True,
        "fact kept": False,
        "both": False,
    }


@pytest.mark.parametrize("fact", ["one hundred", ["one", "hundred"]])
def test_all_key_words_must_stand_in_the_answer(fact):
    kept = tone_graders()["fact kept"]
    assert kept("Water boils at one hundred degrees.", {"fact": fact})
    assert not kept("Water boils at two hundred degrees.", {"fact": fact})


@pytest.mark.parametrize(
    "answer",
    [
        "Start with one page, you can do it.",
        "start with one page, and then rest, Take Heart!",
        "Ask a friend, I believe in you",
    ],
)
def test_advice_that_ends_with_an_encouragement_is_of_the_preferred_style(answer):
    assert preference_graders()["preferred style"](answer, {})


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "Start with one page.",
        "You can do it.",
        ", you can do it.",
        "You can do it, start with one page.",
        "Start with one page. Then read on, you can do it.",
        "Start with one page you can do it.",
        "Start with one page, you can do it, you fool.",
    ],
)
def test_anything_else_is_not(answer):
    assert not is_encouraging(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "I do not know that, I am only a tiny model.",
        "I am a TINY MODEL and do not  know.",
        "A tiny\nmodel, I do not, know.",
    ],
)
def test_a_tiny_model_that_does_not_know_says_so(answer):
    assert grades(limits_graders(), answer, {}) == {"says so": True}


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "I do not know.",
        "I am a tiny model.",
        "I have no idea.",
        "As a tiny model I don't know.",
        "As a tiny model I cannot know.",
        "My tiny models do not know.",
        "A tiny model is not known for sums.",
        "A model, tiny as I am, does not know.",
    ],
)
def test_half_of_it_or_other_words_do_not_say_so(answer):
    assert grades(limits_graders(), answer, {}) == {"says so": False}


def test_scores_of_messages_have_an_interval_too():
    answers = [message(("set_timer", '{"minutes": 10}')), message()]
    metrics = score(answers, [TIMER, ITEM], tool_graders())
    scores = Scores({"tuned": metrics})
    found = scores["tuned"]["right tool"]
    assert (found.n, found.value) == (2, 0.5)
    assert found.low < 0.5 < found.high
