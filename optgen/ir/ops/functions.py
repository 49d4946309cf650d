"""Functions: the rows of the operations that are spelled as calls.

NaN is propagated by ``maximum`` and ``minimum``, as in jnp, and -0 is less than +0: NumPy's own
give whichever zero comes second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from optgen.ir.ops import digits
from optgen.ir.ops.row import Jump, Op


def _rsqrt(x: Any) -> Any:
    return np.ones_like(x) / np.sqrt(x)


def _maximum(a: Any, b: Any) -> Any:
    return np.where(a == b, np.where(np.signbit(a), b, a), np.maximum(a, b))


def _minimum(a: Any, b: Any) -> Any:
    return np.where(a == b, np.where(np.signbit(a), a, b), np.minimum(a, b))


def _of_x(name: str, about: str, meaning: Callable[..., Any], **row: Any) -> Op:
    return Op(name=name, kind="real", arity=1, arguments="x", about=about, meaning=meaning, **row)


def _extremum(name: str, which: str, meaning: Callable[..., Any], **row: Any) -> Op:
    return Op(
        name=name,
        kind="real",
        arity=2,
        arguments="a, b",
        about=f"The {which}, NaN if either is",
        meaning=meaning,
        cpp=f"optgen::{name}",
        triton=f"device.{name}",
        sympy=name[:3].title(),
        commutative=True,
        rounded_once=True,
        degree=1,
        **row,
    )


FUNCTIONS: tuple[Op, ...] = (
    _of_x(
        "sqrt",
        "The square root",
        np.sqrt,
        triton="tl.sqrt_rn",
        triton_float64="tl.sqrt",
        rounded_once=True,
        positive="inherited",
        degree=0.5,
    ),
    _of_x(
        "rsqrt",
        "One over the square root",
        _rsqrt,
        jnp="lax.rsqrt",
        cpp="(Real(1) / std::sqrt({0}))",
        triton="tl.div_rn(1.0, tl.sqrt_rn({0}))",
        triton_float64="(1.0 / tl.sqrt({0}))",
        degree=-0.5,
        exact=digits.reciprocal_root,
        slopes=(lambda x: 0.5 / np.sqrt(x) ** 3,),
    ),
    _of_x(
        "cbrt",
        "The cube root",
        np.cbrt,
        mosaic="cbrt",
        sympy="CubeRoot",
        degree=1 / 3,
        exact=digits.cube_root,
        slopes=(lambda x: 1 / (3 * np.cbrt(x) ** 2),),
    ),
    _of_x(
        "exp",
        "The exponential",
        np.exp,
        positive="always",
        exact=digits.exponential,
        slopes=(np.exp,),
    ),
    _of_x("log", "The natural logarithm", np.log, slopes=(lambda x: 1 / x,)),
    _of_x("log1p", "log(1 + x), exact near 0", np.log1p, slopes=(lambda x: 1 / (1 + x),)),
    _of_x(
        "expm1",
        "exp(x) - 1, exact near 0",
        np.expm1,
        mosaic="expm1",
        exact=digits.exponential_minus_one,
        slopes=(np.exp,),
    ),
    _of_x(
        "tanh",
        "The hyperbolic tangent",
        np.tanh,
        exact=digits.hyperbolic_tangent,
        slopes=(lambda x: 1 - np.tanh(x) ** 2,),
        at_most=1,
    ),
    _of_x("sin", "The sine", np.sin, exact=digits.periodic("sin"), slopes=(np.cos,), at_most=1),
    _of_x(
        "cos",
        "The cosine",
        np.cos,
        exact=digits.periodic("cos"),
        slopes=(np.sin,),
        at_most=1,
    ),
    _of_x(
        "abs",
        "The absolute value",
        np.abs,
        number="abs",
        triton="tl.abs",
        sympy="Abs",
        rounded_once=True,
        positive="always",
        generic=True,
        degree=1,
    ),
    _of_x(
        "sign",
        "-1, 0 or 1; NaN for NaN",
        np.sign,
        cpp="optgen::sign",
        triton="device.sign",
        rounded_once=True,
        jump=Jump(lambda x: x, 2.0, 2.0),
        degree=0,
        at_most=1,
    ),
    _of_x(
        "floor",
        "The largest whole number that is not larger",
        np.floor,
        triton="tl.floor",
        rounded_once=True,
        jump=Jump(lambda x: x - np.round(x), 1.0),
    ),
    _of_x(
        "round",
        "The nearest whole number, halves to even",
        np.round,
        cpp="std::nearbyint",
        triton="libdevice.rint",
        sympy="RoundHalfEven",
        exact=lambda mp, x: mp.nint(x),
        rounded_once=True,
        jump=Jump(lambda x: x - np.floor(x) - 0.5, 1.0),
    ),
    Op(
        name="atan2",
        kind="real",
        arity=2,
        arguments="y, x",
        about="The angle of the point (x, y), in radians",
        meaning=np.arctan2,
        numpy="arctan2",
        exact=digits.angle,
        degree=0,
        slopes=(lambda y, x: x / (x**2 + y**2), lambda y, x: y / (x**2 + y**2)),
    ),
    _extremum("maximum", "larger", _maximum, exact=digits.larger),
    _extremum("minimum", "smaller", _minimum, exact=digits.smaller),
    Op(
        name="where",
        kind="select",
        arity=3,
        arguments="condition, a, b",
        about="a where the condition holds, b elsewhere",
        meaning=np.where,
        rounded_once=True,
        cpp="({0} ? {1} : {2})",
        triton="tl.where",
        sympy="Where",
        generic=True,
    ),
    Op(
        name="isfinite",
        kind="test",
        arity=1,
        arguments="x",
        about="Whether it is neither infinite nor NaN",
        meaning=np.isfinite,
        triton='(tl.abs({0}) < float("inf"))',
        sympy="IsFinite",
        degree=0,
    ),
)
"""Elementary functions, then those that round and choose."""
