"""`check`, `duplicates`, `split` and `convert` as a learner types them."""

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from finetune_kit.cli import main
from tests.learner import PROVERBS, ROOT, chat_file, faulty_file

TRAIN = PROVERBS / "train.jsonl"
TICKETS = ROOT / "data" / "tickets" / "sample.jsonl"
MESSY = ROOT / "data" / "messy"


def run(*arguments, code=0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.output


def rows_of(path):
    return [json.loads(line) for line in path.open(encoding="utf-8")]


def test_a_file_that_the_upload_refuses_for_its_name_fails_the_check(tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_bytes(TRAIN.read_bytes())
    assert "is called 'notes.txt'" in run("check", notes, code=1)
    (found,) = json.loads(run("check", notes, "--json", code=1))["findings"]
    assert found["service_message"].startswith("Invalid extension '.txt'")


def test_a_fault_in_json_has_one_position_the_files():
    said = run("check", MESSY / "chat.jsonl", "--line", 34, code=1)
    (line,) = [text for text in said.splitlines() if "line 34," in text]
    assert "line 34, column 120: invalid JSON" in line
    assert line.count("line") == line.count("column") == 1


def test_the_method_wanted_is_compared_with_the_data():
    assert "method dpo" in run("check", TRAIN, "--method", "dpo", code=1)
    run("check", MESSY / "preference.jsonl", "--method", "dpo", code=1)


def test_the_models_limit_tells_what_is_cut(tmp_path):
    long = {"messages": [{"role": "user", "content": "word " * 6000}]}
    long["messages"].append({"role": "assistant", "content": "Yes."})
    path = tmp_path / "long.jsonl"
    rows = [*rows_of(TRAIN)[:10], long]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert "nothing to fix" in run("check", path)
    said = run("check", path, "--model", "gpt-3.5-turbo-0613")
    assert "4,096 are read" in said
    assert "not in the catalog" in run("check", path, "-m", "gpt-9", code=1)


def test_rows_of_the_training_file_are_found(tmp_path):
    first = chat_file(tmp_path / "first.jsonl", 12)
    said = run("check", first, "--training", TRAIN)
    assert "the same as line 12 of the training file" in said


def test_structure_alone_can_be_looked_at_by_all_cores(tmp_path):
    twice = tmp_path / "twice.jsonl"
    twice.write_bytes(TRAIN.read_bytes() * 2)
    assert "100 warnings" in run("check", twice)
    assert "nothing to fix" in run("check", twice, "--structure")
    assert "--structure" in run("check", twice, "-j", 0, code=2)


def test_findings_are_shown_of_one_code_or_all():
    messy = MESSY / "chat.jsonl"
    assert "more (--all shows them)" in run("check", messy, code=1)
    said = run("check", messy, "--all", code=1)
    assert "line 47" in said
    assert "more" not in said.splitlines()[-2]
    said = run("check", messy, "--code", "unknown_role", code=1)
    assert ("'bot'" in said, "3 of 49 findings shown (--code" in said) == (True, True)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--code", "blank_prompt"), 2, "no finding has this code"),
        (("--code", "unknown_rol"), 2, "Did you mean unknown_role?"),
        (("--code", "unknown_role", "--json"), 1, '"findings": []'),
        (("--code", "too_many_images"), 1, "0 of 1 findings shown (--code too_many_"),
        (("--code", "secret", "--line", 2), 1, "shown (--code secret --line 2)"),
        (("--line", 2), 1, "0 of 1 findings shown (--line 2)"),
    ],
)
def test_what_is_not_shown_is_not_called_sound(words, code, said, tmp_path):
    few = chat_file(tmp_path / "few.jsonl", 3)
    shown = run("check", few, *words, code=code)
    assert said in shown
    assert "nothing to fix" not in shown
    assert code == 2 or "--json" in words or "1 error" in shown


