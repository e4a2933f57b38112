"""The documents hold: what they show runs, what they name exists, links lead there."""

from __future__ import annotations

import csv
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import click
import pytest
from click.testing import CliRunner

import finetune_kit
from finetune_kit.cli import main
from finetune_kit.connect import find_target
from finetune_kit.dataset.personal import PERSONAL, SECRETS
from tests.learner import ROOT, fresh_home

DOCS = ROOT / "docs"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
GUIDE = (DOCS / "data.md").read_text(encoding="utf-8")
TEACHING = (DOCS / "instructor-guide.md").read_text(encoding="utf-8")
#: Commands whose answer about the course's faulty files is no.
NO = re.compile(r"check data/messy|repair data/messy/chat|duplicates .*tickets")


class Lesson(NamedTuple):
    """What a notebook's first cell says of it."""

    path: Path
    title: str
    teach: int
    practise: int


def cells(path: Path) -> dict[str, str]:
    """Id -> text of every cell of a notebook."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return {cell["id"]: "".join(cell["source"]) for cell in notebook["cells"]}


def lessons() -> dict[str, Lesson]:
    """Number -> lesson, from the cards of the notebooks."""
    found = {}
    for path in NOTEBOOKS:
        card = next(iter(cells(path).values()))
        title = re.match(r"# (.*)", card)
        minutes = re.search(r"\| Minutes \| (\d+) to teach, (\d+) to practise \|", card)
        assert title, path
        assert minutes, path
        teach, practise = map(int, minutes.groups())
        found[path.name[:2]] = Lesson(path, title[1], teach, practise)
    return found


def timing_table() -> str:
    """The instructor guide's table of minutes, as the notebooks' cards have them."""
    found = lessons().values()
    rows = [
        (f"[{one.title}](../notebooks/{one.path.name})", one.teach, one.practise)
        for one in found
    ]
    rows.append(("all", sum(row[1] for row in rows), sum(row[2] for row in rows)))
    head = ["| lesson | teach | practise |", "| --- | --- | --- |"]
    return "\n".join(head + [f"| {a} | {b} | {c} |" for a, b, c in rows])


def prose(path: Path) -> str:
    """A document's text without its code blocks; of a notebook, the Markdown."""
    if path.suffix == ".ipynb":
        notebook = json.loads(path.read_text(encoding="utf-8"))
        markdown = [c for c in notebook["cells"] if c["cell_type"] == "markdown"]
        text = "\n".join("".join(cell["source"]) for cell in markdown)
    else:
        text = path.read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives to a document's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.M)
    kept = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in kept}


