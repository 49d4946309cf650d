"""The measure of an error: units in the last place, fair where terms cancel.

One unit is the distance between neighbouring numbers of the output's dtype at the exact value.
Where the exact value is what was left of larger terms that cancelled, it is a rounding of those
terms in the precision of the arithmetic, if that is more: nobody who adds rounded numbers can do
better, and optax is measured by the same unit. Nothing is excused that hyperparameters and the
step alone decide. Below the smallest normal number of the arithmetic a unit is that number, for
hardware may flush what is smaller to 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import mpmath
import numpy as np
from mpmath import mpf

from optgen.verify.bounds import spacing_at
from optgen.verify.exact import DIGITS, Format, format_of, lift, rounded
from optgen.verify.oracle import Value

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

    def least_explained(self) -> tuple[float, float]:
        """The element whose error is largest beside what is possible: both, in units."""
        if not self.units.size:
            return 0.0, 1.0
        at = int(np.argmax(self.units / self.possible))
        return float(self.units.flat[at]), float(self.possible.flat[at])


def errors(found: Any, value: Value) -> Errors:
    """How far an array is from what it should be.

    Args:
      found: an array of any floating-point dtype, which is the output's.
      value: what the oracle says of it.
    """
    found = np.asarray(found)
    form = format_of(found.dtype)
    arithmetic = format_of(np.float64 if found.dtype == np.float64 else np.float32)
    magnitude = np.abs(value.exact.astype(np.float64))
    spacing = spacing_at(np.where(np.isfinite(magnitude), magnitude, 0.0), form)
    unit = np.maximum(spacing, np.nan_to_num(value.cancelled, nan=0.0))
    unit = np.maximum(unit, 2.0**arithmetic.lowest)
    with mpmath.workdps(DIGITS), np.errstate(all="ignore"):
        pairs = zip(lift(found).flat, value.exact.flat, strict=True)
        distance = np.array([_distance(a, b, form) for a, b in pairs], dtype=np.float64)
        units = distance.reshape(np.shape(found)) / unit
        possible = np.minimum(np.nan_to_num(value.bound, nan=0.0) / unit + 1.0, _UNBOUNDED)
    return Errors(units, possible)


def _distance(found: mpf, exact: mpf, form: Format) -> float:
    """How far apart two numbers are; infinities and NaN are right or infinitely wrong."""
    should_be = rounded(exact, form)
    if mpmath.isfinite(found) and mpmath.isfinite(should_be):
        return float(abs(found - exact))
    same = found == should_be or (mpmath.isnan(found) and mpmath.isnan(should_be))
    return 0.0 if same else float("inf")
