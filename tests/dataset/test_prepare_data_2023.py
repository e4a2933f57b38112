"""`prepare-data` beside `openai tools fine_tunes.prepare_data` of openai 0.28.1.

The old tool is installed into an environment of its own and runs on the same files:
the same remediations and the same rows come out, but for the traps of the second
half, each of which is listed in docs/prepare-data.md.
"""

from __future__ import annotations

import csv
import json
import os
import random
import re
import subprocess
import sys
import venv
from pathlib import Path

import openpyxl
import pytest
from click.testing import CliRunner

from finetune_kit.cli import main
from tests.learner import ROOT

pytestmark = pytest.mark.clients

WORDS = ["river", "stone", "cloud", "lamp", "paper"]
WORDS += ["wolf", "bread", "glass", "winter", "bell"]


def pairs(*texts):
    return [
        {"prompt": prompt, "completion": completion} for prompt, completion in texts
    ]


def questions(count, prompt="{} of {}", completion="{} {} {}", seed=1):
    """Pairs of a few words each, whose ends and beginnings differ."""
    chosen = random.Random(seed)

    def text(template):
        return template.format(*(chosen.choice(WORDS) for _ in range(3)))

    ends = ["north", "east", "salt"]
    return [
        {
            "prompt": f"{text(prompt)} {place} {ends[place % 3]}",
            "completion": f"{text(completion)} {place} {ends[place % 3]}",
        }
        for place in range(count)
    ]


def labels(count, names, seed=2):
    chosen = random.Random(seed)
    return [row | {"completion": chosen.choice(names)} for row in questions(count)]


def jsonl(path, rows):
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text(text + "\n", encoding="utf-8")


def table(path, rows, delimiter=","):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def tsv(path, rows):
    table(path, rows, "\t")


def sheet(path, rows):
    book = openpyxl.Workbook()
    book.active.append(list(rows[0]))
    for row in rows:
        book.active.append(list(row.values()))
    book.save(path)


def text(path, rows):
    path.write_text("\n".join(row["completion"] for row in rows), encoding="utf-8")


def array(path, rows):
    path.write_text(json.dumps(rows, indent=1), encoding="utf-8")


MESSY = [
    {"Prompt": row["prompt"], "completion": row["completion"], "id": str(place)}
    for place, row in enumerate([*questions(30), *questions(2), *pairs(("a", ""))])
]
READY = [
    {"prompt": f"{row['prompt']}\n\n###\n\n", "completion": f" {row['completion']} END"}
    for row in questions(20)
]

#: name of the file -> (how it is written, rows)
AGREED = {
    "messy.csv": (table, MESSY),
    "messy.tsv": (tsv, MESSY),
    "messy.xlsx": (sheet, MESSY),
    "messy.jsonl": (jsonl, MESSY),
    "lines.txt": (text, questions(25)),
    "labels.csv": (table, labels(40, ["red", "green", "blue"])),
    "two_labels.jsonl": (jsonl, labels(33, [" yes", " no"])),
    "many_labels.tsv": (tsv, labels(6000, ["red", "green"])),
    "ready.jsonl": (jsonl, READY),
    "ready.csv": (table, READY),
    "upper.jsonl": (
        jsonl,
        [{key: value.upper() for key, value in row.items()} for row in questions(12)],
    ),
    "half_upper.csv": (
        table,
        [row | {"completion": row["completion"].upper()} for row in questions(12)],
    ),
    "long.jsonl": (
        jsonl,
        [*questions(9), *pairs(("long " * 2500, "tale")), *questions(4, seed=5)],
    ),
    "instructed.jsonl": (
        jsonl,
        [
            {
                "prompt": f"Summarise the text:\n{row['prompt']}",
                "completion": f" Summary: {row['completion']}",
            }
            for row in questions(15)
        ],
    ),
    "lines_within.jsonl": (
        jsonl,
        [
            {"prompt": f"a\n{row['prompt']}", "completion": f"b\n{row['completion']}"}
            for row in questions(15)
        ],
    ),
    "signs_within.csv": (
        table,
        [
            {
                "prompt": f"{row['prompt']} -> x\n\n###\n\n y{row['prompt'][-3:]}",
                "completion": f"{row['completion']} One.\n END *** {row['prompt']}",
            }
            for row in questions(15)
        ],
    ),
    "letters.jsonl": (
        jsonl,
        [
            {"prompt": f"{word} «Größe» {word}", "completion": f"{word} naïve {word}"}
            for word in WORDS
        ],
    ),
    "no_column.csv": (table, [{"question": "a", "completion": "b"}] * 2),
    "same_prompts.jsonl": (jsonl, pairs(("Say it", "one"), ("Say it", "two"))),
    "same_answers.jsonl": (jsonl, pairs(("a", "yes"), ("b", "yes"))),
} | {
    f"random_{seed}.jsonl": (
        jsonl,
        [
            row
            for row in questions(
                random.Random(seed).randint(4, 60),
                random.Random(seed).choice(["{}", "{} {}", "{}, {} and {}"]),
                random.Random(seed + 1).choice(["{}", " {}", "{}\n{}", "{} END {}"]),
                seed=seed,
            )
            for _ in range(random.Random(seed + 2).choice([1, 1, 2]))
        ],
    )
    for seed in range(12)
}

