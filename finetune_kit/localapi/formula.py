"""The formula of a `multi` grader: numbers, names of graders, `+ - * / ^`, brackets,
and the functions of OpenAI's guide. Parsed, never run as Python.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

FUNCTIONS: dict[str, Callable[..., float]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "floor": math.floor,
    "ceil": math.ceil,
    "exp": math.exp,
    "sqrt": math.sqrt,
    "log": math.log,
}
_ONE_ARGUMENT = FUNCTIONS.keys() - {"min", "max"}
_LONGEST = 500  # characters; also bounds how deep a formula nests
_OPERATORS: dict[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: math.pow,  # floats, so that no power grows without end
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}


class FormulaError(Exception):
    """The formula is none, or speaks of a grader that there is not."""


class Formula:
    """A formula that has been understood. Raises FormulaError for anything else."""

    def __init__(self, text: str, names: Mapping[str, Any]) -> None:
        if len(text) > _LONGEST:
            raise FormulaError(f"it is longer than {_LONGEST} characters")
        if "**" in text:
            raise FormulaError("a power is written with '^', not with '**'")
        try:
            self._body = ast.parse(text.strip().replace("^", "**"), mode="eval").body
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            why = getattr(error, "msg", None) or "it is too complicated"
            raise FormulaError(f"it cannot be read as arithmetic ({why})") from None
        try:
            _check(self._body, names)
        except RecursionError:
            raise FormulaError("it nests too deeply") from None

    def value(self, scores: Mapping[str, float]) -> float:
        """Raises ArithmeticError where there is none: a division by zero, a root of a
        negative number, a result that is not finite."""
        try:
            value = float(_value(self._body, scores))
        except ValueError as error:
            raise ArithmeticError(str(error)) from None
        if not math.isfinite(value):
            raise ArithmeticError("the result is not finite")
        return value


def _check(node: ast.AST, names: Mapping[str, Any]) -> None:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(
            value, bool
        ):
            if value > 1e300:
                raise FormulaError("a number in it is too large")
        case ast.Name(id=name):
            if name not in names:
                known = ", ".join(names)
                raise FormulaError(f"no grader is named '{name}'; there are: {known}")
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            _check(operand, names)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            _check(left, names)
            _check(right, names)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            _check_call(name, len(args))
            for argument in args:
                _check(argument, names)
        case _:
            raise FormulaError(
                "only numbers, names of graders, + - * / ^, brackets and "
                f"{', '.join(FUNCTIONS)} may stand in it"
            )


def _check_call(name: str, count: int) -> None:
    if name not in FUNCTIONS:
        raise FormulaError(f"there is no function '{name}'; use {', '.join(FUNCTIONS)}")
    if name in _ONE_ARGUMENT and count != 1:
        raise FormulaError(f"{name}() takes one value, not {count}")
    if count < 1:
        raise FormulaError(f"{name}() needs at least one value")


def _value(node: ast.AST, scores: Mapping[str, float]) -> float:
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.Name(id=name):
            return scores[name]
        case ast.UnaryOp(op=op, operand=operand):
            return _OPERATORS[type(op)](_value(operand, scores))
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](_value(left, scores), _value(right, scores))
        case ast.Call(func=ast.Name(id=name), args=args):
            values = [_value(argument, scores) for argument in args]
            taken = values if name in _ONE_ARGUMENT else [values]
            return FUNCTIONS[name](*taken)
    raise AssertionError("checked before")
