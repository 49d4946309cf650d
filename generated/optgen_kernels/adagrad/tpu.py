"""Adagrad (Duchi, Hazan and Singer, 2011, JMLR 12).

    sum_of_squares' = g**2 + sum_of_squares
    scaling = where(sum_of_squares' > 0, rsqrt(sum_of_squares' + eps), 0)
    scale_by_rss = scaling*g
    p' = p - learning_rate*scale_by_rss

Emitted by optgen: change the rule, not this file. Each function is the body of a Pallas kernel: it
is given arrays of a leaf as they are stored, or a tile of them, and returns them so; it computes in
float32. What varies along some dimensions only has extent 1 along the others. ``leaf`` knows the
extents of the whole leaf, and reduces a tile; ``optgen.runtime.execution.tpu`` brings tiles into
a TPU's vector memory and out, and combines what they are reduced to.
"""

import jax.numpy as jnp
from jax import lax


def leaf_step(leaf, g, p, sum_of_squares, minus_learning_rate, eps):
    """Sweep that writes p and sum_of_squares."""
    sum_of_squares_next = g * g + sum_of_squares
    scaling = jnp.where(sum_of_squares_next > 0, lax.rsqrt(sum_of_squares_next + eps), 0)
    scale_by_rss = scaling * g
    return {"p": p + minus_learning_rate * scale_by_rss, "sum_of_squares": sum_of_squares_next}
