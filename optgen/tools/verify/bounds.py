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
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from optgen.tools.verify.exact import Format, folded, format_of

Array: TypeAlias = np.ndarray[Any, Any]

_ELEMENTARY = 4.0  # units in which exp, pow and the like may be off, on any target
_DIVISION = 2.0
_SMALLEST_NORMAL = {2.0**-24: 2.0**-126, 2.0**-53: 2.0**-1022}  # what is smaller may become 0


@dataclass(frozen=True, slots=True)
class Bounded:
    """A value, the size of the terms it was added up from, and its error in units of roundoff.

    Attributes:
      value: float64, as are the others.
      terms: at least the magnitude of the value.
      error: times ``unit``, a bound on the absolute error.
      unit: the unit roundoff of the arithmetic that is bounded.
    """

    value: Array
    terms: Array
    error: Array
    unit: float

    def __post_init__(self) -> None:
        size = np.abs(self.value)
        flushed = np.where(size < _SMALLEST_NORMAL[self.unit], size / self.unit, 0.0)
        # What is infinite or NaN is right or wrong, and not off by something.
        error = np.where(np.isfinite(self.value), self.error + flushed, 0.0)
        object.__setattr__(self, "error", error)
        object.__setattr__(self, "terms", self.terms + flushed)

    def __add__(self, other: Bounded) -> Bounded:
        value = self.value + other.value
        error = self.error + other.error + np.abs(value)
        return Bounded(value, self.terms + other.terms, error, self.unit)

    def __neg__(self) -> Bounded:
        return Bounded(-self.value, self.terms, self.error, self.unit)

    def __mul__(self, other: Bounded) -> Bounded:
        value = self.value * other.value
        error = self.error * np.abs(other.value) + other.error * np.abs(self.value)
        return Bounded(value, self.terms * other.terms, error + np.abs(value), self.unit)

    def excused_nothing(self) -> Bounded:
        """The same, with no terms but the value itself."""
        return Bounded(self.value, np.abs(self.value), self.error, self.unit)

    def reshaped(self, shape: tuple[int, ...]) -> Bounded:
        """The same, in another shape."""
        value, terms, error = (x.reshape(shape) for x in (self.value, self.terms, self.error))
        return Bounded(value, terms, error, self.unit)


@dataclass(frozen=True, slots=True)
class Decision:
    """A condition, and where it is sure: there, no rounding turns it."""

    holds: Array
    sure: Array

    def __and__(self, other: Decision) -> Decision:
        sure = (self.sure & other.sure) | (self.sure & ~self.holds) | (other.sure & ~other.holds)
        return Decision(self.holds & other.holds, sure)

    def __or__(self, other: Decision) -> Decision:
        return ~(~self & ~other)

    def __invert__(self) -> Decision:
        return Decision(~self.holds, self.sure)


def measured(x: Any, unit: float, is_rounded: bool = False) -> Bounded:
    """An input: exact, or rounded to the precision of the arithmetic where it is read."""
    value = np.atleast_1d(np.asarray(x, dtype=np.float64))
    size = np.abs(value)
    return Bounded(value, size, size if is_rounded else np.zeros_like(value), unit)


def _smooth(
    function: Callable[..., Array], slope: Callable[..., Array], units: float = _ELEMENTARY
) -> Callable[[Bounded], Bounded]:
    """A function with this derivative, itself off by so many units."""

    def apply(x: Bounded) -> Bounded:
        value = function(x.value)
        error = np.abs(_zero_if_nan(slope(x.value))) * x.error + units * np.abs(value)
        return Bounded(value, _inherited(value, x), error, x.unit)

    return apply


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


def _angle(y: Bounded, x: Bounded) -> Bounded:
    value = np.arctan2(y.value, x.value)
    radius = y.value**2 + x.value**2
    error = (np.abs(x.value) * y.error + np.abs(y.value) * x.error) / radius
    error = _zero_if_nan(error) + _ELEMENTARY * np.abs(value)
    return Bounded(value, np.abs(value), error, x.unit)


def _step(
    function: Callable[[Array], Array],
    edge: Callable[[Array], Array],
    jump: float,
    most: float = np.inf,
) -> Callable[[Bounded], Bounded]:
    """A function that jumps where ``edge`` is 0, and is never further off than ``most``."""

    def apply(x: Bounded) -> Bounded:
        value = function(x.value)
        turns = np.abs(edge(x.value)) <= x.unit * x.error
        turns &= x.error > 0
        extra = np.where(turns, np.minimum(x.error + jump / x.unit, most / x.unit), 0.0)
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
    def two(a: Bounded, b: Bounded) -> Bounded:
        value = pick(a.value, b.value)
        first = value == a.value
        terms = np.where(first, a.terms, b.terms)
        error = np.where(first, a.error, b.error)
        close = np.abs(a.value - b.value) <= a.unit * (a.error + b.error)
        error = np.where(close, np.maximum(a.error, b.error), error)
        return Bounded(value, terms, error, a.unit)

    def apply(first: Bounded, *rest: Bounded) -> Bounded:
        for x in rest:
            first = two(first, x)
        return first

    return apply


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


BOUNDS: Mapping[str, Callable[..., Any]] = {
    "number": lambda value, leaf: measured(value, leaf.unit, value % 1 != 0),
    "reciprocal": _smooth(lambda x: 1 / x, lambda x: 1 / x**2, _DIVISION),
    "square": lambda x: x * x,
    "sqrt": _square_root,
    "rsqrt": _smooth(lambda x: 1 / np.sqrt(x), lambda x: 0.5 / np.sqrt(x) ** 3),
    "power": _power,
    "Abs": lambda x: Bounded(np.abs(x.value), x.terms, x.error, x.unit),
    "sign": _step(np.sign, lambda x: x, 2.0, 2.0),
    "exp": _smooth(np.exp, np.exp),
    "log": _smooth(np.log, lambda x: 1 / x),
    "log1p": _smooth(np.log1p, lambda x: 1 / (1 + x)),
    "expm1": _smooth(np.expm1, np.exp),
    "tanh": _smooth(np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "sin": _smooth(np.sin, np.cos),
    "cos": _smooth(np.cos, np.sin),
    "atan2": _angle,
    "floor": _step(np.floor, lambda x: x - np.round(x), 1.0),
    "RoundHalfEven": _step(np.round, lambda x: x - np.floor(x) - 0.5, 1.0),
    "CubeRoot": _smooth(np.cbrt, lambda x: 1 / (3 * np.cbrt(x) ** 2)),
    "Max": _choice(np.maximum),
    "Min": _choice(np.minimum),
    "IsFinite": _is_finite,
    "Where": _where,
    "Truth": _truth,
    "Cast": _cast,
    "LeafSum": _total,
    "LeafMax": _extreme(np.max, -np.inf),
    "LeafMin": _extreme(np.min, np.inf),
    "compare": _compare,
}
"""Meaning of an equation's functions for bounds; ``EXACT`` has the same names."""
