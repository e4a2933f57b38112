"""How faithful the local API is, found out by calling it: `docs/fidelity.md`.

`python -m tests.contract.fidelity` writes the document anew.
"""

import sys
import tempfile
import tomllib
from pathlib import Path
from typing import NamedTuple

import openai

from tests.contract import calls, surface, year_2023
from tests.localapi.running import RunningServer

DOCUMENT = Path(__file__).parents[2] / "docs" / "fidelity.md"
REASONS = tomllib.loads(
    Path(__file__).with_name("fidelity.toml").read_text(encoding="utf-8")
)
_CELL = str.maketrans({"|": "\\|", "\n": " "})


class Verdict(NamedTuple):
    """supported, approximate, refused or not yet; `note` says why."""

    level: str
    note: str = ""


def arranged(scene, method, parameter=None):
    """The arguments of a valid call, with one further option if it is named."""
    given = calls.CALLS[method](scene)
    if parameter:
        value = calls.OPTIONS[method][parameter]
        name = parameter.partition("=")[0]
        beside, known = calls.TOGETHER.get(name, {}), surface.parameters(method)
        if method.startswith("responses."):  # has its own form of tools
            known -= {"tools"}
        given |= {other: beside[other] for other in beside if other in known}
        given[name] = value(scene) if callable(value) else value
    return given


def called(client, method, given):
    """The reply, read to its end if it is a stream."""
    reply = surface.found(client, method)(**given)
    if method.endswith(".stream"):
        with reply as stream:
            return stream.until_done()
    return list(reply) if isinstance(reply, openai.Stream) else reply


def verdict(scene, method, parameter=None):
    """What the server makes of the call. A 5xx is an error of ours, and raised."""
    try:
        called(scene.client, method, arranged(scene, method, parameter))
    except openai.APIStatusError as error:
        if error.status_code >= 500:
            raise
        return _of_refusal(error)
    finally:
        scene.end_jobs()
    subject = f"{method}({parameter})" if parameter else method
    reason = REASONS["approximate"].get(subject)
    return Verdict("approximate", reason) if reason else Verdict("supported")


def verdicts(scene):
    """(method, parameter or None) -> verdict, of the SDK's whole surface here."""
    found = {}
    for method in surface.methods(scene.client):
        found[method, None] = verdict(scene, method)
        if found[method, None].level not in ("supported", "approximate"):
            continue
        for parameter in calls.OPTIONS.get(method, ()):
            found[method, parameter] = verdict(scene, method, parameter)
    return found


def document(found):
    """The Markdown text."""
    lines = [
        "# How faithful the local API is",
        "",
        "Written by `python -m tests.contract.fidelity`, which calls every public "
        f"method of these resources of the `openai` package (version "
        f"{openai.__version__}) against the running server; a test compares.",
        "",
        "*Supported*: the call does what the service does, and its reply has exactly "
        "the SDK's type (what deviates on purpose stands in "
        "`tests/contract/deviations.toml`). *Approximate*: it works, with the "
        "difference that is named. *Refused*: a clear error. *Not yet*: answered as "
        "an unknown URL.",
        "",
        "## Methods",
        "",
        "| method | level | note |",
        "| --- | --- | --- |",
    ]
    lines += [_row(method, v) for (method, name), v in found.items() if not name]
    lines += [
        "",
        "## Parameters",
        "",
        "Every optional parameter of the methods that work was sent once. These are "
        "not plainly supported; all others are.",
        "",
        "| parameter | level | note |",
        "| --- | --- | --- |",
    ]
    lines += [
        _row(f"{method}({name})", v)
        for (method, name), v in found.items()
        if name and v.level != "supported"
    ]
    lines += [
        "",
        "## The API of 2023",
        "",
        "No SDK of today has these. Each request and each optional parameter was sent; "
        "the replies have exactly the shape of then (`tests/contract/year_2023.py`).",
        "",
        "| request | level | note |",
        "| --- | --- | --- |",
    ]
    lines += [_row(call, _of_2023(call)) for call in year_2023.CALLS]
    lines += ["", "## What is true of everything", ""]
    lines += [f"- {text}" for text in REASONS["everywhere"].values()]
    lines += [
        "",
        "## Not known of the service, so chosen",
        "",
        "No source was found that gives these; the local API's choice is a guess.",
        "",
    ]
    lines += [f"- **{name}**: {text}" for name, text in REASONS["chosen"].items()]
    return "\n".join(lines) + "\n"


def _of_2023(call):
    """Its test fails where it is not answered in its shape."""
    reason = REASONS["approximate"].get(call)
    return Verdict("approximate", reason) if reason else Verdict("supported")


def _of_refusal(error):
    body = error.body if isinstance(error.body, dict) else {}
    message = str(body.get("message", ""))
    unknown = message.startswith("Invalid URL (")
    if unknown or body.get("code") == "method_not_supported":
        return Verdict("not yet")
    return Verdict("refused", f"{error.status_code}: {message}")


def _row(subject, verdict):
    return f"| `{subject}` | {verdict.level} | {verdict.note.translate(_CELL)} |"


def main():
    with (
        tempfile.TemporaryDirectory() as folder,
        RunningServer(folder, fake=True) as server,
    ):
        scene = calls.Scene(server, server.client(calls.KEY))
        DOCUMENT.write_text(document(verdicts(scene)), encoding="utf-8")
        scene.close()


if __name__ == "__main__":
    sys.exit(main())
