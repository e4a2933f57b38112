"""The exercises of the lessons, one module a lesson."""

from importlib import import_module
from pkgutil import iter_modules

from finetune_kit.course.exercise import Exercise


def all_exercises() -> dict[str, Exercise]:
    """Every exercise by its name, in the order of the course."""
    modules = (import_module(f"{__name__}.{m.name}") for m in iter_modules(__path__))
    return {each.name: each for module in modules for each in module.EXERCISES}
