"""A refusal as a lesson: the call is made, why it is refused is shown, and on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from finetune_kit.display.cards import Card, show
from finetune_kit.jobs.guard import SPENDING_GUARD

if TYPE_CHECKING:
    from openai import APIStatusError

_ACCEPTED = Card(
    "Nothing was refused",
    ["This call went through. Compare it with the text above the cell."],
    "warn",
)


@contextmanager
def refused() -> Iterator[None]:
    """Show why the call inside is refused: by the API, or by the SDK before sending.

    Other errors (no connection, a slip of the pen) are raised as usual.
    """
    from openai import APIStatusError

    try:
        yield
    except APIStatusError as error:
        show(answered(error))
    except TypeError as error:
        title = "Refused by Python (TypeError): nothing was sent"
        show(Card(title, [f"{error}"], "bad"))
    else:
        show(_ACCEPTED)


def answered(error: APIStatusError) -> Card:
    body: Any = error.body
    said = body.get("message") if isinstance(body, dict) else None
    where = f"param: `{error.param}` · code: `{error.code}`"
    title = f"Refused by the API: {type(error).__name__} ({error.status_code})"
    if error.type == SPENDING_GUARD:
        title = f"Refused by the spending guard ({error.status_code})"
    return Card(title, [said or error.message, where], "bad")
