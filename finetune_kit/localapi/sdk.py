"""The SDK's types without the rest of the SDK, so that the server starts quickly.

`openai`, `openai.types` and `openai.types.responses` import everything there is, 541
modules in 0.7 s; the server needs a third of them. Here these packages are entered
without running their `__init__`; it runs if ever a name is asked for that it makes.
"""

import importlib
import sys
from importlib.util import find_spec, module_from_spec
from typing import Any

_PACKAGES = ("openai", "openai.types", "openai.types.responses")


def import_late() -> None:
    """Enter the packages; for a process that has not imported `openai` yet."""
    for name in _PACKAGES:
        if name not in sys.modules:
            _enter(name)


def _enter(name: str) -> None:
    spec = find_spec(name)
    assert spec is not None
    assert spec.loader is not None
    package, loader = module_from_spec(spec), spec.loader
    sys.modules[name] = package

    def missing(attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        if find_spec(f"{name}.{attribute}"):
            return importlib.import_module(f"{name}.{attribute}")
        del package.__dict__["__getattr__"]
        loader.exec_module(package)
        return getattr(package, attribute)

    package.__dict__["__getattr__"] = missing  # PEP 562
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, package)
