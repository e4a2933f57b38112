import re

import pytest

from finetune_kit.display.cards import Card
from finetune_kit.display.tables import Table

TABLE = Table(["model", "value"], [["base", 0.0], ["<b>tuned</b>", 0.98765]], "Scores")


def test_html_escapes_what_it_shows_and_names_its_columns():
    html = TABLE._repr_html_()
    assert "<b>tuned" not in html
    assert "&lt;b&gt;tuned" in html
    assert html.count('scope="col"') == 2
    assert "Scores</caption>" in html


def test_numbers_have_three_decimals_and_stand_right():
    html = TABLE._repr_html_()
    assert re.search(r'text-align:right">0\.988</td>', html)
    assert "0.988" in repr(TABLE)


def test_text_twin_keeps_an_id_in_one_piece():
    long_id = "ft:gpt-4.1-mini-2025-04-14:personal:a-long-suffix:AbCdEfGh:ckpt-step-100"
    text = repr(Table(["id", "note"], [[long_id, "some words " * 20]]))
    assert long_id in text


def test_styles_are_inline_so_that_an_untrusted_notebook_keeps_them():
    for html in (TABLE._repr_html_(), Card("A", ["b"])._repr_html_()):
        assert not re.search(r"<(style|script|svg)|class=", html)


def test_a_card_marks_code_and_escapes_the_rest():
    html = Card("1 < 2", ["run `finetune-kit reset`"])._repr_html_()
    assert "1 &lt; 2" in html
    assert "<code>finetune-kit reset</code>" in html


def test_a_row_of_another_width_is_named():
    with pytest.raises(ValueError, match=r"Row 2 .* 1 values, .* 2 columns: a, b"):
        Table(["a", "b"], [[1, 2], [1]])