def documents() -> list[Path]:
    """Every Markdown file that git knows, and every notebook."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *NOTEBOOKS]
    names = listed.stdout.decode().split("\0")
    found = [ROOT / name for name in names if name.endswith((".md", ".ipynb"))]
    return [path for path in found if path.is_file()]


def own_table(path: Path) -> None:
    """Questions and answers as a learner has them: a CSV file."""
    train = ROOT / "data" / "proverbs" / "train.jsonl"
    rows = map(json.loads, train.read_text(encoding="utf-8").splitlines())
    turns = [[turn["content"] for turn in row["messages"]] for row in rows]
    with path.open("w", encoding="utf-8", newline="") as file:
        written = csv.writer(file)
        written.writerow(["question", "answer"])
        written.writerows(turn[1:] for turn in turns)


def help_of(command: str) -> int:
    """The exit status of ``--help`` of a `finetune-kit …` line without its values."""
    words = shlex.split(command)[1:]
    own = [word for word in words if re.fullmatch(r"[a-z][\w.-]*", word)]
    return CliRunner().invoke(main, [*own, "--help"]).exit_code


def left_out(line: str) -> set[str | None]:
    """The required parameters that a `finetune-kit …` line leaves out.

    A line without any value, such as `finetune-kit jobs create`, only names a command.
    """
    command: click.Command = main
    words = shlex.split(line)[1:]
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    if all(word.startswith("-") for word in words):
        return set()
    given, _, _ = command.make_parser(click.Context(command)).parse_args(words)
    found = {name for name, v in given.items() if v and isinstance(v, str | tuple)}
    return {one.name for one in command.params if one.required} - found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_guides_commands_do_what_it_says(folder: Path):
    commands = re.findall(r"^finetune-kit (.+)$", GUIDE, re.M)
    assert len(commands) > 10
    for command in commands:
        result = CliRunner().invoke(main, shlex.split(command))
        wanted = 1 if NO.match(command) else 0
        assert result.exit_code == wanted, f"{command}\n{result.output}"
        assert not result.exception or isinstance(result.exception, SystemExit)
    written = {path.name for path in folder.glob("*.jsonl")}
    assert written == {
        *("readable.jsonl", "better.jsonl"),
        *("table.jsonl", "reviews.jsonl", "tickets.jsonl"),
    }


def test_the_guides_python_runs(folder: Path):
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", GUIDE, re.M | re.S))
    assert len(code.splitlines()) > 15
    exec(compile(code, "docs/data.md", "exec"), {})
    assert (folder / "parts" / "sample_train.jsonl").exists()


def test_the_guide_names_every_pattern_of_personal_data_and_secrets():
    words = " ".join(GUIDE.split())
    assert {name for name in {**PERSONAL, **SECRETS} if name not in words} == set()


def test_the_guide_shows_every_name_for_data_that_the_kit_hands_on():
    homes = finetune_kit._HOMES
    names = {name for name, home in homes.items() if ".dataset" in home}
    names |= {"token_histogram", "break_even_chart", "estimate"}
    assert {name for name in names if f"kit.{name}(" not in GUIDE} == set()


@pytest.mark.parametrize(
    "document", documents(), ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_every_link_of_a_document_leads_to_a_file_and_a_heading(document: Path):
    links = re.findall(r"\]\(([^)\s]+)\)", prose(document))
    for link in (link for link in links if "://" not in link):
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_the_index_names_every_document():
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    missing = [path.name for path in DOCS.glob("*.md") if f"({path.name})" not in index]
    assert missing == ["README.md"]


def test_the_glossary_is_in_alphabetical_order():
    text = (DOCS / "glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"^## (.+)$", text, re.M)
    letters = [re.sub(r"[^a-z0-9]", "", term.lower()) for term in terms]
    assert len(letters) > 80
    assert letters == sorted(set(letters))


def test_every_term_of_the_glossary_is_explained_in_a_few_words():
    text = (DOCS / "glossary.md").read_text(encoding="utf-8")
    for entry in re.split(r"^## ", text, flags=re.M)[1:]:
        term, _, explained = entry.partition("\n")
        assert 4 <= len(explained.split()) <= 60, term


def test_the_timing_table_has_the_minutes_of_the_notebooks_cards():
    assert timing_table() in TEACHING


def test_a_cut_lasts_as_long_as_its_lessons():
    cuts = re.findall(r"^\| .+ \| ([\d, ]+) \| (\d+) \| (\d+) \|$", TEACHING, re.M)
    assert len(cuts) == 2
    found = lessons()
    for numbers, teach, practise in cuts:
        chosen = [found[number] for number in numbers.split(", ")]
        assert sum(lesson.teach for lesson in chosen) == int(teach)
        assert sum(lesson.practise for lesson in chosen) == int(practise)


def test_every_sentence_that_a_lesson_asks_for_has_a_good_answer():
    answered = set(re.findall(r"^\| (\d\d) \| .+\? \| .+ \|$", TEACHING, re.M))
    asking = {
        number
        for number, lesson in lessons().items()
        if "explain in one sentence" in " ".join(prose(lesson.path).lower().split())
    }
    assert asking <= answered


@pytest.mark.parametrize("name", ["instructor-guide", "use-my-own-data", "other-tasks"])
def test_what_a_guide_types_runs(name: str, folder: Path):
    own_table(folder / "mine.csv")
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    with fresh_home(folder / "ws"):
        for block in re.findall(r"^```python\n(.*?)^```", text, re.M | re.S):
            exec(compile(block, f"docs/{name}.md", "exec"), names)
    models = names["models"]
    assert isinstance(models, dict)
    assert models["tuned"].startswith("ft:")


@pytest.mark.parametrize("name", ["openai", "azure", "nebius"])
def test_the_addresses_and_variables_of_an_api_are_those_that_connect_reads(
    name: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "`AZURE_OPENAI_ENDPOINT` followed by `")
    target = find_target(name)
    text = (DOCS / "point-it-at-azure.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| `{name}` \| (.*) \| (.*) \|$", text, re.M)
    assert target.base_url.strip("`") in row[0].strip("`")
    assert f"`{target.key_variable}`" in row[1]


@pytest.mark.parametrize(
    "name", ["instructor-guide", "jupyterhub", "run-it-for-a-class"]
)
def test_the_commands_of_a_guide_exist(name: str):
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    commands = re.findall(r"^finetune-kit .+$|(?<=`)finetune-kit [^`]+", text, re.M)
    assert commands
    assert {line for line in commands if help_of(line) != 0} == set()


def test_no_command_of_a_document_leaves_out_what_it_needs():
    wrong = {
        f"{path.name}: {line}": missing
        for path in documents()
        if path.suffix == ".md"
        for line in re.findall(
            r"^finetune-kit .+$|(?<=`)finetune-kit [^`]+",
            path.read_text(encoding="utf-8"),
            re.M,
        )
        if (missing := left_out(line))
    }
    assert wrong == {}


def seeds_rows() -> list[tuple[str, str, str]]:
    text = (DOCS / "seeds-in-the-course.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.*) \| (.*) \| (.*) \|$", text, re.M)
    return [row for row in rows if row[0] != "in the guides" and row[0][0] != "-"]


def test_everything_in_the_guides_has_its_cell_or_command():
    rows = seeds_rows()
    assert len(rows) > 40
    for what, where, command in rows:
        found = re.findall(r"\(\.\./notebooks/([\w.]+)\)((?:,? `[\w-]+`)+)", where)
        assert found or command, what
        for notebook, ids in found:
            named = set(re.findall(r"`([\w-]+)`", ids))
            assert named <= set(cells(ROOT / "notebooks" / notebook)), what
        for line in re.findall(r"`(finetune-kit [^`]+)`", command):
            assert help_of(line) == 0, line
