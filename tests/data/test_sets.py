"""The promises that all sets of the teaching tasks make: sizes, texts, no leaks."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from finetune_kit.dataset import check
from tests.data.sets import DATA, TEST_TEXT, Row, fours_of, in_fours, rows, text_of
from tests.data.sets import words as words_of

SIZES = {
    "reviews": (60, 20, 120),
    "tickets": (100, 25, 120),
    "extraction": (60, 20, 160),
    "functions": (80, 20, 120),
    "tone": (60, 20, 100),
    "preferences": (60, 20, 100),
}
#: Sets with nothing to train on.
TEST_ONLY = {"strange"}
STYLES = {"plain", "chatty", "formal"}
FILES = [
    path
    for folder in TEST_TEXT
    for path in sorted((DATA / folder).iterdir())
    if path.is_file()
]
#: They say nothing of what a row is about.
FUNCTION_FOURS = {
    "preferences": {("what", "can", "i", "do"), ("what", "should", "i", "do")},
}

every_set = pytest.mark.parametrize("folder", SIZES)
every_folder = pytest.mark.parametrize("folder", TEST_TEXT)


def seen_rows(folder: str) -> list[Row]:
    return rows(folder, "train") + rows(folder, "validation")


@every_set
def test_each_file_has_the_promised_number_of_rows(folder: str) -> None:
    names = ("train", "validation", "test")
    assert tuple(len(rows(folder, name)) for name in names) == SIZES[folder]


@pytest.mark.parametrize(
    "path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_every_file_is_plain_ascii_and_ends_with_a_line_break(path: Path) -> None:
    data = path.read_bytes()
    assert data.isascii()
    assert data.endswith(b"\n")


@every_folder
def test_the_licence_is_cc0_and_names_every_file(folder: str) -> None:
    licence = (DATA / folder / "LICENSE").read_text(encoding="utf-8")
    assert "CC0 1.0" in licence
    others = {path.name for path in FILES if path.parent.name == folder} - {"LICENSE"}
    assert {name for name in others if name not in licence} == set()


@every_set
def test_the_readme_counts_the_rows_of_every_file(folder: str) -> None:
    readme = (DATA / folder / "README.md").read_text(encoding="utf-8")
    counts = dict(re.findall(r"^\| `(\w+)\.jsonl` \| (\d+) \|", readme, re.M))
    for name, size in zip(("train", "validation", "test"), SIZES[folder], strict=True):
        assert int(counts[name]) == size


@every_folder
def test_the_readme_counts_the_test_rows_as_its_command_does(folder: str) -> None:
    readme = (DATA / folder / "README.md").read_text(encoding="utf-8")
    shown = re.search(r'^\$ python -c "\n(.*?)\n"\n(.*?)^```', readme, re.M | re.S)
    assert shown
    done = subprocess.run(
        [sys.executable, "-c", shown[1]],
        cwd=DATA.parent,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout == shown[2]


@pytest.mark.parametrize("folder", sorted(SIZES.keys() - {"tickets"}))
@pytest.mark.parametrize("name", ["train", "validation"])
def test_a_job_takes_the_files(folder: str, name: str) -> None:
    """But for tickets: plain rows, to be made into chats first."""
    method = "dpo" if folder == "preferences" else "supervised"
    assert check(DATA / folder / f"{name}.jsonl", method=method).ok


@every_set
def test_messages_to_train_on_have_5_to_30_words(folder: str) -> None:
    texts = [text_of(folder, row) for row in seen_rows(folder)]
    assert [text for text in texts if not 5 <= len(text.split()) <= 30] == []


@every_set
def test_no_message_stands_twice_within_or_across_the_files(folder: str) -> None:
    every = seen_rows(folder) + rows(folder, "test")
    counts = Counter(words_of(text_of(folder, row)) for row in every)
    assert [key for key, count in counts.items() if count > 1] == []


@every_set
def test_no_four_words_in_a_row_of_a_test_message_were_seen_before(
    folder: str,
) -> None:
    """Seen patterns of extraction are meant to be the same: see test_extraction."""
    seen = fours_of(text_of(folder, row) for row in seen_rows(folder))
    seen -= FUNCTION_FOURS.get(folder, set())
    assert len(seen) > 200
    texts = [
        text_of(folder, row)
        for row in rows(folder, "test")
        if row.get("pattern") != "seen"
    ]
    shared = {text: in_fours(text) & seen for text in texts}
    assert {text: fours for text, fours in shared.items() if fours} == {}


@every_set
def test_test_rows_come_in_at_least_three_styles(folder: str) -> None:
    styles = Counter(row["style"] for row in rows(folder, "test"))
    assert set(styles) >= STYLES
    assert set(styles) <= STYLES | {"indirect"}
    assert all(styles[style] >= 20 for style in STYLES), styles


@every_set
def test_test_rows_tell_common_words_from_free_ones(folder: str) -> None:
    counts = Counter(row["words"] for row in rows(folder, "test"))
    assert set(counts) == {"common", "free"}
    assert all(count >= 20 for count in counts.values()), counts


def test_every_set_has_a_text_to_ask() -> None:
    assert set(TEST_TEXT) == set(SIZES) | TEST_ONLY
