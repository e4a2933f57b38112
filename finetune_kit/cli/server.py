"""``serve``, ``stop``, ``status``, ``reset``, ``doctor``, ``env``: the local API."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import quote

import click

from finetune_kit import local_server, workspace
from finetune_kit.classroom import roster
from finetune_kit.cli.doctor import doctor
from finetune_kit.cli.foreground import foreground
from finetune_kit.cli.output import as_json, print_json, print_table
from finetune_kit.connect import connect, environment
from finetune_kit.display.tables import Table


def _choose_home(ctx: object, parameter: object, home: Path | None) -> None:
    if home:
        os.environ["FINETUNE_KIT_HOME"] = str(home)


in_home = click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    callback=_choose_home,
    expose_value=False,
    help="Another workspace, such as that of a class.",
)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Default: the port of this workspace. 0: any that is free.",
)
@in_home
@click.option("--api-key", "api_keys", multiple=True, metavar="KEY", help="Repeatable.")
@click.option("--api-key-file", type=click.Path(exists=True, dir_okay=False))
@click.option("--pace", type=click.Choice(["fast", "realistic"]), default="fast")
@click.option(
    "--webhooks-anywhere",
    is_flag=True,
    help="Let webhooks go to other computers too. Endpoints and their secrets are "
    "made with client.webhooks.create(...).",
)
@click.option("--deterministic", is_flag=True, help="Same ids and times in every run.")
def serve(
    host: str,
    port: int | None,
    api_keys: tuple[str, ...],
    api_key_file: str | None,
    pace: str,
    webhooks_anywhere: bool,
    deterministic: bool,
) -> None:
    """Run the local API here, in the foreground, until Ctrl-C."""
    if server := local_server.find():
        raise click.ClickException(
            f"It runs already at {server.base_url} (process {server.pid}). "
            "Stop it with `finetune-kit stop`, then serve again."
        )
    options = ["--home", str(workspace.home()), "--host", host, "--pace", pace]
    options += ["--port", str(port)] if port is not None else []
    options += [part for key in api_keys for part in ("--api-key", key)]
    options += ["--api-key-file", api_key_file] if api_key_file else []
    options += ["--webhooks-anywhere"] if webhooks_anywhere else []
    options += ["--deterministic"] if deterministic else []
    command = [sys.executable, "-m", "finetune_kit.localapi", *options]
    foreground(command)


@click.command()
@in_home
def stop() -> None:
    """Stop the local API; running jobs go on and are found again."""
    server = local_server.find()
    if server is None:
        click.echo("The local API does not run.")
        return
    local_server.stop(server)
    if roster.Folder(workspace.home()).keys.exists():
        click.echo("Stopped. `finetune-kit class` serves the class again.")
    else:
        click.echo("Stopped. The next connect() starts it again, on the same port.")


@click.command()
@in_home
@as_json
def status(json_: bool) -> None:
    """Where the local API runs and what it does; exit 1 when it does not answer."""
    home = str(workspace.home())
    try:
        server = local_server.find()
    except local_server.SilentError as error:
        if not json_:
            raise
        print_json({"running": True, "answers": False, "pid": error.pid, "home": home})
        raise SystemExit(1) from None
    if server is None:
        if json_:
            print_json({"running": False, "home": home})
        else:
            click.echo(f"The local API does not run. {_starter()}")
        raise SystemExit(1)
    known = {"running": True, "base_url": server.base_url, "pid": server.pid}
    known |= {"home": home} | server.admin("GET", "/_kit/status")
    if json_:
        print_json(known)
    else:
        rows = [[key, value] for key, value in known.items()]
        print_table(Table(["field", "value"], rows), json_=False)


def _starter() -> str:
    """What starts the local API; not connect() where that asks another one."""
    target = workspace.target()
    if target == "local":
        return "connect() or `serve` starts it."
    return f"FINETUNE_KIT_TARGET is {target}: connect() asks that; `serve` starts this."


@click.command()
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--learner", metavar="NAME", help="Of a class: this one's alone.")
@in_home
def reset(yes: bool, learner: str | None) -> None:
    """Forget all files, jobs and models of the local API, and the lessons' facts."""
    if learner is not None and not learner.strip():
        raise click.BadParameter("it is empty; name a learner", param_hint="--learner")
    what = f"what {learner} made in" if learner else "the workspace"
    if not yes:
        click.confirm(f"Empty {what} {workspace.home()}?", abort=True)
    if learner:
        _reset_learner(learner)
        return
    found = local_server.find()
    server = found or local_server.running()
    server.admin("POST", "/_kit/reset")
    if found is None:  # as it was before: a class's server is started by `class` only
        local_server.stop(server)
    workspace.forget()
    click.echo("The workspace is empty.")


def _reset_learner(name: str) -> None:
    server = local_server.find()
    if server is None:
        raise click.ClickException(
            f"No server runs on {workspace.home()}. Start the class first; --home "
            "names its folder."
        )
    server.admin("POST", f"/_kit/learners/{quote(name)}/reset")
    click.echo(f"{name} starts anew: files, jobs and models are gone, the key stays.")


@click.command()
@click.option(
    "--shell",
    type=click.Choice(["sh", "powershell", "cmd"]),
    default="powershell" if sys.platform == "win32" else "sh",
)
@as_json
def env(shell: str, json_: bool) -> None:
    """Print variables that point other programs here: eval "$(finetune-kit env)"."""
    variables = environment(connect())
    if json_:
        print_json(variables)
        return
    line = {
        "sh": "export {}='{}'",
        "powershell": "$env:{} = '{}'",
        "cmd": "set {}={}",
    }[shell]
    for name, value in variables.items():
        click.echo(line.format(name, value))


commands = (serve, stop, status, reset, doctor, env)
