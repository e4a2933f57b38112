"""Exercises: checks that help, hints that come one by one, solutions that are right."""

import pytest

from finetune_kit import connect, exercise, lesson, workspace
from finetune_kit.course.exercise import Exercise
from finetune_kit.course.exercises import all_exercises
from tests.learner import fresh_home

NAMES = sorted(all_exercises())


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory):
    with fresh_home(tmp_path_factory.mktemp("course") / "ws") as folder:
        yield folder


def sum_of(answer):
    return None if sum(answer) == 3 else "The sum is not 3."


@pytest.fixture
def addition() -> Exercise:
    return Exercise(
        name="99-addition",
        wants="a list of numbers",
        judge=sum_of,
        hints=["Think of two numbers.", "One of them is 1."],
        solution_code="answer = [1, 2]",
        well_done="Their sum is 3.",
    )


def test_an_untouched_exercise_says_what_is_wanted(addition):
    assert "not answered yet" in repr(addition.check(...))
    assert "a list of numbers" in repr(addition.check())


def test_a_wrong_answer_is_told_why(addition):
    said = repr(addition.check([1, 1]))
    assert "not yet" in said
    assert "The sum is not 3." in said


@pytest.mark.parametrize("answer", [None, 5, "abc", {"a": 1}, object()])
def test_an_answer_of_another_kind_never_raises(addition, answer):
    assert "Wanted: a list of numbers" in repr(addition.check(answer))


def test_a_right_answer_is_noted_in_the_workspace(addition):
    assert "Their sum is 3." in repr(addition.check([1, 2]))
    assert "99-addition" in workspace.facts()["exercises"]


def test_hints_come_one_by_one_and_the_last_one_stays(addition):
    assert "hint 1 of 2" in repr(addition.hint())
    assert "One of them is 1." in repr(addition.hint())
    assert "hint 2 of 2" in repr(addition.hint())


def test_a_solution_shows_its_code_as_text_and_as_html(addition):
    assert "answer = [1, 2]" in repr(addition.solution())
    assert "<pre" in addition.solution()._repr_html_()


def test_a_misspelt_name_is_answered_with_the_nearest():
    if NAMES:
        with pytest.raises(ValueError, match=f"Did you mean '{NAMES[0]}'"):
            exercise(NAMES[0] + "s")


@pytest.mark.parametrize("name", [5, None, ["01-boxes"]])
def test_a_name_that_is_no_text_is_told(name):
    with pytest.raises(TypeError, match="named by a text, such as '01-boxes'"):
        exercise(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_solution_of_every_exercise_is_right(name):
    found = exercise(name)
    client = connect()
    names = {"client": client, "lesson": lesson(name[:2], client)}
    exec("import finetune_kit as kit\n" + found.solution_code, names)
    assert found.judge(names["answer"]) is None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("answer", [None, 0, "", [], {}, "nonsense"])
def test_nonsense_is_right_in_no_exercise(name, answer):
    assert ": right" not in repr(exercise(name).check(answer))
