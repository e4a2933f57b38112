"""A repair as text and as an HTML card: what changes, what is offered, what is asked.

Inline styles only, colours always with their background, as in `card`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from html import escape
from typing import Any

from finetune_kit.display.cards import rich_text

from .card import CELL, GREY, INK, LINE, PAPER, table
from .diff import as_html, as_text
from .edits import Edit, fixable
from .repair import Repair, remaining

_SHOWN = 20
_ASK = (
    'Ask for what is offered by its code: fixes=["safe", CODE], in the shell '
    "--fix safe --fix CODE."
)


def repair_text(repair: Repair) -> str:
    """A diff of the first edits, then what is offered and what remains."""
    lines = [summary(repair)]
    for edit in repair.edits[:_SHOWN]:
        lines.append(f"  {edit.where}: {_visible(edit.what)} ({edit.code})")
        if edit.before:
            before, after = as_text(edit.before, edit.after)
            lines.append(f"    - {before}")
            lines += [f"    + {after}"] if after else []
    lines += [f"  {more}" for more in _more(repair)]
    lines += [f"  offered: {offer}" for offer in offers(repair)]
    lines += ["  " + _ASK] if repair.offered else []
    if repair.remaining.findings:
        lines.append(f"still to do: {repair.remaining!r}")
    return "\n".join(lines)


def repair_card(repair: Repair) -> str:
    """The same as HTML, the changed letters marked."""
    mark, colour = ("✓", "#00603c") if repair.ok else ("?", "#7a4b00")
    rows = "".join(map(_row, repair.edits[:_SHOWN]))
    notes = [*_more(repair), *(f"Offered: {offer}" for offer in offers(repair))]
    notes += [_ASK] if repair.offered else []
    rest = "".join(f'<div style="color:{GREY}">{escape(one)}</div>' for one in notes)
    rest_of = repair.remaining
    changes = table(rows, "where", "what is changed, before and after") if rows else ""
    return (
        f'<div style="background:{PAPER};color:{INK};border:1px solid {LINE};'
        f"border-left:4px solid {colour};border-radius:4px;padding:8px 12px;"
        'max-width:900px">'
        f'<div style="color:{INK}"><strong style="color:{colour}">{mark}</strong> '
        f"{escape(summary(repair))}</div>{changes}{rest}"
        f"{rest_of._repr_html_() if rest_of.findings else ''}</div>"
    )


def summary(repair: Repair) -> str:
    """One line: how many changes of which kinds, and whether the copy passes."""
    kinds = ", ".join(f"{code} {count:,}" for code, count in repair.counts.items())
    total = repair.counts.total()
    changes = f"{total:,} {'change' if total == 1 else 'changes'} ({kinds})"
    errors = len(repair.remaining.errors)
    verdict = "the copy passes check" if repair.ok else remaining(errors)
    return f"{changes if total else 'no change'}; {verdict}"


def offers(repair: Repair) -> list[str]:
    """Fixes found and not asked for, each with its code."""
    words = fixable()
    return [
        f"{words[code]} ({count:,}): {code}" for code, count in repair.offered.items()
    ]


def edit_dict(edit: Edit) -> dict[str, Any]:
    """An edit for programs, its texts cut to what changed."""
    found = asdict(edit)
    found["before"], found["after"] = as_text(edit.before, edit.after)
    return found


def _more(repair: Repair) -> Iterable[str]:
    left_off = repair.counts.total() - _SHOWN
    return [f"and {left_off:,} more changes in .edits"] if left_off > 0 else []


def _row(edit: Edit) -> str:
    shown = as_html(edit.before, edit.after) if edit.before else ""
    look = f"color:{INK};background:{PAPER};white-space:pre-wrap;overflow-wrap:anywhere"
    return (
        f'<tr><td style="{CELL}">{escape(edit.where)}</td>'
        f'<td style="{CELL}">{rich_text(_visible(edit.what))} '
        f'<span style="color:{GREY}">({edit.code})</span><br>'
        f'<code style="{look}">{shown}</code></td></tr>'
    )


def _visible(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
