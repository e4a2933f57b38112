"""The chart of scores: in each group a dot and its interval for every model."""

import pytest

from finetune_kit.display.score_chart import score_chart
from finetune_kit.evaluate import Metric, Scores


def by_style(plain: float, chatty: float) -> Scores:
    return Scores(
        {
            "plain": [Metric("on topic", 30, plain, plain - 0.1, plain + 0.1)],
            "chatty": [Metric("on topic", 20, chatty, chatty - 0.1, chatty + 0.1)],
        }
    )


MODELS = {"tuned": by_style(0.8, 0.6), "base": by_style(0.2, 0.15)}


def test_each_group_has_a_dot_for_every_model_and_the_text_names_every_figure():
    chart = score_chart(MODELS, "on topic")
    (axes,) = chart.axes
    groups = [label.get_text() for label in axes.get_yticklabels()]
    assert groups == ["plain", "chatty"]
    assert axes.get_xlabel() == "on topic, 20 to 30 questions, 95 % interval"
    assert "plain (30 questions): tuned 0.80 (0.70 to 0.90), base 0.20" in chart.alt
    assert "chatty (20 questions): tuned 0.60 (0.50 to 0.70), base 0.15" in chart.alt
    assert f'alt="{chart.alt}"' in chart._repr_html_()


def test_models_differ_by_marker_as_well_as_by_colour_and_are_named_once():
    (axes,) = score_chart(MODELS, "on topic").axes
    dots = [line for line in axes.lines if line.get_marker() not in ("None", "")]
    markers = [line.get_marker() for line in dots]
    assert len(markers) == 4
    assert (
        len({(m, line.get_color()) for m, line in zip(markers, dots, strict=True)}) == 2
    )
    assert len(set(markers)) == 2
    assert sorted(text.get_text() for text in axes.texts) == ["base", "tuned"]


def test_a_metric_that_is_not_there_is_answered_with_those_that_are():
    with pytest.raises(ValueError, match=r"no metric 'topic'.* but on topic"):
        score_chart(MODELS, "topic")


def test_more_models_than_markers_are_refused():
    with pytest.raises(ValueError, match="6 models are too many"):
        score_chart({str(n): MODELS["base"] for n in range(6)}, "on topic")


@pytest.mark.parametrize("models", [{}, None, MODELS["base"]])
def test_without_a_model_there_is_nothing_to_draw(models):
    with pytest.raises(ValueError, match=r"dict of models.*kit\.score_by"):
        score_chart(models, "on topic")
