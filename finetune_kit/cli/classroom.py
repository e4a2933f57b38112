"""``class``: one server for a room of learners, with a key for each."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from finetune_kit import key_file, local_server, workspace
from finetune_kit.classroom import exposure, handouts, roster
from finetune_kit.cli.foreground import foreground
from finetune_kit.cli.output import print_table
from finetune_kit.display.tables import Table

PORT = 8765


@click.command("class")
@click.option(
    "--learners",
    "names_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="Text file with one name a line.",
)
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the class. Default: the folder class of the workspace.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="0.0.0.0 lets other computers in.",
)
@click.option("--port", type=click.IntRange(1, 65535), default=PORT, show_default=True)
@click.option(
    "--cpu-seconds",
    type=click.IntRange(1),
    help="Processor time that each learner may train. Default: no limit.",
)
@click.option(
    "--jobs-at-once",
    type=click.IntRange(1),
    help="Default: one less than this computer has cores.",
)
@click.option(
    "--allow-host",
    "allowed",
    multiple=True,
    metavar="NAME",
    help="A name under which the server is called, such as a hub's. Repeatable.",
)
@click.option("--prepare-only", is_flag=True, help="Write keys and hand-outs only.")
def class_(
    names_file: Path,
    home: Path | None,
    host: str,
    port: int,
    cpu_seconds: int | None,
    jobs_at_once: int | None,
    allowed: tuple[str, ...],
    prepare_only: bool,
) -> None:
    """Serve a class: a key and a hand-out for each learner, a page for you.

    Keys stay when you start it again; add a name to the file to let somebody in.
    """
    names = roster.read_names(names_file)
    home = (home or workspace.home() / "class").expanduser().resolve()
    os.environ["FINETUNE_KIT_HOME"] = str(home)
    running = local_server.find()
    if running and not prepare_only:
        raise click.ClickException(
            f"A server runs on {home} already, at {running.base_url} (process "
            f"{running.pid}). Stop it with `finetune-kit stop --home {home}` first."
        )
    if not prepare_only:
        exposure.refuse_taken(host, port)
    folder = roster.Folder(home)
    origin = exposure.origin(exposure.address(host), port)
    enrolled = roster.enrol(folder, names)
    pages = handouts.pages(enrolled.learners, f"{origin}/v1")
    key_file.write_private(folder.handouts, pages)
    _say(folder, enrolled, origin)
    if running:
        click.echo(
            f"A server runs here, at {running.base_url}, with the list of its start. "
            "Until you stop it and start the class again, new keys open nothing and "
            "those of names left out go on working. The hand-outs name the address "
            "above: give the same --host and --port then."
        )
    if prepare_only:
        return
    click.echo(f"\n{exposure.told(host, port, home)}\n")
    options = ["--home", str(home), "--host", host, "--port", str(port)]
    options += ["--api-key-file", str(folder.keys)]
    options += ["--instructor-key-file", str(folder.instructor_key)]
    options += ["--cpu-seconds", str(cpu_seconds)] if cpu_seconds else []
    options += ["--jobs-at-once", str(jobs_at_once)] if jobs_at_once else []
    options += [part for name in allowed for part in ("--allow-host", name)]
    command = [sys.executable, "-m", "finetune_kit.localapi", *options]
    foreground(command)


def _say(folder: roster.Folder, enrolled: roster.Roster, origin: str) -> None:
    """Where everything lies; never a key itself."""
    reset = f"finetune-kit reset --learner NAME --home {folder.home}"
    rows = [
        ("learners", len(enrolled.learners)),
        ("address", f"{origin}/v1"),
        ("hand-outs, to print", folder.handouts),
        ("keys", folder.keys),
        ("instructor's page", f"{origin}/class"),
        ("its key", folder.instructor_key),
        ("let one start anew", reset),
    ]
    print_table(Table(["what", "where"], rows), json_=False)
    if enrolled.left_out:
        left = ", ".join(enrolled.left_out)
        click.echo(f"No longer in the list, so without a valid key: {left}.")
