"""``finetune-kit doctor``: is this computer in order?"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version

import click

from finetune_kit import local_server, workspace
from finetune_kit.cli.output import as_json, print_table
from finetune_kit.display.tables import Table

PACKAGES = ["openai", "numpy", "pandas", "matplotlib", "jupyterlab", "tiktoken"]


def python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}, {sys.executable}"


def packages() -> str:
    for name in PACKAGES:
        import_module(name)
    return ", ".join(f"{name} {version(name)}" for name in PACKAGES)


def workspace_writable() -> str:
    with tempfile.TemporaryFile(dir=workspace.home()):
        return str(workspace.home())


def local_api() -> str:
    server = local_server.running()
    return f"{server.base_url}, version {server.package_version}"


def answers() -> str:
    from finetune_kit.connect import connect

    reply = connect().chat.completions.create(
        model="tinygpt", messages=[{"role": "user", "content": "Hi"}], max_tokens=8
    )
    return f"tinygpt says: {reply.choices[0].message.content}"


CHECKS: dict[str, Callable[[], str]] = {
    "Python": python,
    "packages": packages,
    "workspace": workspace_writable,
    "local API": local_api,
    "model": answers,
}


@click.command()
@as_json
def doctor(json_: bool) -> None:
    """Check Python, packages, workspace, local API and model; exit 1 on a fault."""
    rows = [_examine(name, check) for name, check in CHECKS.items()]
    print_table(Table(["what", "result", "detail"], rows), json_)
    raise SystemExit(int(any(result == "fault" for _, result, _ in rows)))


def _examine(name: str, check: Callable[[], str]) -> tuple[str, str, str]:
    try:
        return name, "in order", check()
    except Exception as error:  # whatever it is, the table is where it is told
        return name, "fault", f"{type(error).__name__}: {error}"
