import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import openai
import pytest

from finetune_kit import workspace
from tests.learner import ROOT


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FINETUNE_KIT_HOME", str(tmp_path / "ws"))
    monkeypatch.delenv("FINETUNE_KIT_TARGET", raising=False)
    return tmp_path / "ws"


class Jobs:
    """A resource with one job of the given status, or none."""

    def __init__(self, status=None):
        self.status = status

    def retrieve(self, id_):
        if self.status is None:
            reply = SimpleNamespace(request=None, status_code=404, headers={})
            raise openai.NotFoundError("gone", response=reply, body=None)
        return SimpleNamespace(id=id_, status=self.status)


@pytest.mark.parametrize("inside", [".", "deeper"])
def test_a_file_where_the_workspace_should_be_is_told(home, inside):
    home.write_text("not a folder")
    chosen = home / inside
    with pytest.MonkeyPatch.context() as env:
        env.setenv("FINETUNE_KIT_HOME", str(chosen))
        with pytest.raises(OSError, match=r"a file is in the way.*FINETUNE_KIT_HOME"):
            workspace.home()


def test_facts_of_several_lessons_are_kept_together():
    workspace.remember(model="ft:a", seed=7)
    workspace.remember(seed=8)
    assert workspace.facts() == {"model": "ft:a", "seed": 8}


def test_damaged_facts_say_which_file_to_delete(home):
    workspace.remember(seed=7)
    (home / "facts.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"facts\.json.*delete it"):
        workspace.facts()


def test_a_step_may_be_called_what_no_file_can(home):
    with workspace.step("train: again?", seed=7):
        names = [path.name for path in (home / "locks").iterdir()]
    assert names
    assert not any(set(name) & set('\\/:*?"<>|') for name in names)


def test_a_step_done_before_is_found_and_said(capsys):
    with workspace.step("train", seed=7) as done:
        assert done.get(Jobs("running")) is None
        done.keep(SimpleNamespace(id="ftjob-1"))
    with workspace.step("train", seed=7) as done:
        assert done.get(Jobs("running")).id == "ftjob-1"
    assert "ftjob-1" in capsys.readouterr().out


def test_other_settings_are_another_step():
    with workspace.step("train", seed=7) as done:
        done.keep(SimpleNamespace(id="ftjob-1"))
    with workspace.step("train", seed=8) as done:
        assert done.get(Jobs("succeeded")) is None


def test_changed_data_are_another_step(tmp_path):
    data = tmp_path / "train.jsonl"
    data.write_text("a", encoding="utf-8")
    with workspace.step("train", data) as done:
        done.keep(SimpleNamespace(id="ftjob-1"))
    data.write_text("b", encoding="utf-8")
    with workspace.step("train", data) as done:
        assert done.get(Jobs("succeeded")) is None


@pytest.mark.parametrize("status", [None, "failed", "cancelled"])
def test_what_is_gone_or_failed_is_done_anew(status):
    with workspace.step("train") as done:
        done.keep(SimpleNamespace(id="ftjob-1"))
    with workspace.step("train") as done:
        assert done.get(Jobs(status)) is None


def test_two_at_the_same_step_do_it_once():
    made = []

    def lesson(number):
        with workspace.step("train", seed=7) as done:
            if done.get(Jobs("running")) is None:
                made.append(number)
                done.keep(SimpleNamespace(id=f"ftjob-{number}"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lesson, range(4)))
    assert len(made) == 1


def test_facts_written_by_several_processes_are_all_there(home):
    code = "import sys; from finetune_kit import remember; remember(**{sys.argv[1]: 1})"
    runs = [
        subprocess.Popen([sys.executable, "-c", code, f"fact{n}"], cwd=ROOT)
        for n in range(4)
    ]
    assert [run.wait() for run in runs] == [0] * 4
    assert json.loads((home / "facts.json").read_text(encoding="utf-8"))["facts"] == {
        f"fact{n}": 1 for n in range(4)
    }


def test_a_kernel_in_notebooks_and_a_shell_at_the_root_share_a_workspace(
    tmp_path, monkeypatch
):
    monkeypatch.delenv("FINETUNE_KIT_HOME")
    (tmp_path / "notebooks").mkdir()
    project = '[project]\nname = "finetune-kit"\n'
    (tmp_path / "pyproject.toml").write_text(project, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    at_root = workspace.home()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert workspace.home() == at_root == Path(tmp_path / "workspace").resolve()


def test_outside_a_checkout_the_workspace_is_in_the_users_data_folder(
    tmp_path, monkeypatch
):
    monkeypatch.delenv("FINETUNE_KIT_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert workspace.home().name == "finetune-kit"
    assert tmp_path in workspace.home().parents
