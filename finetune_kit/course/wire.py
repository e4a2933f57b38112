"""What goes over the wire: a request as a line of curl, and requests never sent."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from finetune_kit.connect import find_target
from finetune_kit.jobs.guard import http_library

if TYPE_CHECKING:
    from openai import OpenAI

NOT_SENT = {"object": "not_sent"}


class Line(str):
    """A command that shows as it is typed, without quotes around it."""

    def __repr__(self) -> str:
        return str(self)


def as_curl(reply: Any) -> Line:
    """The request behind ``reply`` (of ``with_raw_response``), for a terminal.

    Key and local address stand as the variables that `finetune-kit env` prints.
    """
    request = reply.http_request
    url, origin = str(request.url), _origin(str(request.url))
    if origin:
        url = url.replace(origin, "$OPENAI_BASE_URL")
    usual = "POST" if request.content else "GET"  # what curl would choose
    method = "" if request.method == usual else f"-X {request.method} "
    parts = [f'curl {method}"{url}"', '-H "Authorization: Bearer $OPENAI_API_KEY"']
    if request.content:
        body = json.dumps(json.loads(request.content), ensure_ascii=False)
        parts += ['-H "Content-Type: application/json"', f"-d {shlex.quote(body)}"]
    return Line(" \\\n  ".join(parts))


def _origin(url: str) -> str:
    """The base of a loopback address, "" for all others."""
    parts = urlsplit(url)
    return f"http://{parts.netloc}/v1" if parts.hostname == "127.0.0.1" else ""


def unsent(target: str) -> OpenAI:
    """A client of ``target``, as for `connect`, whose requests are built, not sent.

    No key is read. ``with_raw_response`` hands out the request (``http_request``).
    """
    import openai

    library = http_library()

    class Nowhere(openai.DefaultHttpxClient):
        def send(self, request: Any, **options: Any) -> Any:
            return library.Response(200, json=NOT_SENT, request=request)

    return openai.OpenAI(
        base_url=find_target(target).base_url,
        api_key="not-a-key",
        organization="",
        project="",
        http_client=Nowhere(verify=False),
    )
