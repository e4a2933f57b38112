"""Replies against the SDK's response models, strictly.

The SDK itself parses leniently: it lets nulls, foreign fields and unknown enum values
pass, so that a mistake of ours would mislead silently instead of failing.
"""

import tomllib
import types
from pathlib import Path
from typing import Union, get_args, get_origin

from openai import AsyncStream, BaseModel, Stream
from openai._base_client import BasePage
from pydantic import TypeAdapter, ValidationError

DEVIATIONS = tomllib.loads(
    Path(__file__).with_name("deviations.toml").read_text(encoding="utf-8")
)["deviation"]

# What the service leaves out when there is nothing to say, of all that the SDK calls
# optional.
_LEFT_OUT = {
    "file",
    "metadata",
    "moderation",
    "obfuscation",
    "service_tier",
    "usage",
}


def differences(model, document):
    """{(path, kind)} of everything in `document` that the SDK's type does not state;
    items of arrays are `*` in the path."""
    try:
        TypeAdapter(model).validate_python(document, strict=True, extra="forbid")
    except ValidationError as error:
        return {(_path(entry["loc"]), entry["type"]) for entry in error.errors()}
    return set()


def allowed(model):
    """The deviations from `model`, or what it derives from, in deviations.toml."""
    names = {kind.__name__ for kind in model.__mro__}
    return {
        (entry["path"], entry["kind"])
        for entry in DEVIATIONS
        if entry["object"] in names
    }


def faults(kind, document):
    """What is wrong with a reply whose method promises `kind`: a model, a page of
    models. Also what the SDK calls optional is present: the service sends nulls."""
    if not isinstance(kind, type):  # a union of what may stand there
        return differences(kind, document)
    if issubclass(kind, BasePage):
        return _page_faults(kind, document)
    return all_differences(kind, document) - allowed(kind)


def all_differences(model, document):
    """What `differences` finds, and what the service would send as null."""
    names = {field.alias or name for name, field in model.model_fields.items()}
    missing = names - set(document) - _LEFT_OUT
    return differences(model, document) | {(name, "absent") for name in missing}


def models_of(kind):
    """(model of the whole reply, model of a chunk or None), of an annotation."""
    members = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else [kind]
    whole, chunk = None, None
    for member in members:
        if get_origin(member) in (Stream, AsyncStream):
            chunk = get_args(member)[0]
        elif isinstance(member, type):
            whole = member
    return whole, chunk


def is_json(kind):
    """Does a method that promises `kind` answer with JSON?"""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _page_faults(kind, page):
    """The page's envelope, and each item."""
    (item,) = kind.__pydantic_generic_metadata__["args"]
    envelope = {"object": "list"} | {
        name: page.get(name) for name in kind.model_fields if name != "object"
    }
    known = {"first_id", "last_id"} | {path for path, _ in allowed(kind)}
    found = {
        (name, "absent or wrong")
        for name, value in envelope.items()
        if name not in page or page[name] != value
    }
    found |= {(name, "extra") for name in page.keys() - envelope.keys() - known}
    for document in page["data"]:
        found |= {(f"data.*.{path}", fault) for path, fault in faults(item, document)}
    return found


def _path(location):
    return ".".join("*" if isinstance(step, int) else str(step) for step in location)
