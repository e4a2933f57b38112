"""A receiver of webhooks on this computer."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.localapi.running import until


class Receiver:
    """A local receiver; answers with `statuses` in turn, then 200."""

    def __init__(self, port=0):
        self.received, self.statuses = [], []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.received.append((dict(self.headers), body))
                statuses = receiver.statuses
                self.send_response(statuses.pop(0) if statuses else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self.http.server_port
        self.url = f"http://127.0.0.1:{self.port}/hook"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()

    def events(self, client, secret, count):
        """The first `count` events, verified."""
        until(lambda: len(self.received), lambda seen: seen >= count)
        return [
            client.webhooks.unwrap(body, headers, secret=secret)
            for headers, body in self.received
        ]


@contextmanager
def receiving(port=0):
    receiver = Receiver(port)
    try:
        yield receiver
    finally:
        receiver.close()
