"""A report as an HTML card.

Inline styles only, and every colour is set together with its background: that
survives JupyterLab's sanitizer (an untrusted notebook), GitHub and a dark theme.
"""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from html import escape

from finetune_kit.display.cards import rich_text

from .findings import Finding, Report

#: Findings shown of one code, and how many codes are unfolded.
_SHOWN = 20
_OPEN = 3
#: Lines in the index.
_LINES = 100
_ORDER = {"error": 0, "warning": 1, "advice": 2}
INK, PAPER, LINE, GREY = "#1b1b1b", "#ffffff", "#d0d0d0", "#555555"
#: Severity -> (text on white, word); colours of at least 4.5:1 contrast.
_BADGES = {
    "error": ("#a40000", "error"),
    "warning": ("#7a4b00", "warning"),
    "advice": ("#00538a", "advice"),
}
CELL = (
    f"text-align:left;vertical-align:top;padding:4px 8px;color:{INK};"
    f"background:{PAPER};border-bottom:1px solid {LINE}"
)


def report_card(report: Report) -> str:
    """HTML of the whole report: the verdict, then the findings, folded by code."""
    mark = _mark(report)
    sign, colour = ("✓", "#00603c") if report.ok else ("✗", "#a40000")
    verdict = "would be accepted" if report.ok else "would be rejected"
    by_code: dict[str, list[Finding]] = {}
    for found in report.findings:
        by_code.setdefault(found.code, []).append(found)
    order = sorted(by_code.values(), key=lambda group: _ORDER[group[0].severity])
    groups = "".join(
        _group(
            group, report.counts.get(group[0].code, len(group)), number < _OPEN, mark
        )
        for number, group in enumerate(order)
    )
    return (
        f'<div style="background:{PAPER};color:{INK};border:1px solid {LINE};'
        f"border-left:4px solid {colour};border-radius:4px;padding:8px 12px;"
        'max-width:900px">'
        f'<div style="color:{INK}"><strong style="color:{colour}">{sign} {verdict}'
        f"</strong> · {escape(report.summary)}</div>{groups}"
        f"{_by_line(report, mark)}</div>"
    )


def _by_line(report: Report, mark: str) -> str:
    """The lines in order, each with links to its findings above."""
    by_line: dict[int, dict[str, bool]] = {}
    seen: Counter[str] = Counter()
    for found in report.findings:
        seen[found.code] += 1
        if found.line is not None:
            codes = by_line.setdefault(found.line, {})
            codes.setdefault(found.code, seen[found.code] <= _SHOWN)
    if len(by_line) < 2:
        return ""
    listed = sorted(by_line.items())
    rows = "".join(
        f'<tr><td style="{CELL}">line {line:,}</td><td style="{CELL}">'
        + ", ".join(_link(mark, line, code, there) for code, there in codes.items())
        + "</td></tr>"
        for line, codes in listed[:_LINES]
    )
    left = len(listed) - _LINES
    more = f"and {left:,} more lines in <code>.only(line=…)</code>" if left > 0 else ""
    return (
        f'<details><summary style="color:{INK};background:{PAPER};padding-top:6px">'
        f"by line · {len(listed):,}</summary>{table(rows, 'line', 'findings')}"
        f'<div style="color:{GREY}">{more}</div></details>'
    )


def _link(mark: str, line: int, code: str, there: bool) -> str:
    """A link where the finding stands above; else, or untrusted, the plain code."""
    anchor = _anchor(mark, line, code)
    if not there:
        return f"<code>{escape(code)}</code>"
    look = f"color:#00538a;background:{PAPER}"
    return f'<a href="#{anchor}" style="{look}">{escape(code)}</a>'


def _mark(report: Report) -> str:
    """What the anchors of this card begin with, among others in one notebook."""
    return blake2b(report.summary.encode("utf-8", "replace"), digest_size=4).hexdigest()


def _anchor(mark: str, line: int, code: str) -> str:
    return f"f{mark}-{code}-{line}"


def _group(group: list[Finding], count: int, is_open: bool, mark: str) -> str:
    """All findings of one code, folded; `details` needs no script."""
    first = group[0]
    colour, word = _BADGES[first.severity]
    rows = "".join(_row(found, first, mark) for found in group[:_SHOWN])
    more = (
        f'<div style="color:{GREY};padding-top:4px">and {count - _SHOWN:,} more in '
        f"<code>.only({escape(repr(first.code))})</code></div>"
        if count > _SHOWN
        else ""
    )
    return (
        f"<details{' open' if is_open else ''}>"
        f'<summary style="color:{INK};background:{PAPER};padding-top:6px">'
        f'<strong style="color:{colour}">{word}</strong> · '
        f"<code>{escape(first.code)}</code> · {count:,}</summary>"
        f'<div style="color:{GREY}">{rich_text(first.why)}<br>'
        f"<strong>Fix:</strong> {rich_text(first.fix)}</div>"
        f"{table(rows, 'where', 'what')}{more}</details>"
    )


def table(rows: str, *titles: str) -> str:
    heads = "".join(f'<th scope="col" style="{CELL}">{title}</th>' for title in titles)
    return (
        f'<table style="border-collapse:collapse;margin-top:4px;color:{INK};'
        f'background:{PAPER}"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _row(found: Finding, first: Finding, mark: str) -> str:
    """One finding; what it shares with the group's first is said above."""
    fix = ""
    if found.fix != first.fix:
        fix = f"<br><strong>Fix:</strong> {rich_text(found.fix)}"
    name = f' id="{_anchor(mark, found.line, found.code)}"' if found.line else ""
    column = f", column {found.column}" if found.path and found.column else ""
    return (
        f'<tr><td style="{CELL}"{name}>{escape(found.where)}{column}</td>'
        f'<td style="{CELL}">{rich_text(found.what)}{fix}{_excerpt(found)}'
        f"{_service(found)}</td></tr>"
    )


def _excerpt(found: Finding) -> str:
    """The piece of the line, with the place marked."""
    if found.excerpt is None:
        return ""
    before, marked, after = map(escape, found.excerpt)
    return (
        f'<br><code style="color:{INK};background:{PAPER}">{before}'
        f'<strong style="color:{INK};background:#ffd54d">{marked or "&nbsp;"}</strong>'
        f"{after}</code>"
    )


def _service(found: Finding) -> str:
    if found.service_message is None:
        return ""
    certainty = "" if found.exact else " (wording approximate)"
    return (
        f'<br><span style="color:{GREY}">The service would say{certainty}: '
        f"{escape(found.service_message)}</span>"
    )
