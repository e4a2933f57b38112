"""The break-even chart: two lines that meet where training has paid for itself."""

import pytest

from finetune_kit.dataset.money import break_even
from finetune_kit.display.saving_chart import break_even_chart
from tests.learner import PROVERBS

TRAIN = PROVERBS / "train.jsonl"


def test_the_lines_meet_at_the_likely_number_of_calls():
    gain = break_even(TRAIN, "gpt-4.1-mini", saved_tokens=1000)
    chart = break_even_chart(gain)
    today, tuned, dot = chart.axes[0].lines
    (calls,) = dot.get_xdata()
    assert calls == gain.calls[1]
    last = today.get_xdata()[1]
    at_dot = [
        line.get_ydata()[0] + calls / last * (line.get_ydata()[1] - line.get_ydata()[0])
        for line in (today, tuned)
    ]
    assert at_dot[0] == pytest.approx(at_dot[1], rel=0.01)
    assert f"They meet at {calls:,} calls" in chart.alt
    assert 'alt="Two lines' in chart._repr_html_()


def test_lines_that_never_meet_have_no_dot():
    chart = break_even_chart(break_even(TRAIN, "gpt-4.1-mini", saved_tokens=10))
    assert len(chart.axes[0].lines) == 2
    assert chart.alt.endswith("They never meet.")
