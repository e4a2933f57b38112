"""Graders of reinforcement jobs, tried on one answer through the SDK."""

import math

import openai
import pytest

SAID = "{{sample.output_text}}"
WANTED = "{{item.answer}}"


def check(operation="eq", text=SAID, reference=WANTED):
    return {
        "type": "string_check",
        "name": "check",
        "operation": operation,
        "input": text,
        "reference": reference,
    }


def similarity(metric):
    return {
        "type": "text_similarity",
        "name": "alike",
        "evaluation_metric": metric,
        "input": SAID,
        "reference": WANTED,
    }


def multi(formula, **graders):
    graders = graders or {"exact": check(), "close": similarity("fuzzy_match")}
    return {
        "type": "multi",
        "name": "all",
        "graders": graders,
        "calculate_output": formula,
    }


@pytest.fixture
def run(client):
    def run(grader, sample, **item):
        return client.fine_tuning.alpha.graders.run(
            grader=grader, model_sample=sample, item=item
        )

    return run


@pytest.fixture
def refusal(client):
    def refusal(grader):
        """Both endpoints refuse it in the same words."""
        graders, said = client.fine_tuning.alpha.graders, []
        for call, more in ((graders.validate, {}), (graders.run, {"model_sample": ""})):
            with pytest.raises(openai.BadRequestError) as caught:
                call(grader=grader, **more)
            said.append((caught.value.message, caught.value.param))
        assert said[0] == said[1]
        return caught.value

    return refusal


@pytest.mark.parametrize(
    ("operation", "sample", "reward"),
    [
        ("eq", "Festina lente", 1),
        ("eq", "festina lente", 0),
        ("ne", "festina lente", 1),
        ("like", "I say: Festina lente!", 1),
        ("like", "I say: festina lente!", 0),
        ("ilike", "I say: FESTINA LENTE!", 1),
        ("ilike", "Festina", 0),
    ],
)
def test_strings_are_compared_as_the_operation_says(run, operation, sample, reward):
    reply = run(check(operation), sample, answer="Festina lente")
    assert reply.reward == reward
    assert (reply.metadata.type, reply.metadata.name) == ("string_check", "check")
    assert not any(reply.metadata.errors.to_dict().values())


# Computed once with rapidfuzz 3.14.6 (ratio), nltk 3.10.4 (sentence_bleu with
# SmoothingFunction().method2, sentence_gleu) and rouge-score 0.1.2 (fmeasure).
ANSWER = "the cat is on the mat today"
REFERENCE = "the cat sat on the mat"
KNOWN = {
    "fuzzy_match": 0.8163265306122449,
    "bleu": 0.40614925799324625,
    "gleu": 0.4090909090909091,
    "rouge_1": 0.7692307692307692,
    "rouge_2": 0.5454545454545454,
    "rouge_3": 0.2222222222222222,
    "rouge_4": 0.0,
    "rouge_5": 0.0,
    "rouge_l": 0.7692307692307692,
}


@pytest.mark.parametrize("metric", KNOWN)
def test_texts_are_as_alike_as_other_programs_find_them(run, metric):
    reply = run(similarity(metric), ANSWER, answer=REFERENCE)
    assert reply.reward == pytest.approx(KNOWN[metric], abs=1e-9)


@pytest.mark.parametrize("metric", KNOWN)
def test_a_text_is_wholly_like_itself_and_not_like_nothing(run, metric):
    long = "one two three four five six"
    assert run(similarity(metric), long, answer=long).reward == pytest.approx(1)
    assert run(similarity(metric), "", answer=long).reward == 0
    assert run(similarity(metric), "xyz", answer=long).reward < 0.1


@pytest.mark.parametrize(
    ("formula", "reward"),
    [
        ("exact", 0),
        ("0.25 * exact + 0.75 * close", 0.75 * 8 / 9),
        ("2 + 3 * 2 ^ 2 - 4 / 2", 12),
        ("-2 ^ 2", -4),
        ("2 ^ 3 ^ 2", 512),
        ("(1 + 1) * max(exact, close, 0.1)", 2 * 8 / 9),
        ("min(1, 2) + abs(-3) + floor(1.9) + ceil(1.1)", 7),
        ("sqrt(16) + log(exp(2))", 6),
        ("-" * 499 + "1", -1),
        ("(" * 190 + "1" + ")" * 190, 1),
    ],
)
def test_a_formula_puts_graders_together(run, formula, reward):
    reply = run(multi(formula), "lente", answer="lent")
    assert reply.reward == pytest.approx(reward)
    assert reply.sub_rewards == pytest.approx({"exact": 0, "close": 8 / 9})
    assert reply.metadata.scores == reply.sub_rewards


def test_graders_also_come_as_a_list_or_one_as_the_sdk_types_it(run):
    close = similarity("fuzzy_match")
    one = multi("2 * alike") | {"graders": close}
    assert run(one, "a", answer="a").reward == 2
    several = multi("check + alike") | {"graders": [check(), close]}
    assert run(several, "a", answer="a").reward == 2


@pytest.mark.parametrize(
    "formula",
    ["1 / exact", "sqrt(-1)", "log(exact)", "10 ^ 400", "exp(1000)", "0 ^ -1"],
)
def test_a_formula_without_a_value_gives_no_reward_and_says_so(run, formula):
    reply = run(multi(formula), "a", answer="b")
    assert reply.reward == 0
    assert reply.metadata.errors.other_error


