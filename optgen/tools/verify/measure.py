"""The measure of an error: units in the last place, fair where terms cancel.

One unit is the distance between neighbouring numbers of the output's dtype at the exact value.
Where the exact value is what was left of larger terms that cancelled, it is a rounding of those
terms in the precision of the arithmetic, if that is more: nobody who adds rounded numbers can do
better, and optax is measured by the same unit. Nothing is excused that hyperparameters and the
step alone decide. Below the smallest normal number of the arithmetic a unit is that number, for
hardware may flush what is smaller to 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import mpmath
import numpy as np
from mpmath import mpf

from optgen.tools.verify.bounds import spacing_at
from optgen.tools.verify.exact import DIGITS, Format, format_of, lift, rounded
from optgen.tools.verify.oracle import Value

Array: TypeAlias = np.ndarray[Any, Any]

_UNBOUNDED = 1e300  # finite, so that NaN for a number is never explained


@dataclass(frozen=True, slots=True)
class Errors:
    """The errors of one array, element by element.

    Attributes:
      units: in units in the last place, see above.
      possible: what rounding can explain of each, in the same units: the oracle's bound on an
        evaluation of the rule as it is written, and one unit for storing it.
    """

    units: Array
    possible: Array

    def worst(self) -> float:
        """The largest error in units, 0 for an empty array."""
        return float(np.max(self.units, initial=0.0))

    def judged(self) -> tuple[float, float]:
        """The error of one element in units, and what is possible there.

        It is the element whose error is the largest beside what is possible, if it is more than
        that; else simply the one with the largest error.
        """
        if not self.units.size:
            return 0.0, 1.0
        at = int(np.argmax(self.units / self.possible))
        if self.units.flat[at] <= self.possible.flat[at]:
            at = int(np.argmax(self.units))
        return float(self.units.flat[at]), float(self.possible.flat[at])


def errors(array: Any, value: Value) -> Errors:
    """The distance of an array from the oracle's.

    Args:
      array: of any floating-point dtype, which is the output's.
      value: the oracle's for it.
    """
    array = np.asarray(array)
    form = format_of(array.dtype)
    arithmetic = format_of(np.float64 if array.dtype == np.float64 else np.float32)
    magnitude = np.abs(value.exact.astype(np.float64))
    spacing = spacing_at(np.where(np.isfinite(magnitude), magnitude, 0.0), form)
    unit = np.maximum(spacing, np.nan_to_num(value.cancelled, nan=0.0))
    unit = np.maximum(unit, 2.0**arithmetic.lowest)
    with mpmath.workdps(DIGITS), np.errstate(all="ignore"):
        distance = np.asarray(_DISTANCE(lift(array).reshape(array.shape), value.exact))
        distance = distance.astype(np.float64)
        special = ~(np.isfinite(array.astype(np.float64)) & (magnitude < form.largest))
        for at in np.argwhere(special):
            distance[tuple(at)] = _right_or_wrong(array[tuple(at)], value.exact[tuple(at)], form)
        units = distance / unit
        possible = np.minimum(np.nan_to_num(value.bound, nan=0.0) / unit + 1.0, _UNBOUNDED)
    return Errors(units, possible)


_DISTANCE = np.frompyfunc(lambda a, b: float(abs(a - b)), 2, 1)


def _right_or_wrong(element: Any, exact: mpf, form: Format) -> float:
    """The distance where a number is infinite or NaN, or should be: nothing, or infinite."""
    number, nearest = mpf(float(element)), rounded(exact, form)
    if mpmath.isfinite(number) and mpmath.isfinite(nearest):
        return float(abs(number - exact))
    same = number == nearest or (mpmath.isnan(number) and mpmath.isnan(nearest))
    return 0.0 if same else math.inf
