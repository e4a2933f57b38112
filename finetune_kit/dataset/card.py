"""A report as an HTML card.

Inline styles only, and every colour is set together with its background: that
survives JupyterLab's sanitizer (an untrusted notebook), GitHub and a dark theme.
"""

from __future__ import annotations

from html import escape

from .findings import Finding, Report

#: Findings shown of one code, and how many codes are unfolded.
_SHOWN = 20
_OPEN = 3
_ORDER = {"error": 0, "warning": 1, "advice": 2}
_INK, _PAPER, _LINE, _GREY = "#1b1b1b", "#ffffff", "#d0d0d0", "#555555"
#: Severity -> (text on white, word); colours of at least 4.5:1 contrast.
_BADGES = {
    "error": ("#a40000", "error"),
    "warning": ("#7a4b00", "warning"),
    "advice": ("#00538a", "advice"),
}
_CELL = (
    f"text-align:left;vertical-align:top;padding:4px 8px;color:{_INK};"
    f"background:{_PAPER};border-bottom:1px solid {_LINE}"
)


def report_card(report: Report) -> str:
    """HTML of the whole report: the verdict, then the findings, folded by code."""
    mark, colour = ("✓", "#00603c") if report.ok else ("✗", "#a40000")
    verdict = "would be accepted" if report.ok else "would be rejected"
    by_code: dict[str, list[Finding]] = {}
    for found in report.findings:
        by_code.setdefault(found.code, []).append(found)
    order = sorted(by_code.values(), key=lambda group: _ORDER[group[0].severity])
    groups = "".join(
        _group(group, report.counts.get(group[0].code, len(group)), number < _OPEN)
        for number, group in enumerate(order)
    )
    return (
        f'<div style="background:{_PAPER};color:{_INK};border:1px solid {_LINE};'
        f"border-left:4px solid {colour};border-radius:4px;padding:8px 12px;"
        'max-width:900px">'
        f'<div style="color:{_INK}"><strong style="color:{colour}">{mark} {verdict}'
        f"</strong> · {escape(report.summary)}</div>{groups}</div>"
    )


def _group(group: list[Finding], count: int, is_open: bool) -> str:
    """All findings of one code, folded; `details` needs no script."""
    first = group[0]
    colour, word = _BADGES[first.severity]
    rows = "".join(_row(found, first) for found in group[:_SHOWN])
    more = (
        f'<div style="color:{_GREY};padding-top:4px">and {count - _SHOWN:,} more in '
        f"<code>.only({escape(repr(first.code))})</code></div>"
        if count > _SHOWN
        else ""
    )
    return (
        f"<details{' open' if is_open else ''}>"
        f'<summary style="color:{_INK};background:{_PAPER};padding-top:6px">'
        f'<strong style="color:{colour}">{word}</strong> · '
        f"<code>{escape(first.code)}</code> · {count:,}</summary>"
        f'<div style="color:{_GREY}">{escape(first.why)}<br>'
        f"<strong>Fix:</strong> {escape(first.fix)}</div>{_table(rows)}{more}</details>"
    )


def _table(rows: str) -> str:
    heads = "".join(f'<th style="{_CELL}">{title}</th>' for title in ("where", "what"))
    return (
        f'<table style="border-collapse:collapse;margin-top:4px;color:{_INK};'
        f'background:{_PAPER}"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _row(found: Finding, first: Finding) -> str:
    """One finding; what it shares with the group's first is said above."""
    fix = ""
    if found.fix != first.fix:
        fix = f"<br><strong>Fix:</strong> {escape(found.fix)}"
    column = f", column {found.column}" if found.path and found.column else ""
    return (
        f'<tr><td style="{_CELL}">{escape(found.where)}{column}</td>'
        f'<td style="{_CELL}">{escape(found.what)}{fix}{_excerpt(found)}'
        f"{_service(found)}</td></tr>"
    )


def _excerpt(found: Finding) -> str:
    """The piece of the line, with the place marked."""
    if found.excerpt is None:
        return ""
    before, marked, after = map(escape, found.excerpt)
    return (
        f'<br><code style="color:{_INK};background:{_PAPER}">{before}'
        f'<strong style="color:{_INK};background:#ffd54d">{marked or "&nbsp;"}</strong>'
        f"{after}</code>"
    )


def _service(found: Finding) -> str:
    if found.service_message is None:
        return ""
    certainty = "" if found.exact else " (wording approximate)"
    return (
        f'<br><span style="color:{_GREY}">The service would say{certainty}: '
        f"{escape(found.service_message)}</span>"
    )
