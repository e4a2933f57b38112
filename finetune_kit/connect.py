"""Which API? ``connect()`` gives a plain `openai.OpenAI` client for it.

Without an argument it is the local API on this computer, free and offline. A key in
the environment never by itself sends anything out: another API has to be named, as an
argument or in ``FINETUNE_KIT_TARGET``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from finetune_kit import workspace
from finetune_kit.display.cards import Card, in_notebook, show

if TYPE_CHECKING:
    from openai import OpenAI

_CHOICES = (
    "Use local, openai, azure, nebius, or an URL that starts with http:// or https://."
)
NO_ACCOUNT = "org-local"  # any value keeps OPENAI_ORG_ID of the environment out


@dataclass(frozen=True)
class Target:
    """An API that a client can be pointed at. Empty strings: not set."""

    name: str
    base_url: str
    key: str
    key_variable: str = ""
    paid: bool = True


def connect(target: str | None = None, *, export: bool = False) -> OpenAI:
    """A client for ``target``: local (default), openai, azure, nebius, or an URL.

    In a notebook a card says where you are, what it costs and which end dates apply.
    ``export=True`` also sets ``OPENAI_BASE_URL`` and ``OPENAI_API_KEY`` for calls on
    the module (``openai.files.create``) and for programs started from here.
    """
    name = target or workspace.target()
    client = _local_client() if name == "local" else _remote_client(find_target(name))
    if export:
        os.environ.update(environment(client))
        _point_module_at(client)
    if in_notebook():
        show(banner(name))
        _explain_mistakes()
    return client


def environment(client: OpenAI) -> dict[str, str]:
    """The variables that point other programs (curl, Node, Ruby) at the same API.

    ``OPENAI_API_BASE`` is the name that ``openai`` before 1.0 reads.
    """
    url = str(client.base_url).rstrip("/")
    key = client.api_key
    return {"OPENAI_BASE_URL": url, "OPENAI_API_BASE": url, "OPENAI_API_KEY": key}


def _point_module_at(client: OpenAI) -> None:
    """Calls on the module go where ``client`` goes, past the same guard and proxy.

    The module keeps its first client, so the environment alone would not reach it.
    """
    import openai

    openai.base_url, openai.api_key = client.base_url, client.api_key
    openai.organization, openai.project = client.organization, client.project
    openai.http_client = client._client


def _local_client() -> OpenAI:
    import openai

    from finetune_kit import local_server

    server = local_server.running()
    key = server.key
    return openai.OpenAI(
        base_url=server.base_url,
        api_key=key,
        organization=NO_ACCOUNT,
        project=NO_ACCOUNT,
        # stronger than an Authorization in OPENAI_CUSTOM_HEADERS
        default_headers={"Authorization": f"Bearer {key}"},
        # trust_env: a proxy must not swallow loopback. verify: plain http on loopback
        # has no certificate, and reading the list of authorities costs 0.1 s.
        http_client=openai.DefaultHttpxClient(trust_env=False, verify=False),
    )


def _remote_client(target: Target) -> OpenAI:
    import openai

    from finetune_kit.jobs.guard import guarded_client

    if not target.key:
        raise ValueError(
            f"No key for {target.name}. Set {target.key_variable} in the environment "
            "of this notebook, or use connect() for the free local API."
        )
    return openai.OpenAI(
        base_url=target.base_url,
        api_key=target.key,
        http_client=guarded_client() if target.paid else _near_client(),
        default_headers=None if target.paid else _notebook(),
    )


def _near_client() -> Any:
    """A client that no proxy of the environment comes between.

    Addresses near you have certificates of authorities that this computer knows.
    """
    import ssl

    import openai

    authorities = ssl.create_default_context()
    return openai.DefaultHttpxClient(trust_env=False, verify=authorities)


def _notebook() -> dict[str, str]:
    """The name of this notebook, as a class's server shows it to the instructor.

    Jupyter tells it to the kernels that it starts; the path stays here.
    """
    name = _notebook_name()
    return {"X-Finetune-Kit-Notebook": quote(name)} if name else {}


def _notebook_name() -> str:
    path = os.environ.get("JPY_SESSION_NAME", "")
    return path.replace("\\", "/").rpartition("/")[2].removesuffix(".ipynb")


def _explain_mistakes() -> None:
    """In a notebook of the course, mistakes are told in cards from here on."""
    from finetune_kit.course import mistakes

    mistakes.explain_in(_notebook_name())


def find_target(name: str) -> Target:
    """The target called ``name``, its address and key taken from the environment.

    Raises ValueError for a name that is neither known nor an URL.
    """
    if not isinstance(name, str):
        raise TypeError(f"{name!r:.60} is no name of an API. {_CHOICES}")
    name = name.strip()
    if name == "openai":
        url = "https://api.openai.com/v1"
        return Target(name, url, _key("OPENAI_API_KEY"), "OPENAI_API_KEY")
    if name == "nebius":
        url = "https://api.tokenfactory.nebius.com/v1/"
        return Target(name, url, _key("NEBIUS_API_KEY"), "NEBIUS_API_KEY")
    if name == "azure":
        endpoint = os.environ.get("AZURE_OPENAI_ENDPOINT", "").strip().rstrip("/")
        if not endpoint:
            raise ValueError(
                "No address for azure. Set AZURE_OPENAI_ENDPOINT, such as "
                "https://RESOURCE.openai.azure.com."
            )
        key = _key("AZURE_OPENAI_API_KEY")
        return Target(name, f"{endpoint}/openai/v1/", key, "AZURE_OPENAI_API_KEY")
    if name.startswith(("http://", "https://")):
        url, near = _address(name), is_near(name)
        if near and not urlsplit(url).path.strip("/"):
            url = f"{url.rstrip('/')}/v1"
        return Target(name, url, _key("OPENAI_API_KEY"), "OPENAI_API_KEY", not near)
    raise ValueError(f"No API is called {name!r}. {_CHOICES}")


def _key(variable: str) -> str:
    key = os.environ.get(variable, "").strip()
    if not key.isascii() or any(not letter.isprintable() for letter in key):
        raise ValueError(
            f"{variable} holds a character that no key has, such as a curly quotation "
            "mark. Copy the key again, without what stands around it."
        )
    return key


def _address(url: str) -> str:
    """The URL; ValueError where its host or port cannot be one."""
    import ipaddress

    try:
        host = urlsplit(url).hostname or ""
        _ = urlsplit(url).port  # raises for 99999 and for letters
        if not host or " " in url:
            raise ValueError("it names no computer")
        if host.replace(".", "").isdigit():
            ipaddress.ip_address(host)
    except ValueError as error:
        raise ValueError(f"{url!r} is no address: {error}.") from None
    return url


def is_near(url: str) -> bool:
    """True for this computer and private networks, such as a class's server."""
    import ipaddress

    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost"