@pytest.mark.parametrize(
    ("formula", "says"),
    [
        ("exact +", "cannot be read"),
        ("wrong * 2", "no grader is named 'wrong'; there are: exact, close"),
        ("__import__('os').system('true')", "only numbers"),
        ("open(1)", "no function 'open'"),
        ("exact.real", "only numbers"),
        ("[x for x in (1, 2)]", "only numbers"),
        ("'a' * 9", "only numbers"),
        ("1 if exact else 2", "only numbers"),
        ("2 ** 2", "not with"),
        ("sqrt(1, 2)", "one value"),
        ("max()", "at least one"),
        ("1e999", "too large"),
        ("(1", "cannot be read"),
        ("", "cannot be read"),
        ("1" + " + 1" * 200, "longer than 500"),
    ],
)
def test_what_is_no_formula_is_refused(refusal, formula, says):
    error = refusal(multi(formula))
    assert says in error.message
    assert error.param == "grader.calculate_output"


def test_variables_reach_into_the_item_and_into_json(run):
    grader = check(text="{{ sample.output_json.city.0 }}", reference="{{item.a.b}}")
    reply = run(grader, '{"city": ["Roma"]}', a={"b": "Roma"})
    assert reply.reward == 1
    number = check(text="{{sample.output_json.n}} of {{item.n}}", reference="3 of [1]")
    assert run(number, '{"n": 3}', n=[1]).reward == 1
    assert run(check(reference="no variable"), "no variable").reward == 1


def test_a_value_is_not_read_as_a_template_again(run):
    assert run(check(reference="{{item.a}}"), "{{item.b}}", a="{{item.b}}").reward == 1


def test_what_is_missing_in_the_data_gives_no_reward_and_says_so(run):
    reply = run(check("ne"), "a")
    assert (reply.reward, reply.metadata.errors.invalid_variable_error) == (0, True)
    json = check(text="{{sample.output_json.city}}")
    reply = run(json, "no json", answer="a")
    assert (reply.reward, reply.metadata.errors.sample_parse_error) == (0, True)
    reply = run(multi("exact + 1"), "a")
    assert (reply.reward, reply.metadata.errors.invalid_variable_error) == (1, True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{{answer}}", "is no variable"),
        ("{{item}}", "is no variable"),
        ("{{item.a|upper}}", "is no variable"),
        ("{{sample.output_tools.name}}", "no 'output_tools'"),
    ],
)
def test_a_template_that_cannot_be_filled_is_refused(refusal, text, says):
    error = refusal(check(reference=text))
    assert says in error.message
    assert error.param == "grader.reference"
    inner = refusal(multi("a", a=check(reference=text)))
    assert inner.param == "grader.graders.a.reference"


MESSAGES = [{"role": "user", "content": "Is it good?"}]
JUDGE = {"name": "judge", "model": "gpt-4o", "input": MESSAGES}
NOT_HERE = {
    "python": {"type": "python", "name": "mine", "source": "def grade(s, i): return 1"},
    "score_model": {"type": "score_model", **JUDGE},
    "label_model": {
        "type": "label_model",
        **JUDGE,
        "labels": ["yes", "no"],
        "passing_labels": ["yes"],
    },
    "cosine": similarity("cosine"),
    "meteor": similarity("meteor"),
}


@pytest.mark.parametrize("kind", NOT_HERE)
def test_what_cannot_be_computed_here_is_refused_with_its_reason(refusal, kind):
    error = refusal(NOT_HERE[kind])
    assert f"cannot grade with '{kind}'" in error.message
    assert error.code == "unsupported_value"
    inside = refusal(multi("a", a=NOT_HERE[kind]))
    assert inside.param.startswith("grader.graders.a.")


@pytest.mark.parametrize(
    ("grader", "says"),
    [
        (check("equals"), "Supported values are: 'eq', 'ne', 'like', 'ilike'"),
        ({**check(), "colour": 1}, "Unknown parameter: 'grader.colour'"),
        ({"type": "string_check"}, "Missing required parameter: 'grader.input'"),
        (multi("a", a=check("equals")), "Supported values are: 'eq'"),
        (multi("1") | {"graders": {}}, "1 to 20 graders"),
        (multi("1", **{"two words": check()}), "cannot stand in a formula"),
        (multi("1") | {"graders": [check(), check()]}, "a name of its own"),
        (multi("1") | {"graders": [1]}, "a name of its own"),
        (multi("1") | {"graders": "x"}, "an object of graders"),
        (multi("1", a=multi("1")), "'multi' is not one of ['string_check', "),
        ({"type": "exact"}, "'exact' is not one of ['string_check', "),
        ({"name": "x"}, "Missing required parameter: 'grader.type'"),
        ("x", "Invalid 'grader': expected an object"),
        ("", "Invalid 'grader': expected an object"),
    ],
)
def test_a_grader_of_the_wrong_form_is_told_so(refusal, grader, says):
    assert says in refusal(grader).message


def test_validate_gives_back_the_grader(client):
    validate = client.fine_tuning.alpha.graders.validate
    for grader in (check(), similarity("bleu"), multi("exact * 2")):
        raw = client.fine_tuning.alpha.graders.with_raw_response.validate(grader=grader)
        assert raw.http_response.json() == {"grader": grader}
        assert validate(grader=grader).grader.type == grader["type"]


def test_a_text_that_is_too_long_to_compare_is_refused(client):
    with pytest.raises(openai.BadRequestError, match="longer than 20,000"):
        client.fine_tuning.alpha.graders.run(
            grader=check(reference="a"), model_sample="a" * 20_001
        )


def test_a_long_comparison_ends_soon(run):
    reply = run(similarity("fuzzy_match"), "ab" * 10_000, answer="ba" * 10_000)
    assert reply.reward == pytest.approx(1, abs=0.01)
    assert math.isfinite(reply.metadata.execution_time)
    assert reply.metadata.execution_time < 5
