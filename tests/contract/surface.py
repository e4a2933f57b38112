"""The public methods of the SDK's resources that the local API answers, by
introspection: a method that a newer SDK brings shows up by itself."""

import inspect
from functools import reduce

import openai
from openai._resource import AsyncAPIResource, SyncAPIResource

RESOURCES = (
    "files",
    "uploads",
    "fine_tuning",
    "models",
    "chat.completions",
    "completions",
    "responses",
    "moderations",
    "webhooks",
)
_BY_WEBSOCKET = {"connect"}  # not a request: see fidelity.toml
_OF_THE_CALL = {"self", "extra_headers", "extra_query", "extra_body", "timeout"}


def methods(client: openai.OpenAI | openai.AsyncOpenAI) -> list[str]:
    """`files.create`, … of this client, resource by resource."""
    return [
        f"{resource}.{name}"
        for resource in RESOURCES
        for name in _below(found(client, resource))
    ]


def found(client, dotted):
    """`client.files.create` for "files.create"; AttributeError where there is none."""
    return reduce(getattr, dotted.split("."), client)


def way(client, method, style):
    """A method called plainly (style ""), or `with_raw_response`, or
    `with_streaming_response`; None where the SDK has no such form of it."""
    resource, _, name = method.rpartition(".")
    owner = found(client, resource)
    return getattr(getattr(owner, style) if style else owner, name, None)


def parameters(method):
    """The names of a method's parameters, but for those of each call."""
    signature = inspect.signature(found(openai.OpenAI(api_key="none"), method))
    return set(signature.parameters) - _OF_THE_CALL


def reply_type(method):
    """The annotation of what a method returns."""
    function = found(openai.OpenAI(api_key="none"), method)
    return inspect.signature(inspect.unwrap(function), eval_str=True).return_annotation


def _below(resource):
    kind = type(resource)
    for name in sorted(dir(kind)):
        if name.startswith(("_", "with_")) or name in _BY_WEBSOCKET:
            continue
        if inspect.isfunction(inspect.getattr_static(kind, name)):
            yield name
        elif isinstance(below := getattr(resource, name), _RESOURCE_TYPES):
            yield from (f"{name}.{rest}" for rest in _below(below))


_RESOURCE_TYPES = (SyncAPIResource, AsyncAPIResource)
