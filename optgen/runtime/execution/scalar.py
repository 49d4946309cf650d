"""Scalar functions that stay in Python's doubles as long as they are given Python numbers.

The functions called ``constants`` in emitted code use these: a value that depends on
hyperparameters alone is then as exact as if it had been computed by hand, and is still traceable
where a hyperparameter is a JAX value. Every function that NumPy and ``jax.numpy`` both have is
here, by the name that it has there: ``scalar.sqrt``, ``scalar.logical_and``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np


def __getattr__(name: str) -> Callable[..., Any]:
    if name.startswith("_") or not (hasattr(np, name) and hasattr(jnp, name)):
        raise AttributeError(f"NumPy and jax.numpy have no function {name!r} in common")
    function = globals()[name] = _either(name)  # made once, and then found without asking here
    return function


def _either(name: str) -> Callable[..., Any]:
    of_numbers, of_arrays = getattr(np, name), getattr(jnp, name)

    def function(*args: Any) -> Any:
        if all(isinstance(arg, (bool, int, float)) for arg in args):
            with np.errstate(all="ignore"):
                return of_numbers(*map(float, args)).item()
        return of_arrays(*args)

    function.__name__ = name
    function.__doc__ = f"``{name}`` of numbers, or of JAX scalars."
    return function


divide = _either("divide")
sqrt = _either("sqrt")


def rsqrt(x: Any) -> Any:
    """One over the square root, of a number or of a JAX scalar."""
    return divide(1.0, sqrt(x))
