"""Array functions of emitted code."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

Axis = int | tuple[int, ...] | None


def along(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """``shape`` with every axis but these reduced to extent 1."""
    return tuple(extent if axis in axes else 1 for axis, extent in enumerate(shape))


def count(x: Any, axes: Axis = None) -> int:
    """Number of elements along some axes, or of all; at least 1."""
    if axes is None:
        return max(int(x.size), 1)
    axes = (axes,) if isinstance(axes, int) else axes
    return max(math.prod(x.shape[axis] for axis in axes), 1)


def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> jax.Array:
    """``jnp.mean``, but 0 over nothing."""
    of_nothing = x.size == 0
    if of_nothing:
        return jnp.sum(x, axis=axis, keepdims=keepdims) / count(x, axis)
    return jnp.mean(x, axis=axis, keepdims=keepdims)


def as_dtype(x: Any, dtype: str) -> jax.Array:
    """``x`` in a dtype, or in the one that JAX has for it outside of its x64 mode."""
    return jnp.asarray(x).astype(jax.dtypes.canonicalize_dtype(jnp.dtype(dtype)))


def round_to(x: jax.Array, dtype: Any) -> jax.Array:
    """``x`` rounded to the values of ``dtype``, in the dtype that it has.

    XLA may drop a cast there and back (``xla_allow_excess_precision``), and with it the error
    that a Kahan sum is there to catch; ``reduce_precision`` it must keep.
    """
    actual, wanted = jnp.finfo(x.dtype), jnp.finfo(dtype)
    if wanted.nmant >= actual.nmant:
        return x
    return jax.lax.reduce_precision(x, exponent_bits=wanted.nexp, mantissa_bits=wanted.nmant)
