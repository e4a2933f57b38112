import io
from types import SimpleNamespace

import matplotlib.image
import pandas
import pytest

from finetune_kit.display.charts import loss_chart

STEPS = range(1, 31)


def checkpoint(step, full_valid_loss=None):
    metrics = SimpleNamespace(full_valid_loss=full_valid_loss)
    return SimpleNamespace(step_number=step, metrics=metrics)


@pytest.fixture
def results():
    return pandas.DataFrame(
        {
            "step": STEPS,
            "train_loss": [3 / step for step in STEPS],
            "valid_loss": [2 - step / 30 if step % 10 == 0 else None for step in STEPS],
        }
    )


def test_the_text_for_screen_readers_carries_the_figures(results):
    chart = loss_chart(results, [checkpoint(20), checkpoint(10)])
    assert "validation loss goes from 1.667 to 1.000" in chart.alt
    assert "Checkpoints at steps 10, 20." in chart.alt
    assert f'alt="{chart.alt}"' in chart._repr_html_()


def test_the_loss_on_all_validation_examples_is_written_at_each_checkpoint(results):
    chart = loss_chart(results, [checkpoint(10, 1.25), checkpoint(20, 1.5)])
    (axes,) = chart.axes
    assert {"1.25", "1.50"} <= {text.get_text() for text in axes.texts}
    assert "all validation examples give 1.250, 1.500" in chart.alt


def test_the_background_is_opaque_white_for_dark_themes(results):
    image = matplotlib.image.imread(io.BytesIO(loss_chart(results).png()))
    assert image[2, 2].tolist() == [1, 1, 1, 1]


def test_lines_are_named_where_they_end_and_not_in_a_legend(results):
    (axes,) = loss_chart(results).axes
    assert {"training", "validation"} <= {text.get_text() for text in axes.texts}
    assert axes.get_legend() is None


def test_lines_differ_by_more_than_colour(results):
    (axes,) = loss_chart(results).axes
    assert len({line.get_linestyle() for line in axes.lines}) == len(axes.lines)


def test_results_without_validation_are_drawn_too(results):
    chart = loss_chart(results.drop(columns="valid_loss"))
    assert "validation" not in chart.alt


def test_the_same_results_give_the_same_picture(results):
    assert loss_chart(results).png() == loss_chart(results).png()


@pytest.mark.parametrize("given", [None, [], "ftjob-1"])
def test_what_are_no_results_is_refused_with_what_is(given):
    with pytest.raises(TypeError, match=r"kit\.results\(client, job\) gives; this is"):
        loss_chart(given)


def test_results_without_a_step_are_not_drawn(results):
    with pytest.raises(ValueError, match="no loss to draw"):
        loss_chart(results[:0])
