"""A job at a paid API is created only after its price was estimated and approved.

The guard sits in the http client, below the SDK, so that every way of creating a job
passes it. It answers in the API's own error envelope, which the SDK turns into an
`openai.APIStatusError`; nothing is sent.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from finetune_kit.dataset import money

if TYPE_CHECKING:
    from openai import OpenAI

    from finetune_kit.dataset.read import Source

SPENDING_GUARD = "spending_guard"  # an error's type, where the API's would stand
REFUSED = {"param": None, "code": "not_approved"}
CREATES_A_JOB = ("/fine_tuning/jobs", "/fine-tunes")


@dataclass
class _Allowance:
    estimate: money.Estimate | None = None
    approved: bool = False

    def take(self) -> str:
        """Empty where the next job may be created, else why not."""
        if self.estimate is None:
            return (
                "Not sent: this job would cost money and nobody has said how much. "
                "Call estimate(training_path, model, n_epochs), look at it, then "
                "approve(it), and create the job again."
            )
        high = self.estimate.high
        if self.approved or 0 < high <= budget():
            self.estimate, self.approved = None, False  # one approval, one job
            return ""
        by_budget = f", or set FINETUNE_KIT_BUDGET_USD to at least {high:.2f}"
        return (
            f"Not sent: this job would cost {self.estimate!r}. To go on, call "
            f"approve(estimate){by_budget if high > 0 else ''}, and create the job "
            "again."
        )


_allowance = _Allowance()


def budget() -> float:
    """USD that a job may cost without being asked for: ``FINETUNE_KIT_BUDGET_USD``."""
    text = os.environ.get("FINETUNE_KIT_BUDGET_USD", "0")
    try:
        return float(text)
    except ValueError:
        raise ValueError(
            f"FINETUNE_KIT_BUDGET_USD is {text!r}, which is not a number of dollars. "
            "Set it to something like 5, or unset it."
        ) from None


def estimate(
    source: Source,
    model: str,
    n_epochs: money.Epochs = "auto",
    price: float | None = None,
) -> money.Estimate:
    """What training ``model`` on the rows of ``source`` may cost; see `money.estimate`.

    ``price``, in USD per million tokens, is for services whose prices are not known
    here. The next job is refused with the estimate until it is approved or within
    budget.
    """
    _allowance.estimate, _allowance.approved = None, False
    _allowance.estimate = money.estimate(source, model, n_epochs, price)
    return _allowance.estimate


def approve(estimate: money.Estimate) -> None:
    """Allow one job at the price of ``estimate``."""
    if not isinstance(estimate, money.Estimate):
        raise TypeError(
            f"approve takes an estimate, not {estimate!r:.60}: look at "
            "it = kit.estimate(path, model), then kit.approve(it)."
        )
    _allowance.estimate, _allowance.approved = estimate, True


def as_if_paid(client: OpenAI) -> OpenAI:
    """The free API behind ``client``, with the spending guard of a paid one.

    For rehearsal: jobs are created only after ``approve(estimate(…))``.
    """
    # trust_env: a proxy must not swallow loopback
    return client.with_options(http_client=guarded_client(trust_env=False))


def guarded_client(**options: Any) -> Any:
    """The SDK's default http client, with the guard in front of job creation."""
    import openai

    library = http_library()

    class GuardedClient(openai.DefaultHttpxClient):
        def send(self, request: Any, **options: Any) -> Any:
            path = request.url.path.rstrip("/")
            creates = request.method == "POST" and path.endswith(CREATES_A_JOB)
            if creates and (refusal := _allowance.take()):
                error = {"message": refusal, "type": SPENDING_GUARD, **REFUSED}
                return library.Response(402, json={"error": error}, request=request)
            return super().send(request, **options)

    return GuardedClient(**options)


def http_library() -> Any:
    """What the SDK speaks HTTP with: httpx in openai 2, httpx2 in openai 3."""
    import openai

    parent = openai.DefaultHttpxClient.__mro__[1]
    return import_module(parent.__module__.partition(".")[0])
