"""Adagrad (Duchi, Hazan and Singer, 2011, JMLR 12).

    sum_of_squares' = g**2 + sum_of_squares
    scale_by_rss = where(sum_of_squares' > 0, rsqrt(sum_of_squares' + eps), 0)*g
    p' = p - learning_rate*scale_by_rss

Emitted by optgen: change the rule, not this file. Each function is the body of one Pallas kernel,
on a tile of a leaf in a TPU's vector memory, in float32. What varies along some dimensions only
has extent 1 along the others. ``leaf`` knows the extents of the whole leaf, and reduces a tile;
``optgen.runtime.execution.tpu`` brings tiles in and out, and combines what they are reduced to.
"""

import jax.numpy as jnp
from jax import lax


def leaf_step_1(leaf, g, p, sum_of_squares, minus_learning_rate, eps):
    """Reads g, p, sum_of_squares; writes p, sum_of_squares."""
    sum_of_squares_next = g * g + sum_of_squares
    term = jnp.where(sum_of_squares_next > 0, lax.rsqrt(sum_of_squares_next + eps), 0)
    scale_by_rss = term * g
    return {"p": p + minus_learning_rate * scale_by_rss, "sum_of_squares": sum_of_squares_next}


def leaf_update_1(leaf, g, sum_of_squares, minus_learning_rate, eps):
    """Reads g, sum_of_squares; writes sum_of_squares, update."""
    sum_of_squares_next = g * g + sum_of_squares
    term = jnp.where(sum_of_squares_next > 0, lax.rsqrt(sum_of_squares_next + eps), 0)
    scale_by_rss = term * g
    return {"update": minus_learning_rate * scale_by_rss, "sum_of_squares": sum_of_squares_next}
