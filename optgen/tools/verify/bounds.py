"""Running error analysis: what rounding may cost, element by element, in float64.

A ``Bounded`` value follows the same equations as the exact one, and carries beside the value

- ``terms``: the size of what was added up to make it. Where terms cancel, no arithmetic of finite
  precision can be accurate relative to the result, but a good one is relative to the terms. What
  hyperparameters and the step alone decide is not excused so: ``1 - b2**t`` can be computed well.
- ``error``: a bound on the error of evaluating the rule as it is written, each operation rounded,
  in units of the roundoff of the arithmetic (Higham, Accuracy and Stability of Numerical
  Algorithms, 2002, section 3.3). Elementary functions may be off by a few units. For sums of n
  numbers it is the bound that holds in practice, of order sqrt(n) (Higham and Mary, 2019).

Where rounding turns a decision (a comparison or the sign of what is nearly equal, a cast that is
nearly a tie) both are as large as the jump.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, TypeAlias

import numpy as np

from optgen.ir.ops import OPS, Jump, Op
from optgen.tools.verify.bounded import Bounded, Decision, measured
from optgen.tools.verify.exact import Format, folded, format_of

Array: TypeAlias = np.ndarray[Any, Any]

_ELEMENTARY = 4.0  # units in which exp, pow and the like may be off, on any target
_DIVISION = 2.0


def _inherited(value: Array, x: Bounded) -> Array:
    """The terms of a function of ``x``: as much larger than its value as those of ``x`` are."""
    ratio = np.where(x.value == 0, 1.0, x.terms / np.abs(x.value))
    return np.abs(value) * np.maximum(_zero_if_nan(ratio), 1.0)


def _zero_if_nan(x: Array) -> Array:
    return np.where(np.isnan(x), 0.0, x)


def _square_root(x: Bounded) -> Bounded:
    value = np.sqrt(x.value)
    # Near 0 the derivative says too much, and where the error is as large as x too little.
    lowest = np.sqrt(np.maximum(x.value - x.unit * x.error, 0.0))
    is_small = x.unit * x.error < 1e-3 * x.value
    error = np.where(is_small, x.error / (2 * value), (value - lowest) / x.unit)
    error = np.where(value == 0, np.sqrt(x.error / x.unit), error)
    return Bounded(value, _inherited(value, x), error + _DIVISION * value, x.unit)


def _power(x: Bounded, y: Bounded) -> Bounded:
    value = np.power(x.value, y.value)
    relative = np.abs(y.value / x.value) * x.error + np.abs(np.log(np.abs(x.value))) * y.error
    error = np.abs(value) * (_zero_if_nan(relative) + _ELEMENTARY)
    return Bounded(value, _inherited(value, x), error, x.unit)


def _smooth(row: Op) -> Callable[..., Bounded]:
    """A function with the derivatives that its row has, or that differences give."""

    def apply(*args: Bounded) -> Bounded:
        assert row.meaning is not None
        values = [x.value for x in args]
        value = row.meaning(*values)
        if row.slopes:
            moved = [
                np.abs(_zero_if_nan(slope(*values) * x.error))
                for slope, x in zip(row.slopes, args, strict=True)
            ]
        else:
            moved = [_moved(row.meaning, args, place) for place in range(row.arity)]
        error = sum(moved) + row.units * np.abs(value)
        terms = _inherited(value, args[0]) if row.arity == 1 else np.abs(value)
        return Bounded(value, terms, error, args[0].unit)

    return apply


def _moved(function: Callable[..., Array], args: Sequence[Bounded], place: int) -> Array:
    """Largest change of the value by the error of one argument, to either side of it."""
    values = [x.value for x in args]
    value, moved = function(*values), np.zeros(())
    for sign in (1.0, -1.0):
        x = args[place]
        values[place] = x.value + sign * x.unit * x.error
        difference = np.abs(function(*values) - value) / x.unit
        moved = np.maximum(moved, np.where(x.error > 0, _zero_if_nan(difference), 0.0))
    return moved


def _step(row: Op, jump: Jump) -> Callable[[Bounded], Bounded]:
    """A function that jumps where ``edge`` is 0, and is never further off than ``most``."""

    def apply(x: Bounded) -> Bounded:
        assert row.meaning is not None
        value = row.meaning(x.value)
        turns = np.abs(jump.edge(x.value)) <= x.unit * x.error
        turns &= x.error > 0
        most = np.minimum(x.error + jump.size / x.unit, jump.most / x.unit)
        extra = np.where(turns, most, 0.0)
        return Bounded(value, np.abs(value) + extra, extra, x.unit)

    return apply


def _cast(x: Bounded, dtype: np.dtype[Any]) -> Bounded:
    value = x.value.astype(dtype).astype(np.float64)
    form = format_of(dtype)
    spacing = spacing_at(x.value, form)
    tie = np.abs(np.abs(x.value - value) - spacing / 2)
    turns = (tie <= x.unit * x.error) & (x.error > 0)
    extra = np.where(turns, x.error + spacing / x.unit, 0.0)
    return Bounded(value, np.abs(value) + extra, extra, x.unit)


def spacing_at(x: Array, form: Format) -> Array:
    """The distance between neighbouring numbers of a format near ``x``, in float64."""
    _, exponent = np.frexp(np.abs(x))
    exponent = np.where(x == 0, form.lowest, np.maximum(exponent - 1, form.lowest))
    return np.ldexp(1.0, exponent - (form.precision - 1))


def _choice(pick: Callable[[Array, Array], Array]) -> Callable[..., Bounded]:
    def apply(a: Bounded, b: Bounded) -> Bounded:
        value = pick(a.value, b.value)
        first = value == a.value
        terms = np.where(first, a.terms, b.terms)
        error = np.where(first, a.error, b.error)
        close = np.abs(a.value - b.value) <= a.unit * (a.error + b.error)
        error = np.where(close, np.maximum(a.error, b.error), error)
        return Bounded(value, terms, error, a.unit)

    return apply


def _quotient(a: Bounded, b: Bounded) -> Bounded:
    """A product with the reciprocal, which is as far off as two roundings."""
    value = 1 / b.value
    error = _zero_if_nan(1 / b.value**2) * b.error + _DIVISION * np.abs(value)
    return a * Bounded(value, _inherited(value, b), error, b.unit)


def _where(condition: Decision, a: Bounded, b: Bounded) -> Bounded:
    value, terms, error = (
        np.where(condition.holds, getattr(a, field), getattr(b, field))
        for field in ("value", "terms", "error")
    )
    jump = np.where(condition.sure, 0.0, np.abs(a.value - b.value) / a.unit)
    jump = _zero_if_nan(jump)
    return Bounded(value, terms + jump, error + jump, a.unit)


def _truth(condition: Decision, leaf: Any) -> Bounded:
    return _where(condition, measured(1.0, leaf.unit), measured(0.0, leaf.unit))


def _compare(operator: Callable[..., Array], a: Bounded, b: Bounded) -> Decision:
    error = a.error + b.error
    sure = (error == 0) | ~(np.abs(a.value - b.value) <= a.unit * error)
    return Decision(operator(a.value, b.value), sure)


def _is_finite(x: Bounded) -> Decision:
    return Decision(np.isfinite(x.value), np.ones(x.value.shape, dtype=bool))


def _total(x: Bounded, axes: Sequence[int], shape: tuple[int, ...]) -> Bounded:
    value, terms, error, size = (
        folded(np.broadcast_to(part, shape), axes, np.sum)
        for part in (x.value, x.terms, x.error, np.abs(x.value))
    )
    count = np.prod(shape) / max(1, value.size)
    return Bounded(value, terms, error + _ELEMENTARY * np.sqrt(count) * size, x.unit)


def _extreme(function: Callable[..., Any], empty: float) -> Callable[..., Bounded]:
    def apply(x: Bounded, axes: Sequence[int], shape: tuple[int, ...]) -> Bounded:
        value = folded(np.broadcast_to(x.value, shape), axes, lambda e: function(e, initial=empty))
        terms, error = (
            folded(np.broadcast_to(part, shape), axes, lambda e: np.max(e, initial=0.0))
            for part in (x.terms, x.error)
        )
        return Bounded(value, terms, error, x.unit)

    return apply


_OWN: Mapping[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a + -b,
    "mul": lambda a, b: a * b,
    "neg": lambda a: -a,
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "not": lambda a: ~a,
    "div": _quotient,
    "sqrt": _square_root,
    "pow": _power,
    "abs": lambda x: Bounded(np.abs(x.value), x.terms, x.error, x.unit),
    "maximum": _choice(np.maximum),
    "minimum": _choice(np.minimum),
    "isfinite": _is_finite,
    "where": _where,
}
"""Operations that no derivative bounds: they cancel, join, choose, or have none at 0."""

_REDUCTIONS: Mapping[str, Callable[..., Bounded]] = {
    "sum": _total,
    "max": _extreme(np.max, -np.inf),
    "min": _extreme(np.min, np.inf),
}


class Bounds:
    """The number system of the bounds; see ``optgen.tools.verify.code.Arithmetic``."""

    truth = staticmethod(_truth)
    cast = staticmethod(_cast)

    def number(self, value: float, leaf: Any) -> Bounded:
        """A constant, rounded where it is no whole number."""
        return measured(value, leaf.unit, value % 1 != 0)

    def reduce(self, op: str, x: Bounded, axes: Sequence[int], shape: tuple[int, ...]) -> Bounded:
        """The sum, the largest or the smallest along axes."""
        return _REDUCTIONS[op](x, axes, shape)

    def elementwise(self, op: str) -> Callable[..., Any]:
        """Bound of an operation's error, from its row in the table."""
        return _elementwise(OPS[op])


@lru_cache
def _elementwise(row: Op) -> Callable[..., Any]:
    if row.name in _OWN:
        return _OWN[row.name]
    if row.kind == "compare" and row.meaning is not None:
        return partial(_compare, row.meaning)
    return _smooth(row) if row.jump is None else _step(row, row.jump)


BOUNDS = Bounds()
