"""The chart of scores: a dot and its interval for each model."""

import pytest

from finetune_kit.display.score_chart import score_chart
from finetune_kit.evaluate import Metric, Scores

SCORES = Scores(
    {
        "base": [Metric("on topic", 120, 0.1, 0.06, 0.17)],
        "tuned": [Metric("on topic", 120, 0.6, 0.51, 0.68)],
    }
)


def test_the_best_model_stands_on_top_and_the_text_names_every_figure():
    chart = score_chart(SCORES, "on topic")
    (axes,) = chart.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["tuned", "base"]
    assert "tuned 0.60 (0.51 to 0.68); base 0.10 (0.06 to 0.17)" in chart.alt
    assert f'alt="{chart.alt}"' in chart._repr_html_()


def test_a_metric_that_is_not_there_is_answered_with_those_that_are():
    with pytest.raises(ValueError, match=r"no metric 'topic'.* but on topic"):
        score_chart(SCORES, "topic")