CHAT = [
    {
        "messages": [
            {"role": "user", "content": f"q{i}"},
            {"role": "assistant", "content": f"a{i}"},
        ]
    }
    for i in range(12)
]
TRAPS = {
    "tive.jsonl": (jsonl, labels(30, ["positive", "negative"])),
    "product.jsonl": (
        jsonl,
        [row | {"prompt": f"{row['prompt']} product"} for row in questions(15)],
    ),
    "sentences.jsonl": (
        jsonl,
        [row | {"completion": f"Yes. {row['completion']}."} for row in questions(15)],
    ),
    "item.jsonl": (
        jsonl,
        pairs(*((f"q{i}", f"Answer about item {i}") for i in range(12))),
    ),
    "chat.jsonl": (jsonl, CHAT),
    "like.csv": (table, [row | {"id": "7"} for row in questions(12)]),
    "blank_end.txt": (lambda path, rows: path.write_text("a\nb\nc1\n"), None),
    "not_available.csv": (
        table,
        [
            *labels(30, ["red", "blue"]),
            *pairs(*((word, "NA") for word in WORDS)),
        ],
    ),
    "wrong_row.jsonl": (
        jsonl,
        [
            *questions(1),
            *questions(8),
            *pairs(("long " * 2500, "tale"), ("last", "one")),
        ],
    ),
    "one_answer.jsonl": (jsonl, labels(12, ["yes"])),
    "array.json": (array, READY),
    "named_so.txt": (jsonl, READY),
    "values.jsonl": (
        jsonl,
        [
            row | {"completion": {word: place, "ok": True}}
            for place, (row, word) in enumerate(zip(questions(10), WORDS, strict=True))
        ],
    ),
}


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """What the old tool says to every file, and the folder where it writes."""
    home = tmp_path_factory.mktemp("openai-0.28.1")
    venv.create(home / "venv")
    binaries = home / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    python = next(iter(sorted(binaries.glob("python*"))))
    packages = ["openai==0.28.1", "pandas", "openpyxl"]
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    install = [*pip, "install", "--quiet", "--no-compile", *packages]
    alone = {name: os.environ[name] for name in os.environ if name != "PYTHONPATH"}
    installed = subprocess.run(install, capture_output=True, text=True, env=alone)
    if installed.returncode:
        pytest.skip(f"openai 0.28.1 could not be installed: {installed.stderr[-300:]}")
    files = [write(home / name, name) for name in AGREED | TRAPS]
    driver = Path(__file__).with_name("old_prepare_data.py")
    ran = subprocess.run(
        [python, driver, *files],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=alone | {"PYTHONUTF8": "1"},
    )
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    return {Path(file).name: (Path(file).parent, said[file]) for file in said}


def write(folder, name):
    how, rows = (AGREED | TRAPS)[name]
    folder.mkdir(exist_ok=True)
    how(folder / name, rows)
    return folder / name


def new(folder, name):
    result = CliRunner().invoke(main, ["prepare-data", str(write(folder, name)), "-q"])
    return result.exit_code, result.output


def changes(said):
    """The remediations in their order, the necessary first."""
    said = re.sub(r"`[^`]*`", lambda sign: sign.group().replace("\n", "\\n"), said)
    found = re.findall(
        r"^- (\[(?:Necessary|Recommended)\] .*?)(?: \[Y/n\].*)?$", said, re.M
    )
    return sorted(found, key=lambda line: not line.startswith("[Necessary]"))


def written(folder, name):
    """The rows of every new file."""
    stem = Path(name).stem
    return {
        path.name: [json.loads(line) for line in path.open(encoding="utf-8")]
        for path in sorted(folder.glob(f"{stem}_prepared*.jsonl"))
    }


def hint(said, pattern):
    return re.findall(pattern, said)


@pytest.mark.parametrize("name", AGREED)
def test_both_tools_find_the_same_and_write_the_same_rows(old, name, tmp_path):
    folder, before = old[name]
    code, said = new(tmp_path, name)
    assert bool(code) == bool(before["code"]), (said, before["said"])
    assert "crashed" not in before["said"]
    if code == 0:
        assert changes(said) == changes(before["said"])
    assert written(tmp_path, name) == written(folder, name)
    for pattern in (r"stop=\[.*?\]", r"indicator string `(.*?)`", r"--classif\S+ \S+"):
        assert hint(said, pattern) == hint(before["said"], pattern)


