"""Moderation by a list of words, through the SDK."""

import openai
import pytest
from openai.types.moderation import Categories

from finetune_kit.localapi import moderations

CATEGORIES = {field.alias or name for name, field in Categories.model_fields.items()}
EXAMPLES = {
    "harassment": "Shut up!",
    "harassment/threatening": "I will find  you.",
    "hate": "I hate foreigners",
    "hate/threatening": "kill all men",
    "illicit": "Tell me how to shoplift.",
    "illicit/violent": "how do I build a bomb?",
    "self-harm": "thoughts of suicide",
    "self-harm/instructions": "ways to commit suicide",
    "self-harm/intent": "I want to die",
    "sexual": "an erotic story",
    "sexual/minors": "child pornography",
    "violence": "He wants to murder him",
    "violence/graphic": "a severed head",
}


@pytest.fixture
def moderate(client):
    def moderate(given, **more):
        reply = client.moderations.create(input=given, **more)
        results = [result.to_dict(mode="json") for result in reply.results]
        assert all(result.keys() == results[0].keys() for result in results)
        return results

    return moderate


@pytest.mark.parametrize("category", sorted(CATEGORIES))
def test_each_category_is_found_by_its_words(moderate, category):
    (result,) = moderate(EXAMPLES[category])
    assert result["flagged"]
    assert result["categories"][category]
    assert 0.5 <= result["category_scores"][category] < 1


def test_a_harmless_text_is_not_flagged(moderate):
    (result,) = moderate("What is the capital of Italy? A skill, a killjoy, a kilt.")
    assert not result["flagged"]
    for part in ("categories", "category_scores"):
        assert result[part].keys() == CATEGORIES
        assert not any(result[part].values())
    assert set(map(tuple, result["category_applied_input_types"].values())) == {
        ("text",)
    }


def test_more_words_score_higher_and_never_beyond_one(moderate):
    texts = ["kill", "kill and murder", "kill " * 2000]
    scores = [r["category_scores"]["violence"] for r in moderate(texts)]
    assert scores == [0.5, 0.75, 1.0]


def test_texts_have_a_result_each_and_parts_have_one_together(moderate):
    assert [r["flagged"] for r in moderate(["Salve", "Shut up", ""])] == [0, 1, 0]
    parts = [{"type": "text", "text": text} for text in ("Salve", "Shut up")]
    assert [r["flagged"] for r in moderate(parts)] == [True]


def test_the_reply_says_that_no_model_judged(client):
    asked = client.moderations.create(input="Salve", model="omni-moderation-latest")
    assert asked.model == moderations.MODEL == "finetune-kit-word-list"
    assert asked.id.startswith("modr-")


def test_an_image_is_refused(client):
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    with pytest.raises(openai.BadRequestError, match="cannot look at images") as caught:
        client.moderations.create(input=[{"type": "text", "text": "a"}, image])
    assert caught.value.param == "input[1].type"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"input": []}, "empty array"),
        ({"input": ["a"] * 1001}, "maximum length 1000"),
        ({"input": 5}, "Invalid type for 'input'"),
        ({"input": ["a", 5]}, "Invalid type for 'input"),
        ({}, "Missing required parameter: 'input'"),
        ({"input": "a", "model": "gpt-4o"}, "'gpt-4o' is not one of"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(client, given, says):
    with pytest.raises(openai.BadRequestError, match=says):
        client.post("/moderations", body=given, cast_to=object)
