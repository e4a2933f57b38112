"""The project holds together: metadata, locks, layout, and what the README promises."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import finetune_kit

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "finetune_kit"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = ["requirements.lock", "requirements-test.lock"]
MODULES = sorted(PACKAGE.rglob("*.py"))
#: Module name of an import -> name of the distribution, where they differ.
DISTRIBUTIONS = {"IPython": "ipython", "PIL": "pillow", "pydantic_core": "pydantic"}


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def pins(lock: str) -> set[tuple[str, str]]:
    """(name, version) of every package in a lock."""
    found = re.findall(r"^([a-z0-9][\w.-]*)==(\S+)", text_of(lock), re.M)
    assert found
    return set(found)


def names(requirements: list[str]) -> set[str]:
    """Normalised distribution names of requirement strings."""
    found = (re.match(r"[\w.-]+", requirement) for requirement in requirements)
    return {re.sub(r"[-_.]+", "-", match.group()).lower() for match in found if match}


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, anywhere in it, by its absolute name."""
    package = path.relative_to(ROOT).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: -node.level]) if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def is_within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == p or module.startswith(p + ".") for p in packages)


def offenders(files: list[Path], forbidden: tuple[str, ...]) -> set[tuple[str, str]]:
    return {
        (path.relative_to(ROOT).as_posix(), module)
        for path in files
        for module in imports(path)
        if is_within(module, forbidden)
    }


def server_side(path: Path) -> bool:
    return path.relative_to(PACKAGE).parts[0] in ("localapi", "engines")


def tracked() -> list[Path]:
    """Files that git tracks or would track; all but the ignored ones."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no git checkout")
    found = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in found if path.is_file()]


def test_the_version_is_the_same_everywhere():
    assert PYPROJECT["project"]["version"] == finetune_kit.__version__


def test_every_dependency_is_pinned_in_the_lock():
    pinned = {name for name, _ in pins("requirements.lock")}
    declared = PYPROJECT["project"]["dependencies"]
    build = PYPROJECT["dependency-groups"]["build"]
    assert names(declared + build) - pinned == set()


def test_every_test_dependency_is_pinned_in_the_test_lock():
    pinned = {name for name, _ in pins("requirements-test.lock")}
    extras = PYPROJECT["project"]["optional-dependencies"]
    assert names(extras["test"] + extras["dev"]) - pinned == set()


def test_the_test_lock_holds_the_other_lock():
    assert pins("requirements.lock") <= pins("requirements-test.lock")


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_hashes_and_no_address(lock: str):
    text = text_of(lock)
    assert "://" not in text
    assert "torch" not in {name for name, _ in pins(lock)}
    entries = re.split(r"\n(?=\S)", text.strip())
    assert all("--hash=sha256:" in entry for entry in entries)


def test_what_the_package_imports_is_declared():
    declared = names(PYPROJECT["project"]["dependencies"])
    used = {
        module.split(".")[0] for path in MODULES for module in imports(path) if module
    }
    foreign = used - set(sys.stdlib_module_names) - {"finetune_kit", "__future__"}
    needed = names([DISTRIBUTIONS.get(name, name) for name in foreign])
    assert needed - declared == set()


def test_conda_reads_environment_yml():
    rattler = pytest.importorskip("rattler")
    environment = yaml.safe_load(text_of("environment.yml"))
    # the keys and types of CEP 24
    assert set(environment) == {"name", "channels", "dependencies"}
    assert environment["name"] == "finetune-kit"
    assert all(isinstance(channel, str) for channel in environment["channels"])
    *specs, pip = environment["dependencies"]
    for spec in specs:
        rattler.MatchSpec(spec)
    assert "pip" in specs
    assert set(pip) == {"pip"}
    for line in pip["pip"]:
        assert (ROOT / line.removeprefix("-r ")).is_file()


def test_condas_python_is_one_that_the_package_takes():
    environment = yaml.safe_load(text_of("environment.yml"))
    python = next(s for s in environment["dependencies"] if s.startswith("python="))
    oldest = PYPROJECT["project"]["requires-python"].removeprefix(">=")
    version = [int(part) for part in python.removeprefix("python=").split(".")]
    assert version >= [int(part) for part in oldest.split(".")]


def test_start_py_asks_for_the_same_python():
    start = text_of("start.py")
    oldest = PYPROJECT["project"]["requires-python"].removeprefix(">=")
    assert f"OLDEST_PYTHON = ({oldest.replace('.', ', ')})" in start


def test_start_py_needs_the_standard_library_only():
    used = {module.split(".")[0] for module in imports(ROOT / "start.py")}
    assert used <= set(sys.stdlib_module_names)


def test_the_learners_half_never_imports_the_server():
    half = [path for path in MODULES if not server_side(path)]
    forbidden = ("finetune_kit.localapi", "finetune_kit.engines")
    assert offenders(half, forbidden) == set()


def test_the_server_imports_neither_numpy_nor_the_engine():
    server = [p for p in MODULES if p.relative_to(PACKAGE).parts[0] == "localapi"]
    assert server
    assert offenders(server, ("numpy", "finetune_kit.engines.tinygpt")) == set()


def test_what_the_server_shares_with_learners_loads_no_numpy():
    code = (
        "import sys, finetune_kit, finetune_kit.dataset, finetune_kit.catalog\n"
        "print(*{'numpy', 'pandas', 'openai'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True)
    assert (ran.returncode, ran.stdout.split()) == (0, []), ran.stderr.decode()


def test_no_file_of_the_package_is_longer_than_400_lines():
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_bytes().splitlines())
        for path in MODULES
    }
    assert {name: n for name, n in lengths.items() if n > 400} == {}


def test_no_tracked_file_holds_a_path_of_somebodys_machine():
    machine = re.compile(rb"(?<![\w./~-])/(?:root|work|(?:home|Users)/(?!me/)\w+)/")
    found = [
        path.relative_to(ROOT).as_posix()
        for path in tracked()
        if path.suffix not in (".npz", ".xz", ".png")
        and machine.search(path.read_bytes())
    ]
    assert found == []


def test_the_readmes_commands_exist():
    readme = text_of("README.md")
    assert re.findall(r"^python3 start\.py ?(\w*)", readme, re.M) == ["", "run", "test"]
    for command in set(re.findall(r"^finetune-kit ([\w-]+)", readme, re.M)) | {
        "lab",
        "run",
    }:
        words = [sys.executable, "-m", "finetune_kit.cli", command, "--help"]
        ran = subprocess.run(words, cwd=ROOT, capture_output=True)
        assert ran.returncode == 0, ran.stderr.decode()


def test_the_code_is_in_style():
    pytest.importorskip("ruff")
    for words in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *words, "--quiet", "."]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True)
        assert ran.returncode == 0, ran.stdout.decode()


def test_the_packages_types_hold():
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True)
    assert ran.returncode == 0, ran.stdout.decode()
