"""Webhooks on their way: kept in the database until the receiver has taken them.

A delivery is written in the same transaction as the outcome it tells of, so it is
neither lost nor sent for an outcome that did not last.
"""

import base64
import hashlib
import hmac
import http.client
import json
import logging
import threading
import time
import urllib.error
import urllib.request
from sqlite3 import Connection, Row
from typing import Any

from finetune_kit.localapi.kit import Kit
from finetune_kit.localapi.rounds import Rounds

EVENT_TYPES = (
    "fine_tuning.job.succeeded",
    "fine_tuning.job.failed",
    "fine_tuning.job.cancelled",
)
_TIMEOUT = 10.0  # seconds that a receiver has
_CLOSING = 2.0  # seconds that it has when the server stops
_MAX_ATTEMPTS = 20
_SENDERS = 16  # endpoints at a time
_LONGEST_PAUSE = 3600.0  # seconds; the pauses double: 1, 2, 4, … (about 9 h in all)

log = logging.getLogger(__name__)


class NotReachedError(Exception):
    """The receiver did not answer; says why."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """None: the redirect is the answer, and counts as a failure."""


# No proxy of the environment: the receiver is this computer, unless told otherwise.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects)


def announce(
    kit: Kit, db: Connection, owner: str, job_id: str, status: str, created_at: int
) -> None:
    """Note a delivery for each endpoint of `owner` that wants to hear of this end."""
    if not job_id.startswith("ftjob-"):  # in 2023 there were no webhooks
        return
    event_type = f"fine_tuning.job.{status}"
    endpoints = db.execute(
        "SELECT id, event_types FROM webhook_endpoints WHERE owner = ?", (owner,)
    ).fetchall()
    for endpoint in endpoints:
        if event_type in json.loads(endpoint["event_types"]):
            event = new_event(kit, event_type, job_id, created_at)
            db.execute(
                "INSERT INTO webhook_deliveries (id, endpoint_id, body, due)"
                " VALUES (?, ?, ?, 0)",
                (event["id"], endpoint["id"], json.dumps(event)),
            )


def new_event(
    kit: Kit, event_type: str, job_id: str, created_at: int
) -> dict[str, Any]:
    """The body of a webhook; the receiver fetches the job itself (contract 1.11)."""
    return {
        "id": kit.ids.new("evt_", scope=job_id),
        "object": "event",
        "created_at": created_at,
        "type": event_type,
        "data": {"id": job_id},
    }


def send(endpoint: Row, event_id: str, body: str) -> int:
    """Sign and send; the receiver's status. Raises NotReachedError."""
    timestamp = int(time.time())
    secrets = [endpoint["secret"]]
    if endpoint["old_secret"] and timestamp < endpoint["old_secret_until"]:
        secrets.append(endpoint["old_secret"])
    signed = f"{event_id}.{timestamp}.{body}".encode()
    request = urllib.request.Request(
        endpoint["url"],
        data=body.encode(),
        method="POST",
        headers={
            "Content-Type": "application/json",
            "User-Agent": "finetune-kit webhooks",
            "webhook-id": event_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(_signature(s, signed) for s in secrets),
        },
    )
    try:
        with _opener.open(request, timeout=_TIMEOUT) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return int(error.code)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise NotReachedError(str(error)) from error


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"


class Deliveries(Rounds):
    """Sends what is due, again until it is taken.

    Each endpoint gets its events one after the other, in a thread of its own, so a
    receiver that is slow to answer holds up nobody else.
    """

    def __init__(self, kit: Kit) -> None:
        super().__init__("webhooks", _TIMEOUT)
        self._kit = kit
        self._senders: dict[str, threading.Thread] = {}  # by endpoint

    def close(self, seconds: float | None = _CLOSING) -> None:
        """What is not delivered yet is sent by the next server."""
        super().close(seconds)
        until = time.monotonic() + (seconds or _TIMEOUT)
        for sender in list(self._senders.values()):
            sender.join(max(0.0, until - time.monotonic()))

    def look(self) -> float | None:
        waiting = self._kit.store.all("SELECT * FROM webhook_deliveries ORDER BY seq")
        now, later = time.time(), []
        for delivery in waiting:
            if self.closing or delivery["endpoint_id"] in self._senders:
                continue
            if delivery["due"] > now:
                later.append(delivery["due"])
            elif len(self._senders) < _SENDERS:  # else the first to end wakes this
                self._send(delivery)
        return min(later) - now if later else None

    def _send(self, delivery: Row) -> None:
        sender = threading.Thread(target=self._attempt, args=(delivery,), daemon=True)
        self._senders[delivery["endpoint_id"]] = sender
        sender.start()

    def _attempt(self, delivery: Row) -> None:
        try:
            self._deliver(delivery)
        except Exception:  # a full disk, say: there will be room again
            log.exception("webhook %s cannot be looked after", delivery["id"])
            time.sleep(_TIMEOUT)
        finally:
            del self._senders[delivery["endpoint_id"]]
            self.wake()

    def _deliver(self, delivery: Row) -> None:
        endpoint = self._kit.store.one(
            "SELECT * FROM webhook_endpoints WHERE id = ?", delivery["endpoint_id"]
        )
        if endpoint is None or self._is_taken(endpoint, delivery):
            self._forget(delivery)
            return
        attempts = delivery["attempts"] + 1
        if attempts == _MAX_ATTEMPTS:
            log.warning("webhook %s was given up: nobody took it", delivery["id"])
            self._forget(delivery)
            return
        due = time.time() + min(2.0 ** (attempts - 1), _LONGEST_PAUSE)
        with self._kit.store.transaction() as db:
            db.execute(
                "UPDATE webhook_deliveries SET attempts = ?, due = ? WHERE seq = ?",
                (attempts, due, delivery["seq"]),
            )

    def _is_taken(self, endpoint: Row, delivery: Row) -> bool:
        try:
            return 200 <= send(endpoint, delivery["id"], delivery["body"]) < 300
        except NotReachedError:
            return False

    def _forget(self, delivery: Row) -> None:
        with self._kit.store.transaction() as db:
            db.execute(
                "DELETE FROM webhook_deliveries WHERE seq = ?", (delivery["seq"],)
            )