def test_the_command_of_the_repair_can_be_pasted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, written in (("my file.jsonl", "'my file.jsonl'"), ("-x.jsonl", "-- -x")):
        faulty_file(tmp_path / name)
        said = run("check", "--", name, code=1)
        assert f"finetune-kit repair {written}" in said


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such pipes")
@pytest.mark.parametrize(
    "command",
    ["check", "tokens", "convert", "duplicates", "repair", "split", "prepare-data",
     "files create", "jobs create -m tinygpt -t", "fine-tunes create -t"],
)  # fmt: skip
def test_a_pipe_or_a_folder_is_refused_by_its_name(command, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    said = " ".join(run(*command.split(), pipe, code=2).split())
    assert f"{pipe}' must be a regular file; save what the pipe gives" in said
    said = run(*command.split(), tmp_path, code=2)
    assert "is a folder" in said or "is a directory" in said


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
@pytest.mark.parametrize(
    "command",
    ["jobs create -m m -t t --learning-rate-multiplier", "jobs create -m m -t t --beta",
     "chat -m m hi --temperature", "fine-tunes create -t t --prompt-loss-weight",
     "fine-tunes create -t t --classification-betas",
     "completions create -m m -p p --temperature",
     "api completions.create -m m -p p --top_p"],
)  # fmt: skip
def test_a_number_that_json_cannot_hold_is_refused_by_its_option(command, number):
    said = run(*command.split(), number, code=2)
    assert f"{command.split()[-1]}" in said
    assert f"'{number}' is not a finite number" in said


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_loses_no_letter_on_any_console(encoding, tmp_path):
    path = tmp_path / "Λόγος.jsonl"
    path.write_bytes(TRAIN.read_bytes())
    command = [sys.executable, "-m", "finetune_kit.cli", "check", "--json", str(path)]
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    said = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, check=True)
    assert json.loads(said.stdout.decode(encoding))["file"] == str(path)


@pytest.mark.skipif(os.name != "posix", reason="pipes of Windows differ")
def test_nothing_is_said_where_nobody_reads_on():
    command = [sys.executable, "-m", "finetune_kit.cli", "check", "--all"]
    reads, writes = os.pipe()
    os.close(reads)
    checked = subprocess.run(
        [*command, str(MESSY / "chat.jsonl")],
        cwd=ROOT,
        stdout=writes,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writes)
    assert (checked.returncode, checked.stderr) == (1, "")


def test_check_names_the_repair(tmp_path):
    faulty = faulty_file(tmp_path / "faulty.jsonl")
    assert f"finetune-kit repair {faulty}" in run("check", faulty, code=1)
    assert "finetune-kit repair" not in run("check", TRAIN)


def test_duplicates_are_found_within_and_across_files(tmp_path):
    first = chat_file(tmp_path / "first.jsonl", 12)
    said = run("duplicates", TRAIN, first, code=1)
    assert "12 exact" in said
    assert "12 across files" in said
    found = json.loads(run("duplicates", TRAIN, first, "--json", code=1))
    assert found["groups"][0]["members"] == [["train.jsonl", 1], ["first.jsonl", 1]]
    assert "no duplicates" in run("duplicates", TRAIN, "--exact")
    run("duplicates", TRAIN, "--exact", "--threshold", 0.8, code=2)


def test_lines_that_duplicates_cannot_read_are_told(tmp_path):
    path = chat_file(tmp_path / "rows.jsonl", 12)
    with path.open("a", encoding="utf-8") as rows:
        rows.write('{"messages":\n\n5\n')
    said = " ".join(run("duplicates", path).split())
    assert "among 12 examples; 2 lines could not be read (rows.jsonl: 13, 15)" in said
    assert "`finetune-kit check` says why" in said
    found = json.loads(run("duplicates", path, "--json"))
    assert found["unread"] == {"rows.jsonl": [13, 15]}
    (tmp_path / "cut.jsonl").write_bytes(BAD["cut.jsonl"])
    said = run("duplicates", TRAIN, tmp_path / "cut.jsonl", code=1)
    assert "Nothing to compare: 1 line could not be read (cut.jsonl: 1)" in said


def test_a_split_keeps_a_customers_rows_together(tmp_path):
    said = run("split", TICKETS, "--by", "customer", "-o", tmp_path)
    train = rows_of(tmp_path / "sample_train.jsonl")
    valid = rows_of(tmp_path / "sample_validation.jsonl")
    assert len(train) + len(valid) == len(rows_of(TICKETS))
    customers = [{row["customer"] for row in rows} for rows in (train, valid)]
    assert not customers[0] & customers[1]
    assert "groups by customer" in said


