"""Scalar functions that stay in Python's doubles as long as they are given Python numbers.

The functions called ``constants`` in emitted code use these: what depends on hyperparameters
alone is then as exact as if it had been computed by hand, and is still traceable where
a hyperparameter is a JAX value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np


def _either(name: str, numpy_name: str | None = None) -> Callable[..., Any]:
    of_numbers = getattr(np, numpy_name or name)
    of_arrays = getattr(jnp, numpy_name or name)

    def function(*args: Any) -> Any:
        if all(isinstance(arg, (bool, int, float)) for arg in args):
            with np.errstate(all="ignore"):
                return of_numbers(*map(float, args)).item()
        return of_arrays(*args)

    function.__name__ = name
    function.__doc__ = f"``{numpy_name or name}`` of numbers, or of JAX scalars."
    return function


sqrt = _either("sqrt")
cbrt = _either("cbrt")
exp = _either("exp")
log = _either("log")
log1p = _either("log1p")
expm1 = _either("expm1")
tanh = _either("tanh")
sin = _either("sin")
cos = _either("cos")
atan2 = _either("atan2", "arctan2")
sign = _either("sign")
maximum = _either("maximum")
minimum = _either("minimum")
isfinite = _either("isfinite")
floor = _either("floor")
round = _either("round")
logical_and = _either("logical_and")
logical_or = _either("logical_or")
logical_not = _either("logical_not")
where = _either("where")
divide = _either("divide", "true_divide")
power = _either("power")


def rsqrt(x: Any) -> Any:
    """One over the square root, of a number or of a JAX scalar."""
    return divide(1.0, sqrt(x))
