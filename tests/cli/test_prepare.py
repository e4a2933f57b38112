"""`finetune-kit prepare-data` and `tokens`: questions, answers, exit codes."""

import json

import pytest
from click.testing import CliRunner

from finetune_kit.cli import main
from tests.learner import PROVERBS, chat_file

TRAIN = PROVERBS / "train.jsonl"


def run(*arguments, code=0, answers=None):
    command = [str(argument) for argument in arguments]
    result = CliRunner().invoke(main, command, input=answers)
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def file(tmp_path):
    rows = [
        {"prompt": f"thing {n} of {n}", "completion": "good" if n % 3 else "bad"}
        for n in range(30)
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def rows_of(path):
    return [json.loads(line) for line in path.open(encoding="utf-8")]


def test_quiet_says_yes_to_everything_and_tells_the_next_command(file):
    said = run("prepare-data", file, "-q")
    assert said.count("[Y/n]: Y") == 4
    train = file.with_name("rows_prepared_train.jsonl")
    valid = file.with_name("rows_prepared_valid.jsonl")
    assert (len(rows_of(train)), len(rows_of(valid))) == (24, 6)
    assert f'jobs create -t "{train}" -v "{valid}" -m babbage-002' in said
    assert '--classification_positive_class " good"' in said
    assert "last known price" in said


def test_the_old_spelling_does_the_same(file):
    run("tools", "fine_tunes.prepare_data", "-f", file, "-q")
    assert file.with_name("rows_prepared_train.jsonl").exists()


def test_what_is_answered_with_n_is_left(file):
    said = run("prepare-data", file, answers="n\n\nN\n\n")
    assert "split into training and validation set" in said
    (row, *_) = rows_of(file.with_name("rows_prepared.jsonl"))
    assert row == {"prompt": "thing 0 of 0", "completion": " bad"}


def test_a_declined_write_writes_nothing_and_exits_with_1(file):
    said = run("prepare-data", file, answers="\n\n\nn\n", code=1)
    assert "Aborting... did not write the file" in said
    assert list(file.parent.iterdir()) == [file]


def test_without_answers_nothing_is_written(file):
    run("prepare-data", file, answers="", code=1)
    assert list(file.parent.iterdir()) == [file]


def test_a_good_file_is_offered_as_it_is():
    said = run("prepare-data", TRAIN)
    assert "No remediations found." in said
    assert f'jobs create -t "{TRAIN}" -m gpt-4.1-mini-2025-04-14' in said


def test_what_the_service_would_still_refuse_is_said(tmp_path):
    said = run("prepare-data", chat_file(tmp_path / "few.jsonl", 4), "-q")
    assert "WARNING: training needs at least 10" in said
    assert "Still to do" in said


def test_pairs_are_converted_and_written_where_asked(file, tmp_path):
    run(
        "prepare-data",
        file,
        "-q",
        "--to",
        "chat",
        "-o",
        tmp_path / "new" / "chat.jsonl",
    )
    (row, *_) = rows_of(tmp_path / "new" / "chat_train.jsonl")
    assert [message["role"] for message in row["messages"]] == ["user", "assistant"]


def test_data_that_cannot_be_mended_is_one_clear_line(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("question,answer\na,b\nc,d\n", encoding="utf-8")
    said = run("prepare-data", path, code=1)
    assert (
        "`prompt` column/key is missing; the columns are: `question`, `answer`" in said
    )
    run("prepare-data", tmp_path / "absent.csv", code=2)


def test_tokens_tell_size_limit_and_price():
    said = run("tokens", TRAIN, "-m", "gpt-4.1")
    assert "100 examples, counted in o200k_base" in said
    assert "4113" in said
    assert "None over the limit of 65,536" in said
    assert "25 USD per million tokens" in said


def test_tokens_as_json_carry_the_break_even():
    found = json.loads(run("tokens", TRAIN, "--saves", 800, "--json"))
    assert found["trained_tokens_per_epoch"] == 4113
    assert found["cost"]["n_epochs"] == {"low": 2, "likely": 3, "high": 4}
    assert found["break_even"]["calls"]["likely"] == 214


def test_tokens_name_what_is_cut(tmp_path):
    path = tmp_path / "long.jsonl"
    long = {"messages": [{"role": "assistant", "content": "word " * 9000}]}
    path.write_text(json.dumps(long), encoding="utf-8")
    said = run("tokens", path, "-m", "gpt-3.5-turbo-0613")
    assert "line 1: 9,00" in said
    assert "are cut, in the text of assistant" in said


@pytest.mark.parametrize("model", ["gpt-4.1-mini", "gpt-4"])
def test_tokens_of_what_cannot_be_trained_on_say_what_to_do(model, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("question,answer\na,b\n", encoding="utf-8")
    said = run("tokens", path, "-m", model, code=1)
    assert f"{path} has nothing to train on" in said
    assert "finetune-kit convert" in said


def test_a_model_without_a_price_is_counted_all_the_same():
    assert "No training price is known" in run("tokens", TRAIN, "-m", "gpt-4")
    assert "No model 'gpt-9' is known" in run("tokens", TRAIN, "-m", "gpt-9", code=1)
