"""Arithmetic at 50 digits, element by element over NumPy object arrays of mpmath numbers.

Infinities and NaN follow IEEE 754; a division by 0 gives an infinity, an invalid operation NaN.
mpmath has no negative zero, and nothing overflows that has a chance to come back. The functions
in ``EXACT`` are what the equations of a rule are evaluated with; call them under
``mpmath.workdps(DIGITS)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import ml_dtypes
import mpmath
import numpy as np
from mpmath import mpf

Array: TypeAlias = np.ndarray[Any, Any]

DIGITS = 50
_LARGEST_EXPONENT = 10**4  # no format's is as large
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


def _reciprocal(x: mpf) -> mpf:
    return ONE / x if x else INF


def _power(x: mpf, y: mpf) -> mpf:
    special = not x or not (mpmath.isfinite(x) and mpmath.isfinite(y))
    # Far beyond every format: mpmath would compute as many bits as the exponent is large.
    special = special or abs(float(y) * mpmath.mag(x)) > _LARGEST_EXPONENT
    return _as_numpy(np.power, x, y) if special else x**y


def _exp(x: mpf) -> mpf:
    return mpmath.exp(x) if abs(x) < _LARGEST_EXPONENT else _as_numpy(np.exp, x)


def _periodic(function: Callable[[mpf], mpf]) -> Callable[[mpf], mpf]:
    """Sine and cosine, NaN for numbers as large as no format has them."""
    return lambda x: function(x) if mpmath.mag(x) < _LARGEST_EXPONENT else NAN


def _angle(y: mpf, x: mpf) -> mpf:
    special = not (mpmath.isfinite(x) and mpmath.isfinite(y))
    return _as_numpy(np.arctan2, y, x) if special else mpmath.atan2(y, x)


def _as_numpy(function: Callable[..., Any], *args: mpf) -> mpf:
    with np.errstate(all="ignore"):
        return mpf(float(function(*map(np.float64, args))))


def _sign(x: mpf) -> mpf:
    return mpmath.sign(x)


def _cube_root(x: mpf) -> mpf:
    return -mpmath.cbrt(-x) if x < 0 else mpmath.cbrt(x)


def _larger(a: mpf, b: mpf) -> mpf:
    return NAN if a != a or b != b else max(a, b)


def _smaller(a: mpf, b: mpf) -> mpf:
    return NAN if a != a or b != b else min(a, b)


def _many(function: Callable[..., Array]) -> Callable[..., Array]:
    """A function of two arguments, for any number of them."""

    def of_all(first: Array, *rest: Array) -> Array:
        for x in rest:
            first = function(first, x)
        return first

    return of_all


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


EXACT: Mapping[str, Callable[..., Any]] = {
    "number": _number,
    "reciprocal": _each(_reciprocal),
    "square": lambda x: x * x,
    "sqrt": _each(mpmath.sqrt),
    "rsqrt": _each(lambda x: _reciprocal(mpmath.sqrt(x))),
    "power": _each(_power, 2),
    "Abs": abs,
    "sign": _each(_sign),
    "exp": _each(_exp),
    "log": _each(mpmath.log),
    "log1p": _each(mpmath.log1p),
    "expm1": _each(lambda x: mpmath.expm1(x) if abs(x) < 1 else _exp(x) - 1),
    "tanh": _each(lambda x: mpmath.tanh(x) if abs(x) < 1000 else _sign(x)),
    "sin": _each(_periodic(mpmath.sin)),
    "cos": _each(_periodic(mpmath.cos)),
    "atan2": _each(_angle, 2),
    "floor": _each(mpmath.floor),
    "RoundHalfEven": _each(mpmath.nint),
    "CubeRoot": _each(_cube_root),
    "Max": _many(_each(_larger, 2)),
    "Min": _many(_each(_smaller, 2)),
    "IsFinite": lambda x: np.frompyfunc(mpmath.isfinite, 1, 1)(x).astype(bool),
    "Where": lambda condition, a, b: _array(np.where(condition, a, b)),
    "Truth": _truth,
    "Cast": _cast,
    "LeafSum": _fold(mpmath.fsum),
    "LeafMax": _fold(_largest),
    "LeafMin": _fold(_smallest),
    "compare": lambda operator, a, b: np.asarray(operator(a, b), dtype=bool),
}
"""Meaning of an equation's functions; ``+ *`` and ``& | ~`` are NumPy's own."""
