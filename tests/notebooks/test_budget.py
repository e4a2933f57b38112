"""The notebook budget: brevity, prose, and outputs that do not change."""

import json
import re
import statistics
from itertools import pairwise
from pathlib import Path

import pytest

from tests.learner import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CARD = ["Question", "You will", "Minutes", "Cost", "Needs", "Makes"]
# Bloom's verbs that can be seen to be done; "understand" cannot
VERBS = (
    "run read judge choose compare compute explain write repair tell name sort find "
    "check convert count estimate split upload create follow list cancel resume ask "
    "predict measure plot translate point move mend recognise decide set"
)


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.name)
def notebook(request) -> dict:
    return json.loads(request.param.read_text(encoding="utf-8"))


def sources(notebook, kind):
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == kind]
    return ["".join(cell["source"]) for cell in cells]


def code_lines(source):
    return [line for line in source.splitlines() if line.strip()]


def test_there_are_notebooks():
    assert NOTEBOOKS


def test_cells_are_short(notebook):
    lengths = [len(code_lines(source)) for source in sources(notebook, "code")]
    assert statistics.median(lengths) <= 3
    assert statistics.quantiles(lengths, n=20, method="inclusive")[-1] <= 8
    assert max(lengths) <= 12


def test_lines_fit_a_projector(notebook):
    code = sources(notebook, "code")
    assert max(len(line) for source in code for line in source.splitlines()) <= 79


def test_code_cells_have_prose_between_them(notebook):
    kinds = [cell["cell_type"] for cell in notebook["cells"]]
    assert ("code", "code") not in pairwise(kinds)


def test_prose_is_brief(notebook):
    prose = sources(notebook, "markdown")
    words = [len(re.findall(r"[\w'-]+", source)) for source in prose]
    assert max(words) <= 140
    assert statistics.quantiles(words, n=20, method="inclusive")[-1] <= 90
    assert sum(words) <= 1300


def test_a_notebook_is_short(notebook):
    code = sources(notebook, "code")
    assert len(notebook["cells"]) <= 36
    assert len(code) <= 16
    assert sum(len(code_lines(source)) for source in code) <= 70


def test_cells_define_and_print_little(notebook):
    code = sources(notebook, "code")
    assert not any(re.search(r"^\s*(async )?def ", source, re.M) for source in code)
    assert sum("print(" in source for source in code) <= 0.15 * len(code)


def test_the_card_is_complete(notebook):
    title, *rest = sources(notebook, "markdown")
    assert title.startswith("# ")
    assert [word for word in CARD if word not in title] == []
    assert re.search(r"\d+ to teach, \d+ to practise", title)
    objectives = re.search(r"You will \| (.*) \|", title).group(1)
    verbs = re.findall(r"\*(\w+)\*", objectives)
    assert len(verbs) >= 3
    assert set(verbs) <= set(VERBS.split())
    assert "## Key points" in rest[-1]
    assert "**Next:**" in rest[-1]


def test_sections_ask_for_a_prediction_and_say_what_to_see(notebook):
    prose = "\n".join(sources(notebook, "markdown"))
    assert prose.count("**Predict") >= 3
    assert prose.count("**You should see**") >= 3


def test_words_of_the_field_can_be_looked_up(notebook):
    assert "](../docs/glossary.md)" in "\n".join(sources(notebook, "markdown"))


def test_headings_skip_no_level(notebook):
    prose = "\n".join(sources(notebook, "markdown"))
    levels = [len(marks) for marks in re.findall(r"^(#+) ", prose, re.M)]
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_outputs_are_committed_in_the_order_of_execution(notebook):
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    counts = [cell["execution_count"] for cell in code]
    assert counts == list(range(1, len(code) + 1))


def test_outputs_are_small_and_pictures_have_alt_text(notebook):
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    outputs = json.dumps([cell["outputs"] for cell in cells])
    assert len(outputs.encode()) <= 40_000
    images = re.findall(r"<img [^>]*>", outputs)
    assert all(re.search(r'alt=\\"[^"]{20,}\\"', image) for image in images)
    assert "image/png" not in {
        kind
        for cell in cells
        for output in cell["outputs"]
        for kind in output.get("data", {})
    }


def test_nothing_in_a_notebook_tells_when_and_where_it_ran(notebook):
    text = json.dumps(notebook)
    assert str(Path.home()) not in text
    assert not re.search(r"sk-[\w-]{8,}|/(home|Users|tmp)/|127\.0\.0\.1", text)
    assert "version" not in notebook["metadata"]["language_info"]
    assert "papermill" not in text


def test_cell_ids_are_words_that_stay(notebook):
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", id_) for id_ in ids)


def test_parameters_for_papermill_are_tagged(notebook):
    tagged = [
        "".join(cell["source"])
        for cell in notebook["cells"]
        if "parameters" in cell["metadata"].get("tags", [])
    ]
    assert len(tagged) == 1
