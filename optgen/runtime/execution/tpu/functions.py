"""Functions that emitted kernels call where Mosaic has no operation of its own."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


def cbrt(x: jax.Array) -> jax.Array:
    """The cube root: an estimate by logarithms, and two steps of Newton's method."""
    size = jnp.abs(x)
    finite = (size > 0) & (size < jnp.inf)
    # Scaled out of the subnormals, whose logarithm hardware takes for that of 0.
    small = size < 1e-30
    scaled = jnp.where(finite, jnp.where(small, size * 2.0**60, size), 1.0)
    root = jnp.exp(jnp.log(scaled) * (1 / 3))
    for _ in range(2):
        root = root - (root - scaled / (root * root)) * (1 / 3)
    root = jnp.where(small, root * 2.0**-20, root)
    return jnp.where(finite, jnp.where(x < 0, -root, root), x)


def expm1(x: jax.Array) -> jax.Array:
    """``exp(x) - 1`` without the cancellation near 0 (Kahan's quotient of what was rounded)."""
    power = jnp.exp(x)
    less = power - 1
    near = (power != 1) & (less != -1) & (power < jnp.inf)
    quotient = less * (x / jnp.log(jnp.where(near, power, 2.0)))
    return jnp.where(near, quotient, jnp.where(power == 1, x, less))


def round_to(x: jax.Array, dtype: Any) -> jax.Array:
    """A float32 rounded, half to even, to what ``dtype`` holds: a cast there and back may be lost.

    Args:
      x: float32.
      dtype: float32 or bfloat16.
    """
    if jnp.dtype(dtype) == jnp.float32:
        return x
    bits = lax.bitcast_convert_type(x, jnp.int32)
    odd = lax.shift_right_logical(bits, jnp.full_like(bits, 16)) & 1
    rounded = lax.bitcast_convert_type((bits + 0x7FFF + odd) & -0x10000, jnp.float32)
    return jnp.where(jnp.isnan(x), x, rounded)
