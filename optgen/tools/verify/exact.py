"""Arithmetic at 50 digits, element by element over NumPy object arrays of mpmath numbers.

Infinities and NaN follow IEEE 754; a division by 0 gives an infinity, an invalid operation NaN.
mpmath has no negative zero, and nothing overflows that has a chance to come back. What
each operation means is in its row in ``optgen.ir.ops``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, TypeAlias

import ml_dtypes
import mpmath
import numpy as np
from mpmath import mpf

from optgen.ir.ops import OPS, Op

Array: TypeAlias = np.ndarray[Any, Any]

DIGITS = 50
INF, NAN, ZERO, ONE = mpf("inf"), mpf("nan"), mpf(0), mpf(1)


@dataclass(frozen=True, slots=True)
class Format:
    """A binary floating-point format.

    Attributes:
      precision: the bits of its significand, the leading one included.
      lowest: the exponent of its smallest normal number, 2**lowest.
      largest: its largest finite number.
    """

    precision: int
    lowest: int
    largest: float

    @property
    def unit_roundoff(self) -> float:
        """The largest relative error of one rounding."""
        return 2.0**-self.precision


def dtype_of(name: str) -> np.dtype[Any]:
    """The NumPy dtype with this name, ``bfloat16`` included."""
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


def format_of(dtype: Any) -> Format:
    """The format of a NumPy floating-point dtype."""
    info = ml_dtypes.finfo(dtype)
    return Format(int(info.nmant) + 1, int(info.minexp), float(info.max))


def lift(x: Any) -> Array:
    """The same numbers, exactly, as an object array with at least one axis."""
    wide = np.atleast_1d(np.asarray(x)).astype(np.float64).astype(object)
    with np.errstate(invalid="ignore"):
        return _array(np.frompyfunc(mpf, 1, 1)(wide))


def rounded(x: mpf, form: Format) -> mpf:
    """The number of the format that is nearest to ``x``, ties to even; overflow is infinite."""
    if not mpmath.isfinite(x) or not x:
        return x
    sign, mantissa, exponent, bits = x._mpf_
    quantum = max(exponent + bits - 1, form.lowest) - (form.precision - 1)
    shift = quantum - exponent
    if shift > bits + 1:  # less than half of the smallest number
        return ZERO
    if shift > 0:
        whole, rest = mantissa >> shift, mantissa & ((1 << shift) - 1)
        half = 1 << (shift - 1)
        whole += rest > half or (rest == half and whole & 1)
        x = mpmath.ldexp(mpf(-whole if sign else whole), quantum)
    return x if abs(x) <= form.largest else (-INF if sign else INF)


def _array(x: Any) -> Array:
    return np.asarray(x, dtype=object)


def _each(function: Callable[..., Any], arity: int = 1) -> Callable[..., Array]:
    """The function applied to each element; NaN where it has no real value there."""

    def real(*args: mpf) -> mpf:
        try:
            y = function(*args)
        except ZeroDivisionError:
            return NAN
        return mpf(y) if isinstance(y, int) else NAN if isinstance(y, mpmath.mpc) else y

    ufunc = np.frompyfunc(real, arity, 1)
    return lambda *args: _array(ufunc(*args))


def _number(value: float, leaf: Any) -> Array:
    return lift(value)


def _truth(condition: Array, leaf: Any) -> Array:
    return _array(np.where(condition, ONE, ZERO))


def _cast(x: Array, dtype: np.dtype[Any]) -> Array:
    form = format_of(dtype)
    return _array(np.frompyfunc(lambda e: rounded(e, form), 1, 1)(x))


def folded(x: Array, axes: Sequence[int], function: Callable[[Array], Any]) -> Array:
    """``function`` of all elements along ``axes`` (all axes if there are none), kept as 1."""
    axes = tuple(axes) or tuple(range(x.ndim))
    others = [a for a in range(x.ndim) if a not in axes]
    shape = [1 if a in axes else x.shape[a] for a in range(x.ndim)]
    count = math.prod(x.shape[a] for a in others)
    length = math.prod(x.shape[a] for a in axes)
    lines = np.transpose(x, [*others, *axes]).reshape(count, length)
    result = np.empty(len(lines), dtype=x.dtype)
    result[:] = [function(line) for line in lines]
    return result.reshape(shape)


def _fold(function: Callable[[Array], Any]) -> Callable[..., Array]:
    def reduce(x: Array, axes: Sequence[int], shape: tuple[int, ...]) -> Array:
        return folded(np.broadcast_to(x, shape), axes, function)

    return reduce


def _largest(line: Array) -> mpf:
    return NAN if any(e != e for e in line) else max(line, default=-INF)


def _smallest(line: Array) -> mpf:
    return NAN if any(e != e for e in line) else min(line, default=INF)


_REDUCTIONS: Mapping[str, Callable[..., Array]] = {
    "sum": _fold(mpmath.fsum),
    "max": _fold(_largest),
    "min": _fold(_smallest),
}


class Exact:
    """The number system of 50 digits; see ``optgen.tools.verify.code.Arithmetic``."""

    number = staticmethod(_number)
    truth = staticmethod(_truth)
    cast = staticmethod(_cast)

    def reduce(self, op: str, x: Array, axes: Sequence[int], shape: tuple[int, ...]) -> Array:
        """The sum, the largest or the smallest along axes."""
        return _REDUCTIONS[op](x, axes, shape)

    def elementwise(self, op: str) -> Callable[..., Array]:
        """Exact function of an operation, from its row in the table."""
        return _elementwise(OPS[op])


@lru_cache
def _elementwise(row: Op) -> Callable[..., Array]:
    if row.generic and row.meaning is not None:
        return row.meaning
    exact = row.exact
    function = getattr(mpmath, row.name) if exact is None else partial(exact, mpmath)
    if row.kind == "test":
        ufunc = np.frompyfunc(function, row.arity, 1)
        return lambda *args: np.asarray(ufunc(*args), dtype=bool)
    return _each(function, row.arity)


EXACT = Exact()
"""Call it under ``mpmath.workdps(DIGITS)``."""
