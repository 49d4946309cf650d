"""Array helpers of emitted code."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp


def along(shape: tuple[int, ...], *axes: int) -> tuple[int, ...]:
    """``shape`` with every axis but these reduced to extent 1."""
    return tuple(extent if axis in axes else 1 for axis, extent in enumerate(shape))


def round_to(x: jax.Array, dtype: Any) -> jax.Array:
    """``x`` rounded to what ``dtype`` can hold, in the dtype that it has.

    XLA may drop a cast there and back (``xla_allow_excess_precision``), and with it the error
    that a Kahan sum is there to catch; ``reduce_precision`` it must keep.
    """
    given, wanted = jnp.finfo(x.dtype), jnp.finfo(dtype)
    if wanted.nmant >= given.nmant:
        return x
    return jax.lax.reduce_precision(x, exponent_bits=wanted.nexp, mantissa_bits=wanted.nmant)
