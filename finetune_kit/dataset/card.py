"""A report as an HTML card.

Inline styles only, and every colour is set together with its background: that
survives JupyterLab's sanitizer (an untrusted notebook), GitHub and a dark theme.
"""

from __future__ import annotations

from html import escape

from .findings import Finding, Report

_SHOWN = 50
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
    """HTML of the whole report: the verdict, then the first 50 findings."""
    mark, colour = ("✓", "#00603c") if report.ok else ("✗", "#a40000")
    verdict = "would be accepted" if report.ok else "would be rejected"
    rows = "".join(_row(found) for found in report.findings[:_SHOWN])
    left_off = len(report.findings) - _SHOWN
    more = (
        f'<div style="color:{_GREY};padding-top:4px">and {left_off:,} more in '
        "<code>.findings</code></div>"
        if left_off > 0
        else ""
    )
    return (
        f'<div style="background:{_PAPER};color:{_INK};border:1px solid {_LINE};'
        f"border-left:4px solid {colour};border-radius:4px;padding:8px 12px;"
        'max-width:900px">'
        f'<div style="color:{_INK}"><strong style="color:{colour}">{mark} {verdict}'
        f"</strong> · {escape(report.summary)}</div>"
        f"{_table(rows) if rows else ''}{more}</div>"
    )


def _table(rows: str) -> str:
    heads = "".join(
        f'<th style="{_CELL}">{title}</th>'
        for title in ("", "where", "what, why and how to fix it")
    )
    return (
        f'<table style="border-collapse:collapse;margin-top:8px;color:{_INK};'
        f'background:{_PAPER}"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _row(found: Finding) -> str:
    colour, word = _BADGES[found.severity]
    return (
        f'<tr><td style="{_CELL};color:{colour}"><strong>{word}</strong></td>'
        f'<td style="{_CELL}">{escape(found.where)}</td>'
        f'<td style="{_CELL}">{escape(found.what)}<br>'
        f'<span style="color:{_GREY}">{escape(found.why)}</span><br>'
        f"<strong>Fix:</strong> {escape(found.fix)}{_service(found)}</td></tr>"
    )


def _service(found: Finding) -> str:
    if found.service_message is None:
        return ""
    certainty = "" if found.exact else " (wording approximate)"
    return (
        f'<br><span style="color:{_GREY}">The service would say{certainty}: '
        f"{escape(found.service_message)}</span>"
    )
