"""Names of tuned models (contract 2.7)."""

import re
import unicodedata
from datetime import datetime

from finetune_kit.localapi.keys import ORGANIZATION


def sanitised(suffix: str | None) -> str:
    """A suffix as it appears in a name: lower case, runs of anything else a dash.

    >>> sanitised("My Model, v2!")
    'my-model-v2'
    """
    plain = unicodedata.normalize("NFKD", suffix or "").encode("ascii", "ignore")
    return re.sub(r"[^a-z0-9_]+", "-", plain.decode().lower()).strip("-")


def fine_tuned_model(base: str, suffix: str | None, snapshot: str) -> str:
    """`ft:gpt-4o-mini-2024-07-18:personal::Ajo5kvNY`; no suffix, two colons."""
    return f"ft:{base}:{ORGANIZATION}:{sanitised(suffix)}:{snapshot}"


def fine_tune_2023(base: str, suffix: str | None, made: datetime) -> str:
    """`ada:ft-personal-2023-06-08-11-51-01`, with a suffix
    `ada:ft-personal:my-suffix-2023-06-08-11-51-01`."""
    plain = sanitised(suffix)
    own = f":{plain}" if plain else ""
    return f"{base}:ft-{ORGANIZATION}{own}-{made:%Y-%m-%d-%H-%M-%S}"


def checkpoint(base: str, suffix: str | None, snapshot: str, step: int) -> str:
    """A checkpoint's name has a random part of its own, not the final model's."""
    return f"{fine_tuned_model(base, suffix, snapshot)}:ckpt-step-{step}"
