"""Values that carry a bound on their error, and conditions that know where they are sure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]

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
