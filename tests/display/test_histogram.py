import matplotlib.image
import pytest

from finetune_kit.dataset.sizes import sizes
from finetune_kit.display.histogram import token_histogram
from tests.learner import PROVERBS


def rows(*lengths):
    return [{"prompt": "", "completion": " a" * length} for length in lengths]


def test_every_example_stands_in_a_bar():
    (axes,) = token_histogram(sizes(PROVERBS / "train.jsonl")).axes
    assert sum(bar.get_height() for bar in axes.patches) == 100


def test_the_limit_is_drawn_where_examples_come_near_it():
    chart = token_histogram(sizes(rows(100, 2000, 3000), "ada"))
    (axes,) = chart.axes
    assert [line.get_xdata()[0] for line in axes.lines] == [2049.5]
    assert "limit 2,049" in {text.get_text() for text in axes.texts}
    assert "1 lies over it and is cut" in chart.alt


def test_a_far_limit_is_named_and_not_drawn():
    chart = token_histogram(sizes(rows(10, 20), "gpt-4.1"))
    (axes,) = chart.axes
    assert not axes.lines
    assert "65,536" in axes.get_title()
    assert "none lies over it" in chart.alt


def test_examples_of_one_size_are_drawn_too():
    chart = token_histogram(sizes(rows(7, 7, 7)))
    assert "from 7 to 7" in chart.alt


def test_the_picture_is_opaque_and_carries_its_text():
    import io

    chart = token_histogram(sizes(rows(3, 4)))
    image = matplotlib.image.imread(io.BytesIO(chart.png()))
    assert image[2, 2].tolist() == [1, 1, 1, 1]
    assert f'alt="{chart.alt}"' in chart._repr_html_()


def test_nothing_cannot_be_drawn():
    with pytest.raises(ValueError, match="no example"):
        token_histogram(sizes([]))


def test_a_path_is_refused_with_what_to_give():
    with pytest.raises(TypeError, match=r"token_histogram\(kit\.sizes\(path\)\)"):
        token_histogram(PROVERBS / "train.jsonl")
