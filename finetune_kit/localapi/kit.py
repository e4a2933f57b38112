"""What the handlers share: the server's parts, hung on the application's state."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.requests import Request

from finetune_kit.key_file import Key
from finetune_kit.localapi.clock import Clock
from finetune_kit.localapi.home import Home
from finetune_kit.localapi.ids import Ids
from finetune_kit.localapi.keys import Keys
from finetune_kit.localapi.pace import FAST, Pace
from finetune_kit.localapi.store import Store

if TYPE_CHECKING:
    from finetune_kit.localapi.answers import Answers
    from finetune_kit.localapi.deliveries import Deliveries
    from finetune_kit.localapi.faults import Faults
    from finetune_kit.localapi.lifecycle import Lifecycle
    from finetune_kit.localapi.limits import Limits
    from finetune_kit.localapi.presence import Presence
    from finetune_kit.localapi.runner import Runner


@dataclass(frozen=True)
class Settings:
    """How this server was started."""

    workspace: Path
    host: str = "127.0.0.1"
    port: int | None = None  # None: the workspace's own
    api_keys: tuple[Key, ...] = ()
    pace: Pace = FAST
    deterministic: bool = False
    base64_results: bool = True
    webhooks_anywhere: bool = False
    instructor_key: str = ""  # none: there is no instructor's page
    cpu_seconds: int | None = None  # of training, for each key of a class
    jobs_at_once: int | None = None  # None: as many as leave one core free
    allowed_hosts: tuple[str, ...] = ()


@dataclass
class Kit:
    """Reached as `request.app.state.kit`."""

    settings: Settings
    home: Home
    keys: Keys
    store: Store
    clock: Clock
    ids: Ids
    runner: "Runner"
    package_version: str
    weights_sha256: str
    latest_request: float = field(default_factory=time.monotonic)
    lifecycle: "Lifecycle" = field(init=False)
    answers: "Answers" = field(init=False)
    deliveries: "Deliveries" = field(init=False)
    faults: "Faults" = field(init=False)
    limits: "Limits" = field(init=False)
    presence: "Presence" = field(init=False)


def kit_of(request: Request) -> Kit:
    kit: Kit = request.app.state.kit
    return kit
