"""A receiver of webhooks on this computer, for as long as a lesson needs one."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_LARGEST = 1 << 20  # bytes; a webhook is a few hundred


@dataclass(frozen=True)
class Letter:
    """One webhook, its headers in lower case; hand both to `client.webhooks.unwrap`."""

    headers: dict[str, str]
    body: bytes


class Inbox:
    """Listens at ``url`` until closed; what comes is kept for `wait`."""

    def __init__(self) -> None:
        letters: queue.Queue[Letter] = queue.Queue()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", 0))
                fits = 0 <= length <= _LARGEST
                body = self.rfile.read(length) if fits else b""
                self.send_response(200 if fits else 413)
                self.send_header("content-length", "0")
                self.end_headers()
                if fits:  # answered first: the reader may close the inbox at once
                    headers = {k.lower(): v for k, v in self.headers.items()}
                    letters.put(Letter(headers, body))

            def log_message(self, *_: Any) -> None:
                """Nothing: a notebook's output is for the lesson."""

        self._letters = letters
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/hook"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def __repr__(self) -> str:
        return f"An inbox on this computer, {self._letters.qsize()} webhooks in it"

    def wait(self, seconds: float = 60.0) -> Letter:
        """The next webhook; TimeoutError where none comes in time."""
        try:
            return self._letters.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError(
                f"No webhook within {seconds:g} s. Each is handed out once: to see "
                "one again, create the job again. Or the endpoint's url is not this "
                "inbox's, or the cell that creates the endpoint did not run to its "
                "end, or the server was started anew: then run that cell again."
            ) from None

    def close(self) -> None:
        """Stop listening; may be called twice."""
        self._http.shutdown()
        self._http.server_close()


def inbox() -> Inbox:
    """A receiver of webhooks, open until ``close()`` or the end of the kernel."""
    return Inbox()
