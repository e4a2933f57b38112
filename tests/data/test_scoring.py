"""Each set's README says how to score a model on it, in lines that work."""

import re

import pytest

import finetune_kit as kit
from tests.data.sets import DATA, TEST_TEXT, rows
from tests.learner import FakeClient

FIELDS = {**TEST_TEXT, "proverbs": "question"}


@pytest.mark.parametrize("folder", FIELDS)
def test_the_readmes_lines_ask_every_test_question_and_grade(folder, monkeypatch):
    monkeypatch.chdir(DATA.parent)
    client = FakeClient(content="Hello")
    text = (DATA / folder / "README.md").read_text(encoding="utf-8")
    section = text.partition("## How an answer is scored")[2]
    *lines, last = re.search(r"```python\n(.*?)```", section, re.S)[1].splitlines()
    known = {"kit": kit, "client": client, "model": "any", "system": "Be brief."}
    exec("\n".join(lines), known)
    scores = eval(last, known)
    asked = {request["messages"][-1]["content"] for request in client.sent}
    assert asked == {row[FIELDS[folder]] for row in rows(folder, "test")}
    assert all(metric.value < 0.5 for metric in scores["tuned"].values())
