"""Set finetune-kit up and run it. Needs Python 3.11 or newer and nothing else.

    python3 start.py             JupyterLab on the course
    python3 start.py run …       the notebooks without a browser, then a table
    python3 start.py test …      the tests; further words go to pytest
    python3 start.py COMMAND …   any other command of finetune-kit (doctor, status, …)

On Windows: py start.py. The first run makes the folder .venv and installs the locked
packages into it (about a minute); the next ones start at once.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

OLDEST_PYTHON = (3, 11)
ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
LOCK = "requirements.lock"
TEST_LOCK = "requirements-test.lock"  # holds all of LOCK and more
# Not everything is built for Windows on ARM, which runs what is built for AMD64.
ELSE_NEEDED = {
    "win-arm64": " And on Windows for ARM, take the 64-bit Python for Intel and AMD "
    "processors, from python.org."
}


def main(words: list[str]) -> int:
    """Set up what the command needs, then run it with the environment's Python."""
    for stream in (sys.stdout, sys.stderr):  # a folder's name, say, in a log of Windows
        stream.reconfigure(errors="replace")
    if sys.version_info < OLDEST_PYTHON:
        return complain(
            f"finetune-kit needs Python 3.11 or newer, and this is {sys.version}.\n"
            "Install a newer one from python.org and call start.py with it, for "
            "example: python3.11 start.py (Windows: py -3.11 start.py)."
        )
    command, *rest = words or ["lab"]
    if command in ("-h", "--help"):
        print(__doc__)
        return 0
    try:
        set_up(TEST_LOCK if command == "test" else LOCK)
    except SetupError as error:
        return complain(str(error))
    if command == "test":
        os.chdir(ROOT)
        return hand_over(["-m", "pytest", *rest])
    return hand_over(["-m", "finetune_kit.cli", command, *rest])


class SetupError(Exception):
    """Setting up failed; the message says what to do."""


def set_up(lock: str) -> None:
    """Make .venv hold what the lock lists and the package, unless it does already."""
    if PYTHON.exists() and is_installed(lock):
        return
    print(f"Setting up {VENV} (once, about a minute) …", flush=True)
    if not has_this_python():
        make_environment()
    for old in map(stamp_file, (LOCK, TEST_LOCK)):
        old.unlink(missing_ok=True)
    # A lock with hashes refuses an editable package, hence two calls.
    install(["--require-hashes", "-r", str(ROOT / lock)])
    install(["--no-build-isolation", "-e", str(ROOT)])
    for installed in {lock, LOCK}:
        stamp_file(installed).write_text(stamp(installed), encoding="utf-8")


def is_installed(lock: str) -> bool:
    file = stamp_file(lock)
    return file.exists() and file.read_text(encoding="utf-8") == stamp(lock)


def stamp_file(lock: str) -> Path:
    return VENV / f"{lock}.stamp"


def stamp(lock: str) -> str:
    """A hash of all that the environment was made from: it changes, we install anew."""
    parts = [
        (ROOT / lock).read_bytes(),
        (ROOT / "pyproject.toml").read_bytes(),
        sys.version.encode(),
        str(ROOT).encode(),  # a moved folder breaks the editable install
    ]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def has_this_python() -> bool:
    """Whether .venv works and runs the Python that runs this file."""
    if not PYTHON.exists():
        return False
    code = "import sys; print(sys.version)"
    try:
        told = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True)
    except OSError:
        return False
    return told.stdout.split() == sys.version.split()


def make_environment() -> None:
    """A fresh .venv with pip in it."""
    if importlib.util.find_spec("ensurepip") is None:
        raise SetupError(
            "This Python comes without ensurepip, which makes environments.\n"
            "On Debian and Ubuntu install it: sudo apt install python3-venv; then "
            "call start.py again."
        )
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)])
    if made.returncode:
        raise SetupError(f"Making {VENV} failed (see above). Remove it and try again.")


def install(what: list[str]) -> None:
    """Install with uv where it is on the PATH, with pip where not or where uv fails."""
    uv = shutil.which("uv")
    if uv:
        command = [uv, "pip", "install", "--quiet", "--no-deps", "--compile-bytecode"]
        # No other Python than this one is to be fetched.
        env = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
        ran = subprocess.run([*command, "--python", str(PYTHON), *what], env=env)
        if ran.returncode == 0:
            return
        print("uv could not install this; trying pip …", flush=True)
    command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--no-deps"]
    if subprocess.run([*command, "--disable-pip-version-check", *what]).returncode:
        raise SetupError(
            "Installing failed (see above). The first run needs a network; behind a "
            f"proxy set HTTPS_PROXY.{ELSE_NEEDED.get(sysconfig.get_platform(), '')} "
            "Then call start.py again."
        )


def hand_over(arguments: list[str]) -> int:
    """Run the environment's Python; its exit status is ours."""
    # Always `python -m`: console scripts hold an absolute path and break when moved.
    command = [str(PYTHON), *arguments]
    env = {**os.environ, "PYTHONUTF8": "1"}
    if os.name != "nt":
        os.execve(PYTHON, command, env)
    with subprocess.Popen(command, env=env) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:  # the child got it too and ends by itself
                continue


def complain(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
