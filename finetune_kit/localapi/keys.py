"""Keys: who asks. A key is a user, and sees only what is its own."""

import contextlib
import hashlib
import secrets
from collections.abc import Sequence
from pathlib import Path

from starlette.requests import Request

from finetune_kit.key_file import Key, write_private
from finetune_kit.localapi.errors import ApiError

ORGANIZATION = "personal"
ORGANIZATION_ID = "org-localfinetunekit"


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _owner_name(key: str) -> str:
    """The owner column's value: tells keys apart without storing them."""
    return f"user-{_digest(key)[:24]}"


class Keys:
    """The keys that this server accepts.

    The first is the workspace's own: it may also administer the server. Looking a
    key up by its digest leaks nothing of the key through timing.
    """

    def __init__(self, workspace_key: str, class_keys: Sequence[Key]) -> None:
        self._admin = _owner_name(workspace_key)
        keys = [workspace_key, *(key.value for key in class_keys)]
        self._owners = {_digest(key): _owner_name(key) for key in keys}
        # Owner -> the name to show, in the order in which the keys were given.
        self.learners = {
            _owner_name(key.value): key.name or f"key {number}"
            for number, key in enumerate(class_keys, 1)
        }

    def owner_of(self, key: str) -> str | None:
        return self._owners.get(_digest(key))

    def knows(self, owner: str) -> bool:
        return owner in self._owners.values()

    def is_admin(self, owner: str) -> bool:
        return owner == self._admin


def workspace_key(path: Path) -> str:
    """The workspace's key, made on first use, readable by its owner alone."""
    with contextlib.suppress(FileNotFoundError):
        if key := path.read_text(encoding="utf-8").strip():
            path.chmod(0o600)
            return key
    key = f"sk-local-{secrets.token_urlsafe(30)}"
    write_private(path, key + "\n")
    return key


def owner(request: Request) -> str:
    """The owner behind this request's key, as the front door found it."""
    return str(request.state.owner)


def require_admin(request: Request) -> None:
    """Administration belongs to the workspace's own key, not to a class key."""
    if not request.app.state.kit.keys.is_admin(owner(request)):
        raise ApiError(
            403,
            "You have insufficient permissions for this operation. Only the "
            "workspace's own key can administer the local API.",
        )
