"""The notebooks run: outputs as committed, other parameters, a hostile environment."""

import json
import os
import platform
import subprocess
import sys

import nbformat
import pytest

from finetune_kit import connect, workspace
from finetune_kit.cli import execution
from finetune_kit.cli.execution import parameters
from tests.learner import ROOT, fresh_home

HERE = ROOT / "tests" / "notebooks"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NOTEBOOK = NOTEBOOKS[0]
OTHERS = {"seed": 11, "suffix": "other", "model": "gpt-4o-mini"}
MASK = (
    "nbval.cfg" if platform.machine() in {"x86_64", "AMD64"} else "nbval_other_cpu.cfg"
)
NOWHERE = "http://127.0.0.1:9"
HOSTILE = {
    "HTTP_PROXY": NOWHERE,
    "HTTPS_PROXY": NOWHERE,
    "ALL_PROXY": NOWHERE,
    "http_proxy": NOWHERE,
    "OPENAI_API_KEY": "sk-somebody-elses",
    "OPENAI_BASE_URL": "https://api.example.org/v1",
    "OPENAI_ORG_ID": "org-somebody",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with fresh_home(tmp_path_factory.mktemp("notebooks") / "ws") as folder:
        yield folder


def start(*arguments, notebook=NOTEBOOK, **env):
    command = [sys.executable, "-m", "finetune_kit.cli", "run", str(notebook), "--json"]
    return subprocess.Popen(
        [*command, *arguments],
        cwd=ROOT,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    return json.loads(out)


def jobs():
    return list(connect().fine_tuning.jobs.list())


each_notebook = pytest.mark.parametrize(
    "notebook", NOTEBOOKS, ids=lambda path: path.name
)


@each_notebook
def test_committed_outputs_are_what_a_run_gives(notebook, tmp_path):
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = sum(cell["cell_type"] == "code" for cell in cells)
    with fresh_home(tmp_path / "ws"):
        command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env"]
        command += ["-p", "no:cacheprovider", "-q", "--nbval-cell-timeout=300"]
        command += ["--nbval-sanitize-with", str(HERE / MASK), str(notebook)]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert run.returncode == 0, run.stdout[-6000:]
        assert f"{code} passed" in run.stdout


def test_two_at_the_same_time_train_once_and_a_third_run_reuses_it(home):
    for process in [start("-p", "n_epochs", "1") for _ in range(2)]:
        (row,) = finish(process)
        assert row["result"] == "ok"
    (job,) = jobs()
    finish(start("-p", "n_epochs", "1"))
    assert [again.id for again in jobs()] == [job.id]
    ran = (home / "runs" / NOTEBOOK.name).read_text(encoding="utf-8")
    assert "was done before" in ran
    assert workspace.facts()["proverbs_job"] == job.id


def test_other_parameters_reach_the_job(home):
    chosen = {"n_epochs": "1", "suffix": "other", "seed": "11"}
    arguments = [part for name in chosen for part in ("-p", name, chosen[name])]
    finish(start(*arguments))
    job = jobs()[0]
    assert (job.hyperparameters.n_epochs, job.seed) == (1, 11)
    assert ":other:" in job.fine_tuned_model


def test_an_unknown_parameter_is_an_error_that_names_the_known_ones():
    process = start("-p", "n_epoch", "1")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "has no parameter n_epoch" in err
    assert "model, n_epochs, seed, suffix" in err


def a_notebook(path, code, kernel="python3"):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    notebook.metadata["kernelspec"] = {"name": kernel, "display_name": kernel}
    nbformat.write(notebook, path)


def test_a_notebook_that_cannot_run_leaves_the_others_their_turn(tmp_path):
    a_notebook(tmp_path / "dies.ipynb", "import os; os._exit(3)")
    a_notebook(tmp_path / "kernel.ipynb", "1", kernel="nosuch")
    (tmp_path / "empty.ipynb").write_text("{}", encoding="utf-8")
    (tmp_path / "text.ipynb").write_text("no JSON", encoding="utf-8")
    a_notebook(tmp_path / "fine.ipynb", "1")
    command = [sys.executable, "-m", "finetune_kit.cli", "run", "--json"]
    names = ["dies", "kernel", "empty", "text", "fine"]
    paths = [str(tmp_path / f"{name}.ipynb") for name in names]
    ran = subprocess.run([*command, *paths], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 1, ran.stderr
    results = [row["result"].partition(":")[0] for row in json.loads(ran.stdout)]
    assert results[:2] == ["DeadKernelError", "NoSuchKernel"]
    assert results[2:] == ["ValidationError", "NotJSONError", "ok"]
    command += [paths[2], "-p", "seed", "1"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert "ValidationError" in ran.stdout


def test_a_kernel_without_unix_sockets_warns_of_nothing(
    tmp_path, home, monkeypatch, capfd
):
    with monkeypatch.context() as on_windows:
        on_windows.setattr(sys, "platform", "win32")
        transport = execution._transport(str(tmp_path))
    monkeypatch.setattr(execution, "_transport", lambda sockets: transport)
    cells = [nbformat.v4.new_code_cell("1 + 1")]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    path = tmp_path / "short.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
    assert execution.execute(path, {}).result == "ok"
    assert "WARNING" not in capfd.readouterr().err


def test_a_relative_workspace_is_the_same_one_in_the_notebooks_folder(tmp_path):
    code = "from finetune_kit import workspace\nprint(workspace.home())"
    (tmp_path / "lessons").mkdir()
    a_notebook(tmp_path / "lessons" / "where.ipynb", code)
    env = {"FINETUNE_KIT_HOME": "here", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "finetune_kit.cli", "run", "lessons/where.ipynb"]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, **env}, check=True)
    ran = (tmp_path / "here" / "runs" / "where.ipynb").read_text(encoding="utf-8")
    assert json.dumps(f"{tmp_path / 'here'}\n") in ran


def test_proxies_and_keys_of_the_environment_change_nothing_and_only_loopback_is_used(
    tmp_path,
):
    log = tmp_path / "sockets.log"
    path = os.pathsep.join([str(HERE / "loopback_only"), *sys.path])
    watched = {"PYTHONPATH": path, "SOCKET_LOG": str(log)}
    with fresh_home(tmp_path / "ws"):
        finish(start("-p", "n_epochs", "1", **watched, **HOSTILE))
    lines = log.read_text(encoding="utf-8").splitlines()
    hosts = {line.split(" ")[1] for line in lines}
    assert hosts <= {"127.0.0.1", "localhost", "::1", ""}
    # the watch was on in both: the kernel, and the server that it started
    assert any("ipykernel" in line for line in lines)
    assert any("finetune_kit.localapi" in line for line in lines)


@each_notebook
def test_a_notebook_runs_with_other_parameters(notebook, home):
    known = parameters(notebook)
    chosen = {name: value for name, value in OTHERS.items() if name in known}
    given = [part for name in chosen for part in ("-p", name, str(chosen[name]))]
    (row,) = finish(start(*given, notebook=notebook))
    assert row["result"] == "ok"
