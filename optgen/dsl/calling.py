"""Calls of rules while they are traced: their errors are placed, and their values named."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

from optgen.dsl.composition import Instance, UpdateRule
from optgen.dsl.expr import NO_ARRAY, NO_NUMBER, Expr, lift
from optgen.dsl.location import culprit
from optgen.dsl.slots import Slot, describe_axes
from optgen.dsl.trace import Trace
from optgen.errors import RuleError
from optgen.ir.build import cast
from optgen.ir.types import LEAF, REAL

_SYMBOL_IN_A_LIBRARY = ("__jax_array__", "__array_ufunc__", "dsl.expr.Expr", "dsl.slots.Slot")
"""Signs of a symbol in the error messages of JAX and NumPy."""


def apply_rule(tracing: Trace, rule: UpdateRule, values: dict[str, Any], g: Expr, p: Expr) -> Expr:
    """Runs a rule on ``g``, and after it the rules of the chain that it returns."""
    with tracing.part(rule.name), _located(rule):
        args = (g, p) if rule.takes_symbols else ()
        result, end = _observe(tracing, rule.function, args, values)
        if not isinstance(result, Instance):
            return _returned(rule, result, end)
        for part in result.parts:
            with _at(rule, end):
                inner = {n: _value(tracing, part.rule, n, v) for n, v in part.values.items()}
            g = apply_rule(tracing, part.rule, inner, g, p)
            if part is not result.parts[-1]:
                name_result(tracing, part.rule.name, g)
        return g


@contextmanager
def _at(rule: UpdateRule, line: int) -> Iterator[None]:
    """Places an error that has no place yet at a line of a rule."""
    try:
        yield
    except RuleError as error:
        if error.filename is not None:
            raise
        raise RuleError(error.reason, rule.function.__code__.co_filename, line, rule.name) from None


def _value(tracing: Trace, rule: UpdateRule, name: str, value: Any) -> Any:
    """A hyperparameter as a rule inside a rule sees it: numbers are symbols, as at run time."""
    declared = next(h for h in rule.hyperparameters if h.name == name)
    if value is None or declared.kind != "scalar":
        if declared.kind == "mask" and not (value is None or isinstance(value, bool)):
            raise RuleError(
                f"{rule.name}({name}=…) inside a rule takes the mask of the rule around it, "
                "True, False or None: a tree or a function belongs where the optimizer is made"
            )
        return value
    if callable(value) and not isinstance(value, Expr):
        raise RuleError(
            f"{rule.name}({name}=…) is given a schedule inside a rule: make {name} a "
            "hyperparameter of the rule around it, and pass the schedule there"
        )
    return lift(tracing, value)


def _returned(rule: UpdateRule, result: Any, end: int) -> Expr:
    code = rule.function.__code__
    shape = "an update, which has the parameter's shape and is added to it"
    if result is None:
        reason = f"nothing is returned: return {shape}"
    elif not isinstance(result, Expr):
        reason = (
            f"{type(result).__name__} is returned: return {shape}, or a dsl.chain of other rules"
        )
    elif result.node.type.axes != LEAF:
        reason = (
            f"what is returned varies along {describe_axes(result.node.type.axes)} only: "
            f"return {shape}"
        )
    else:
        return Expr(result.trace, cast(result.node, REAL), "grad")
    raise RuleError(reason, code.co_filename, end, rule.name)


@contextmanager
def _located(rule: UpdateRule) -> Iterator[None]:
    """Turns every exception of a rule into an error that names the rule's file and line."""
    code = rule.function.__code__
    try:
        yield
    except Exception as error:
        if isinstance(error, RuleError) and error.filename is not None:
            raise
        reason = error.reason if isinstance(error, RuleError) else _describe(error)
        where = culprit(error.__traceback__, (code,))
        filename, lineno = (where.filename, where.lineno) if where else (code.co_filename, 0)
        raise RuleError(reason, filename, lineno or code.co_firstlineno, rule.name) from error


def _describe(error: Exception) -> str:
    """The message of Python or of a library, with the remedy for a common mistake."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, NameError):
        return f"{text}; the functions of a rule are in optgen.dsl (dsl.sqrt, dsl.where, …)"
    if isinstance(error, AttributeError) and "optgen.dsl" in str(error):
        close = difflib.get_close_matches(error.name or "", dir(error.obj), n=3)
        meant = f". Did you mean {', '.join(close)}?" if close else ""
        return f"{text}{meant} dir(optgen.dsl) lists the functions that there are"
    if any(sign in text for sign in _SYMBOL_IN_A_LIBRARY):
        return NO_ARRAY
    return f"{text}: {NO_NUMBER}" if "'NoneType'" in text else text


def _observe(
    tracing: Trace, function: Callable[..., Any], args: tuple[Any, ...], values: dict[str, Any]
) -> tuple[Any, int]:
    """Calls a rule's function; notes the names of its values, and the line of its return.

    The names are for readers of emitted code. Python tells them only to a profiler.
    """
    code: CodeType = function.__code__
    end = code.co_firstlineno
    if sys.getprofile() is not None:  # somebody is profiling; names are not worth disturbing that
        return function(*args, **values), end

    def profiler(frame: FrameType, event: str, _: Any) -> None:
        nonlocal end
        if event == "return" and frame.f_code is code:
            end = frame.f_lineno
            _note_names(tracing, frame.f_locals)

    sys.setprofile(profiler)
    try:
        return function(*args, **values), end
    finally:
        sys.setprofile(None)


def _note_names(tracing: Trace, variables: dict[str, Any]) -> None:
    for name, value in variables.items():
        is_value = isinstance(value, Expr) and not isinstance(value, Slot)
        if is_value and value.node.args and name not in ("g", "p") and not name.startswith("_"):
            tracing.names.setdefault(value.node, name)


def name_result(tracing: Trace, part: str, update: Expr) -> None:
    """Names the update that a part hands to the next after the part; a slot keeps its own name."""
    is_slot = any(record.next is update.node for record in tracing.slots.values())
    if update.node.args and update.node.op != "cast" and not is_slot:
        tracing.names.setdefault(update.node, part)