def banner(name: str) -> Card:
    """The card that says which API this is, what it costs, and what ends when."""
    if name == "local":
        return Card("Connected to the local API on this computer", LOCAL, "good")
    target = find_target(name)
    if not target.paid:
        note = "This server is near you; it is asked without a spending guard."
        return Card(f"Connected to {name}", [note])
    return Card(f"Connected to {name}: this costs money", _paid(name), "warn")


LOCAL = [
    "Free and offline. No key of yours is used, nothing leaves this computer.",
    "Training is real, the model is small: every model name, also `gpt-4.1-mini`, is "
    "served by tinygpt, a GPT of 1.3 million parameters that trains on your CPU.",
    "It goes on working after the last job at OpenAI (2027-01-06).",
]


def _paid(name: str) -> list[str]:
    lines = [
        "Uploads and requests leave this computer, under your key and your account.",
        "A job is created only after `approve(estimate(…))`, or within "
        "FINETUNE_KIT_BUDGET_USD. Answers (chat) are not guarded.",
    ]
    ends = {
        "openai": "Closed to new organisations. No new job after 2027-01-06; tuned "
        "models on gpt-4o and gpt-4.1 answer until 2027-01-14. "
        "(OpenAI, deprecations page, read 2026-11-22)",
        "azure": "Training on the gpt-4.1 family ends no earlier than 2027-04-14, "
        "deployments no earlier than 2027-10-14. (Microsoft, schedule of 2026-07-07)",
    }
    return [*lines, ends[name]] if name in ends else lines