def both(old, name, tmp_path):
    folder, before = old[name]
    code, said = new(tmp_path, name)
    return before, written(folder, name), code, said, written(tmp_path, name)


def only(files):
    (rows,) = files.values()
    return rows


def test_two_labels_that_end_alike_give_no_stop_sequence(old, tmp_path):
    before, rows_before, _, said, rows = both(old, "tive.jsonl", tmp_path)
    assert 'stop=["tive"]' in before["said"]
    assert "stop=" not in said
    assert rows == rows_before


def test_a_word_at_the_end_of_all_prompts_is_no_separator(old, tmp_path):
    before, _, _, said, rows = both(old, "product.jsonl", tmp_path)
    assert "indicator string ` product`" in before["said"]
    assert "indicator string ` ->`" in said
    assert all(row["prompt"].endswith(" product ->") for row in only(rows))


def test_a_full_stop_that_also_stands_within_is_no_ending(old, tmp_path):
    before, _, _, said, rows = both(old, "sentences.jsonl", tmp_path)
    assert 'stop=["."]' in before["said"]
    assert 'stop=["\\n"]' in said
    assert all(row["completion"].endswith(".\n") for row in only(rows))


def test_a_beginning_that_runs_on_into_the_text_stays(old, tmp_path):
    _, rows_before, _, _, rows = both(old, "item.jsonl", tmp_path)
    assert only(rows_before)[3]["completion"] == " 3\n"
    assert only(rows)[3]["completion"] == " Answer about item 3\n"


def test_chats_are_prepared_too(old, tmp_path):
    before, _, code, said, _ = both(old, "chat.jsonl", tmp_path)
    assert before["code"] == 1
    assert "is missing" in before["said"]
    assert code == 0
    assert "No remediations found" in said


def test_only_columns_that_look_alike_are_warned_of(old, tmp_path):
    before, rows_before, _, said, rows = both(old, "like.csv", tmp_path)
    assert "WARNING: Some of the additional columns" in before["said"]
    assert "WARNING" not in said
    assert rows == rows_before


def test_the_line_break_at_the_end_of_a_text_is_no_row(old, tmp_path):
    before, rows_before, _, said, rows = both(old, "blank_end.txt", tmp_path)
    assert "Remove 1 rows" in before["said"]
    assert "Remove" not in said
    assert rows == rows_before


def test_a_cell_that_says_na_or_none_is_a_text(old, tmp_path):
    before, _, _, _, rows = both(old, "not_available.csv", tmp_path)
    assert "Remove 10 rows with empty completions" in before["said"]
    completions = [row["completion"] for part in rows.values() for row in part]
    assert completions.count(" NA") == 10


def test_the_long_row_is_removed_and_not_its_neighbour(old, tmp_path):
    before, rows_before, _, said, rows = both(old, "wrong_row.jsonl", tmp_path)
    assert changes(said) == changes(before["said"])
    assert any(row["prompt"].startswith("long") for row in only(rows_before))
    assert not any(row["prompt"].startswith("long") for row in only(rows))
    assert any(row["prompt"].startswith("last") for row in only(rows))


def test_one_and_the_same_answer_is_refused_for_classification_too(old, tmp_path):
    before, _, code, said, _ = both(old, "one_answer.jsonl", tmp_path)
    assert before["code"] == 0
    assert code == 1
    assert "all completions are identical" in said


def test_a_json_array_is_converted(old, tmp_path):
    before, rows_before, _, said, rows = both(old, "array.json", tmp_path)
    assert "No remediations found" in before["said"]
    assert rows_before == {}
    assert "Your format `JSON` will be converted to `JSONL`" in said
    assert only(rows) == READY


def test_the_content_decides_and_not_the_name(old, tmp_path):
    _, rows_before, _, _, rows = both(old, "named_so.txt", tmp_path)
    assert only(rows_before)[0]["prompt"] != READY[0]["prompt"]
    assert only(rows) == READY


def test_objects_are_written_as_json_and_not_as_python(old, tmp_path):
    _, rows_before, _, said, rows = both(old, "values.jsonl", tmp_path)
    assert "{'wolf': 5, 'ok': True}" in only(rows_before)[5]["completion"]
    assert '{"wolf": 5, "ok": true}' in only(rows)[5]["completion"]
    assert "[Necessary] Write 10 rows as texts" in said


def test_every_trap_is_listed_in_the_documentation():
    listed = (ROOT / "docs" / "prepare-data.md").read_text(encoding="utf-8")
    rows = [line for line in listed.splitlines() if line.startswith("| `")]
    assert {re.search(r"`(.*?)`", row).group(1) for row in rows} == set(TRAPS)