def test_a_split_by_pattern_into_three_parts_for_programs(tmp_path):
    words = ("--pattern", r"C-\d+", "--sizes", "0.6,0.2,0.2", "-o", tmp_path, "--json")
    parts = json.loads(run("split", TICKETS, *words))
    assert [part["part"] for part in parts] == ["train", "validation", "test"]
    assert all(len(rows_of(tmp_path / p["file"])) == p["rows"] for p in parts)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--sizes", "most"), 2, "write shares as 0.8,0.2"),
        (("--sizes", "0.8,0.8"), 1, "add up to 1"),
        (("--by", "buyer"), 1, "its keys are: customer"),
        (("--by", "customer", "--pattern", "C"), 2, "exclude each other"),
        (("--pattern", "("), 2, "--pattern ("),
    ],
)
def test_a_split_that_cannot_be_is_told(words, code, said, tmp_path):
    assert said in run("split", TICKETS, *words, "-o", tmp_path, code=code)
    assert list(tmp_path.iterdir()) == []


def test_a_table_becomes_chats_that_pass_the_check(tmp_path):
    path = tmp_path / "chats.jsonl"
    form = ("user={message}", "assistant=team,urgency,tone")
    words = [word for one in form for word in ("--template", one)]
    run("convert", TICKETS, *words, "-s", "Sort the message.", "-o", path)
    run("check", path)
    (system, _, answer) = rows_of(path)[0]["messages"]
    assert system == {"role": "system", "content": "Sort the message."}
    assert set(json.loads(answer["content"])) == {"team", "urgency", "tone"}


def test_what_cannot_be_converted_is_told(tmp_path):
    said = run("convert", TICKETS, code=1)
    assert 'by a template which is what, for example user: "{customer}"' in said
    assert "write it as" in run("convert", TICKETS, "--template", "user", code=2)
    pairs = tmp_path / "pairs.jsonl"
    assert "away" in run("convert", ROOT / "data" / "reviews" / "sample.jsonl")
    run("convert", TRAIN, "--to", "completion", "-o", pairs)
    assert set(rows_of(pairs)[0]) == {"prompt", "completion"}
    assert "does not end in .jsonl" in run("convert", pairs, "-o", "x.txt", code=1)


BAD = {
    "empty.jsonl": b"",
    "blank.jsonl": b"\n\n",
    "cut.jsonl": b'{"messages":',
    "bytes.jsonl": bytes(range(256)) * 20,
    "workbook.xlsx": b"PK\x03\x04 and no more",
    "columns.csv": b"a,b\n1,2\n3,4\n",
    "open.csv": b'prompt,completion\n"a,b\n',
    "numbers.json": b"[1, 2, 3]",
    "scalars.jsonl": b'"text"\n5\nnull\n',
    "deep.jsonl": b"[" * 100_000,
    "one.jsonl": b'{"prompt": "a", "completion": "b"}\n',
    "utf16.jsonl": b"\xff\xfe{\x00",
    "half.jsonl": b'{"messages": [{"role": "user", "content": "\\ud800"}]}\n',
    "keys.jsonl": b'{"messages": {"role": 1}, "prompt": [], "": null}\n',
}
COMMANDS = (
    "check",
    "check --structure",
    "check --json",
    "repair",
    "repair --fix safe --fix not_utf8 --fix personal_data --json",
    "prepare-data -q",
    "prepare-data -q --to chat",
    "tokens",
    "tokens --saves 10",
    "duplicates",
    "duplicates --questions",
    "split",
    "convert",
    "convert --to completion",
)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", BAD)
def test_no_bad_file_makes_a_command_fall_over(name, command, tmp_path):
    path = tmp_path / name
    path.write_bytes(BAD[name])
    name_of_command, *options = command.split()
    result = CliRunner().invoke(main, [name_of_command, str(path), *options])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.exit_code in (0, 1)
    assert result.output.strip()
    assert path.read_bytes() == BAD[name]


def test_bytes_that_are_no_text_are_not_taken_for_one(tmp_path):
    path = tmp_path / "picture.jsonl"
    path.write_bytes(BAD["bytes.jsonl"])
    run("check", path, code=1)
    run("repair", path, code=1)
    assert "plain text" not in run("check", path, "--all", code=1)


def test_a_table_with_a_quote_left_open_stays_a_table(tmp_path):
    path = tmp_path / "open.csv"
    path.write_bytes(BAD["open.csv"])
    assert "the file is a table (CSV)" in run("check", path, code=1)
