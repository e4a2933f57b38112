"""``finetune-kit check`` and ``duplicates``: what is wrong in a file, what repeats."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from finetune_kit.cli.kinds import DATA_FILE
from finetune_kit.cli.output import as_json, command_line, print_json
from finetune_kit.dataset.check import FormatChoice, Method, MethodChoice
from finetune_kit.dataset.check import check as check_file
from finetune_kit.dataset.findings import SHOWN

if TYPE_CHECKING:
    from finetune_kit.dataset.findings import Report
    from finetune_kit.dataset.rules import Rule

workers_option = click.option(
    "-j",
    "--workers",
    type=click.IntRange(0),
    default=1,
    metavar="N",
    help="Processes that share the work; 0: one for each core.",
)


@click.command()
@click.argument("file", type=DATA_FILE)
@click.option(
    "--format", "format_", type=click.Choice(get_args(FormatChoice)), default="auto"
)
@click.option(
    "--method",
    type=click.Choice([*get_args(Method), "auto"]),
    default="auto",
    show_default=True,
    help="The training method that is wanted; auto: what the format is made for.",
)
@click.option("-m", "--model", help="The model to train: does it take this file?")
@click.option(
    "--training",
    type=DATA_FILE,
    metavar="FILE",
    help="The training file, when FILE is to validate: finds rows in both.",
)
@click.option(
    "--structure",
    is_flag=True,
    help="Only what would be refused; no look at copies, habits, personal data.",
)
@click.option("--code", help="Show the findings of one code, e.g. unknown_role.")
@click.option("--line", type=click.IntRange(1), help="Show the findings of one line.")
@click.option("--all", "all_", is_flag=True, help="Show all findings, not the first.")
@workers_option
@as_json
def check(
    file: Path,
    format_: FormatChoice,
    method: MethodChoice,
    model: str | None,
    training: Path | None,
    structure: bool,
    code: str | None,
    line: int | None,
    all_: bool,
    workers: int,
    json_: bool,
) -> None:
    """Check a training FILE as the API does; exit 1 when it would be rejected."""
    if workers != 1 and not structure:
        raise click.UsageError("-j shares the look at structure: add --structure")
    if code:
        _known_code(code)
    report = check_file(
        file,
        format_,
        method,
        model=model,
        training=training,
        structure_only=structure,
        workers=workers,
    )
    shown = report.only(code, line)
    if json_:
        print_json(shown.to_dict())
    else:
        head = report.summary
        if code or line:
            head += f"\n{_share(shown, report, code, line)}"
        click.echo(shown.text(None if all_ else SHOWN, "(--all shows them)", head))
        _name_the_repair(report, file)
    raise SystemExit(0 if report.ok else 1)


def _name_the_repair(report: Report, file: Path) -> None:
    from finetune_kit.dataset.edits import fixable

    if fixable().keys() & {found.code for found in report.findings}:
        command = command_line("finetune-kit", "repair", file=file)
        click.echo(f"What can be repaired: {command}")


def _known_code(code: str) -> None:
    """Refuse a code that no finding has, with one that is meant perhaps."""
    from finetune_kit.dataset import (
        chat_rules,
        completion_rules,
        contents,
        line_rules,
        preference_rules,
        reinforcement_rules,
        rules,
    )
    from finetune_kit.dataset.truncation import TRUNCATION_RULES

    lists: list[Sequence[Rule[Any]]] = [
        line_rules.LINE_RULES,
        chat_rules.CHAT_RULES,
        completion_rules.COMPLETION_RULES,
        preference_rules.PREFERENCE_RULES,
        reinforcement_rules.REINFORCEMENT_RULES,
        contents.CONTENT_RULES,
        TRUNCATION_RULES,
        rules.EXAMPLE_RULES,
        rules.FORMAT_RULES,
        rules.COUNT_RULES,
    ]
    known = {one.code for of_kind in lists for one in of_kind}
    if code not in known:
        meant = rules.near(code, known)
        hint = f" Did you mean {meant}?" if meant else ""
        raise click.UsageError(
            f"--code {code}: no finding has this code.{hint} `check --json` names the "
            "codes of a file's findings."
        )


def _share(shown: Report, report: Report, code: str | None, line: int | None) -> str:
    """How many of all findings are shown, and of what."""
    options = [f"--code {code}"] * bool(code) + [f"--line {line}"] * bool(line)
    count = len(shown.findings) if line else sum(shown.counts.values())
    total = sum(report.counts.values())
    return f"{count:,} of {total:,} findings shown ({' '.join(options)})"


@click.command()
@click.argument("files", nargs=-1, required=True, type=DATA_FILE)
@click.option("--questions", is_flag=True, help="Compare what is asked, not answers.")
@click.option(
    "--threshold",
    type=click.FloatRange(0.5, 1),
    help="Share of five-character pieces in common that makes near copies, else 0.7.",
)
@click.option("--exact", is_flag=True, help="Find exact copies only.")
@as_json
def duplicates(
    files: tuple[Path, ...],
    questions: bool,
    threshold: float | None,
    exact: bool,
    json_: bool,
) -> None:
    """Find copies and near copies within FILES and across them; exit 1 if any."""
    from finetune_kit.dataset.duplicates import NEAR
    from finetune_kit.dataset.duplicates import duplicates as find

    if exact and threshold is not None:
        raise click.UsageError("--exact and --threshold exclude each other")
    found = find(
        *files,
        of="question" if questions else "example",
        threshold=None if exact else threshold or NEAR,
    )
    if json_:
        print_json(found.to_dict())
    else:
        click.echo(repr(found))
    raise SystemExit(1 if found.groups else 0)
