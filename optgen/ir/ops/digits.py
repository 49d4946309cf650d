"""Values at 50 digits of the functions that mpmath alone does not do justice to.

Each takes the module ``mpmath`` and the arguments, so that nothing is imported before an oracle
is. mpmath has no negative zero, and computes as many bits as an exponent is large: numbers far
beyond every format are left to NumPy, which knows its infinities.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_LARGEST_EXPONENT = 10**4  # no format's is as large


def quotient(mp: Any, a: Any, b: Any) -> Any:
    """``a / b``; an infinity where b is 0."""
    return a * reciprocal(mp, b)


def reciprocal(mp: Any, x: Any) -> Any:
    """``1 / x``; an infinity where x is 0."""
    return 1 / x if x else mp.inf


def reciprocal_root(mp: Any, x: Any) -> Any:
    """One over the square root."""
    return reciprocal(mp, mp.sqrt(x))


def power(mp: Any, x: Any, y: Any) -> Any:
    """``x ** y``."""
    special = not x or not (mp.isfinite(x) and mp.isfinite(y))
    special = special or abs(float(y) * mp.mag(x)) > _LARGEST_EXPONENT
    return _as_numpy(mp, np.power, x, y) if special else x**y


def exponential(mp: Any, x: Any) -> Any:
    """``e ** x``."""
    return mp.exp(x) if abs(x) < _LARGEST_EXPONENT else _as_numpy(mp, np.exp, x)


def exponential_minus_one(mp: Any, x: Any) -> Any:
    """``e ** x - 1``."""
    return mp.expm1(x) if abs(x) < 1 else exponential(mp, x) - 1


def hyperbolic_tangent(mp: Any, x: Any) -> Any:
    """The hyperbolic tangent."""
    return mp.tanh(x) if abs(x) < 1000 else mp.sign(x)


def periodic(name: str) -> Callable[..., Any]:
    """Sine or cosine, NaN for numbers as large as no format has them."""
    return lambda mp, x: getattr(mp, name)(x) if mp.mag(x) < _LARGEST_EXPONENT else mp.nan


def angle(mp: Any, y: Any, x: Any) -> Any:
    """The angle of the point (x, y)."""
    special = not (mp.isfinite(x) and mp.isfinite(y))
    return _as_numpy(mp, np.arctan2, y, x) if special else mp.atan2(y, x)


def cube_root(mp: Any, x: Any) -> Any:
    """The real cube root."""
    return -mp.cbrt(-x) if x < 0 else mp.cbrt(x)


def larger(mp: Any, a: Any, b: Any) -> Any:
    """The larger one, NaN beside NaN."""
    return mp.nan if a != a or b != b else max(a, b)


def smaller(mp: Any, a: Any, b: Any) -> Any:
    """The smaller one, NaN beside NaN."""
    return mp.nan if a != a or b != b else min(a, b)


def _as_numpy(mp: Any, function: Callable[..., Any], *args: Any) -> Any:
    with np.errstate(all="ignore"):
        return mp.mpf(float(function(*map(np.float64, args))))
