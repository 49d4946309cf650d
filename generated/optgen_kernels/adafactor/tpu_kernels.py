"""Adafactor (Shazeer and Stern, 2018, arXiv:1804.04235).

For leaves with factored_axes(128) = None:

    decay = 1 - (t - decay_offset)**-decay_rate
    square = g**2 + eps
    v' = decay*v + (1 - decay)*square
    scale_by_factored_rms = g*rsqrt(v')
    clip_by_block_rms = scale_by_factored_rms/maximum(1,
        sqrt(mean(scale_by_factored_rms**2))/clipping_threshold)
    scale_by_learning_rate = learning_rate*clip_by_block_rms
    rms = sqrt(where(mean(p**2) <= 1e-06, 1e-06, mean(p**2)))
    scale_by_param_block_rms = scale_by_learning_rate*rms
    p' = p - scale_by_param_block_rms

For leaves with factored_axes(128) = (0, 1) and ndim 2:

    decay = 1 - (t - decay_offset)**-decay_rate
    square = g**2 + eps
    over_rows = mean(square, axis=1)
    v_row' = decay*v_row + (1 - decay)*over_rows
    row_factor = rsqrt(v_row'/mean(v_row'))
    over_columns = mean(square, axis=0)
    v_col' = decay*v_col + (1 - decay)*over_columns
    scale_by_factored_rms = g*row_factor*rsqrt(v_col')
    clip_by_block_rms = scale_by_factored_rms/maximum(1,
        sqrt(mean(scale_by_factored_rms**2))/clipping_threshold)
    scale_by_learning_rate = learning_rate*clip_by_block_rms
    rms = sqrt(where(mean(p**2) <= 1e-06, 1e-06, mean(p**2)))
    scale_by_param_block_rms = scale_by_learning_rate*rms
    p' = p - scale_by_param_block_rms

Emitted for min_dim_size_to_factor=128, multiply_by_parameter_scale=True, momentum=None,
dtype_momentum='float32', weight_decay_rate=None, factored=True.

Emitted by optgen: change the rule, not this file. Each function is the body of one Pallas kernel,
on a tile of a leaf in a TPU's vector memory, in float32. What varies along some dimensions only
has extent 1 along the others. ``leaf`` knows the extents of the whole leaf, and reduces a tile;
``optgen.runtime.execution.tpu`` brings tiles in and out, and combines what they are reduced to.
"""

import jax.numpy as jnp
from jax import lax


def whole_step_1(leaf, g, p, v, decay, one_minus_decay, eps):
    """Reads g, p, v; writes v; reduces to sum_1, sum_2."""
    square = g * g + eps
    v_next = decay * v + one_minus_decay * square
    scale_by_factored_rms = g * lax.rsqrt(v_next)
    return {
        "sum_1": leaf.sum(scale_by_factored_rms * scale_by_factored_rms),
        "sum_2": leaf.sum(p * p),
        "v": v_next,
    }


def whole_step_2(leaf, g, p, v, sum_1, sum_2, learning_rate, clipping_threshold):
    """Reads g, p, v, sum_1, sum_2; writes p."""
    scale_by_factored_rms = g * lax.rsqrt(v)
    rms = jnp.sqrt(sum_1 / leaf.count())
    clip_by_block_rms = scale_by_factored_rms / jnp.maximum(1, rms / clipping_threshold)
    scale_by_learning_rate = learning_rate * clip_by_block_rms
    factor = sum_2 / leaf.count()
    rms_2 = jnp.sqrt(jnp.where(factor <= 1e-06, 1e-06, factor))
    scale_by_param_block_rms = scale_by_learning_rate * rms_2
    return {"p": p + -scale_by_param_block_rms}


def factored_0_1_step_1(leaf, g, p, eps):
    """Reads g, p; reduces to sum_1, sum_3, sum_5."""
    square = g * g + eps
    return {"sum_1": leaf.sum(square, 1), "sum_3": leaf.sum(square, 0), "sum_5": leaf.sum(p * p)}


def factored_0_1_step_2(leaf, v_row, v_col, sum_1, sum_3, decay, one_minus_decay):
    """Reads v_row, v_col, sum_1, sum_3; writes v_row, v_col, sum_2."""
    over_columns = sum_1 / leaf.count(1)
    v_row_next = decay * v_row + one_minus_decay * over_columns
    over_rows = sum_3 / leaf.count(0)
    v_col_next = decay * v_col + one_minus_decay * over_rows
    return {"sum_2": leaf.sum(v_row_next, 0), "v_row": v_row_next, "v_col": v_col_next}


def factored_0_1_step_3(leaf, g, v_row, v_col, sum_2):
    """Reads g, v_row, v_col, sum_2; reduces to sum_4."""
    row_factor = lax.rsqrt(v_row / (sum_2 / leaf.count(0)))
    scale_by_factored_rms = g * row_factor * lax.rsqrt(v_col)
    return {"sum_4": leaf.sum(scale_by_factored_rms * scale_by_factored_rms)}


def factored_0_1_step_4(
    leaf,
    g,
    p,
    v_row,
    v_col,
    sum_2,
    sum_4,
    sum_5,
    learning_rate,
    clipping_threshold,
):
    """Reads g, p, v_row, v_col, sum_2, sum_4, sum_5; writes p."""
    row_factor = lax.rsqrt(v_row / (sum_2 / leaf.count(0)))
    scale_by_factored_rms = g * row_factor * lax.rsqrt(v_col)
    rms = jnp.sqrt(sum_4 / leaf.count())
    clip_by_block_rms = scale_by_factored_rms / jnp.maximum(1, rms / clipping_threshold)
    scale_by_learning_rate = learning_rate * clip_by_block_rms
    factor = sum_5 / leaf.count()
    rms_2 = jnp.sqrt(jnp.where(factor <= 1e-06, 1e-06, factor))
    scale_by_param_block_rms = scale_by_learning_rate * rms_2
    return {"p": p + -scale_by_param_block_rms}


def factored_1_0_step_1(leaf, g, p, eps):
    """Reads g, p; reduces to sum_1, sum_3, sum_5."""
    square = g * g + eps
    return {"sum_1": leaf.sum(square, 0), "sum_3": leaf.sum(square, 1), "sum_5": leaf.sum(p * p)}


def factored_1_0_step_2(leaf, v_row, v_col, sum_1, sum_3, decay, one_minus_decay):
    """Reads v_row, v_col, sum_1, sum_3; writes v_row, v_col, sum_2."""
    over_rows = sum_1 / leaf.count(0)
    v_row_next = decay * v_row + one_minus_decay * over_rows
    over_columns = sum_3 / leaf.count(1)
    v_col_next = decay * v_col + one_minus_decay * over_columns
    return {"sum_2": leaf.sum(v_row_next, 1), "v_row": v_row_next, "v_col": v_col_next}


def factored_1_0_step_3(leaf, g, v_row, v_col, sum_2):
    """Reads g, v_row, v_col, sum_2; reduces to sum_4."""
    row_factor = lax.rsqrt(v_row / (sum_2 / leaf.count(1)))
    scale_by_factored_rms = g * row_factor * lax.rsqrt(v_col)
    return {"sum_4": leaf.sum(scale_by_factored_rms * scale_by_factored_rms)}


def factored_1_0_step_4(
    leaf,
    g,
    p,
    v_row,
    v_col,
    sum_2,
    sum_4,
    sum_5,
    learning_rate,
    clipping_threshold,
):
    """Reads g, p, v_row, v_col, sum_2, sum_4, sum_5; writes p."""
    row_factor = lax.rsqrt(v_row / (sum_2 / leaf.count(1)))
    scale_by_factored_rms = g * row_factor * lax.rsqrt(v_col)
    rms = jnp.sqrt(sum_4 / leaf.count())
    clip_by_block_rms = scale_by_factored_rms / jnp.maximum(1, rms / clipping_threshold)
    scale_by_learning_rate = learning_rate * clip_by_block_rms
    factor = sum_5 / leaf.count()
    rms_2 = jnp.sqrt(jnp.where(factor <= 1e-06, 1e-06, factor))
    scale_by_param_block_rms = scale_by_learning_rate * rms_2
    return {"p": p + -scale_by_param_block_rms}


def factored_1_2_step_1(leaf, g, p, eps):
    """Reads g, p; reduces to sum_1, sum_3, sum_5."""
    square = g * g + eps
    return {"sum_1": leaf.sum(square, 2), "sum_3": leaf.sum(square, 1), "sum_5": leaf.sum(p * p)}


def factored_1_2_step_2(leaf, v_row, v_col, sum_1, sum_3, decay, one_minus_decay):
    """Reads v_row, v_col, sum_1, sum_3; writes v_row, v_col, sum_2."""
    over_columns = sum_1 / leaf.count(2)
    v_row_next = decay * v_row + one_minus_decay * over_columns
    over_rows = sum_3 / leaf.count(1)
    v_col_next = decay * v_col + one_minus_decay * over_rows
    return {"sum_2": leaf.sum(v_row_next, 1), "v_row": v_row_next, "v_col": v_col_next}


def factored_2_1_step_1(leaf, g, p, eps):
    """Reads g, p; reduces to sum_1, sum_3, sum_5."""
    square = g * g + eps
    return {"sum_1": leaf.sum(square, 1), "sum_3": leaf.sum(square, 2), "sum_5": leaf.sum(p * p)}


def factored_2_1_step_2(leaf, v_row, v_col, sum_1, sum_3, decay, one_minus_decay):
    """Reads v_row, v_col, sum_1, sum_3; writes v_row, v_col, sum_2."""
    over_rows = sum_1 / leaf.count(1)
    v_row_next = decay * v_row + one_minus_decay * over_rows
    over_columns = sum_3 / leaf.count(2)
    v_col_next = decay * v_col + one_minus_decay * over_columns
    return {"sum_2": leaf.sum(v_row_next, 2), "v_row": v_row_next, "v_col": v_col_next}


def factored_2_1_step_3(leaf, g, v_row, v_col, sum_2):
    """Reads g, v_row, v_col, sum_2; reduces to sum_4."""
    row_factor = lax.rsqrt(v_row / (sum_2 / leaf.count(2)))
    scale_by_factored_rms = g * row_factor * lax.rsqrt(v_col)
    return {"sum_4": leaf.sum(scale_by_factored_rms * scale_by_factored_rms)}


def factored_2_1_step_4(
    leaf,
    g,
    p,
    v_row,
    v_col,
    sum_2,
    sum_4,
    sum_5,
    learning_rate,
    clipping_threshold,
):
    """Reads g, p, v_row, v_col, sum_2, sum_4, sum_5; writes p."""
    row_factor = lax.rsqrt(v_row / (sum_2 / leaf.count(2)))
    scale_by_factored_rms = g * row_factor * lax.rsqrt(v_col)
    rms = jnp.sqrt(sum_4 / leaf.count())
    clip_by_block_rms = scale_by_factored_rms / jnp.maximum(1, rms / clipping_threshold)
    scale_by_learning_rate = learning_rate * clip_by_block_rms
    factor = sum_5 / leaf.count()
    rms_2 = jnp.sqrt(jnp.where(factor <= 1e-06, 1e-06, factor))
    scale_by_param_block_rms = scale_by_learning_rate * rms_2
    return {"p": p + -scale_by_param_block_rms}


def whole_update_2(leaf, g, v, sum_1, sum_2, learning_rate, clipping_threshold):
    """Reads g, v, sum_1, sum_2; writes update."""
    scale_by_factored_rms = g * lax.rsqrt(v)
    rms = jnp.sqrt(sum_1 / leaf.count())
    clip_by_block_rms = scale_by_factored_rms / jnp.maximum(1, rms / clipping_threshold)
    scale_by_learning_rate = learning_rate * clip_by_block_rms
    factor = sum_2 / leaf.count()
    rms_2 = jnp.sqrt(jnp.where(factor <= 1e-06, 1e-06, factor))
    scale_by_param_block_rms = scale_by_learning_rate * rms_2
    return {"update": -scale_by_param_block_rms}


def factored_0_1_update_4(
    leaf,
    g,
    v_row,
    v_col,
    sum_2,
    sum_4,
    sum_5,
    learning_rate,
    clipping_threshold,
):
    """Reads g, v_row, v_col, sum_2, sum_4, sum_5; writes update."""
    row_factor = lax.rsqrt(v_row / (sum_2 / leaf.count(0)))
    scale_by_factored_rms = g * row_factor * lax.rsqrt(v_col)
    rms = jnp.sqrt(sum_4 / leaf.count())
    clip_by_block_rms = scale_by_factored_rms / jnp.maximum(1, rms / clipping_threshold)
    scale_by_learning_rate = learning_rate * clip_by_block_rms
    factor = sum_5 / leaf.count()
    rms_2 = jnp.sqrt(jnp.where(factor <= 1e-06, 1e-06, factor))
    scale_by_param_block_rms = scale_by_learning_rate * rms_2
    return {"update": -scale_by_param_block_rms}


def factored_1_0_update_4(
    leaf,
    g,
    v_row,
    v_col,
    sum_2,
    sum_4,
    sum_5,
    learning_rate,
    clipping_threshold,
):
    """Reads g, v_row, v_col, sum_2, sum_4, sum_5; writes update."""
    row_factor = lax.rsqrt(v_row / (sum_2 / leaf.count(1)))
    scale_by_factored_rms = g * row_factor * lax.rsqrt(v_col)
    rms = jnp.sqrt(sum_4 / leaf.count())
    clip_by_block_rms = scale_by_factored_rms / jnp.maximum(1, rms / clipping_threshold)
    scale_by_learning_rate = learning_rate * clip_by_block_rms
    factor = sum_5 / leaf.count()
    rms_2 = jnp.sqrt(jnp.where(factor <= 1e-06, 1e-06, factor))
    scale_by_param_block_rms = scale_by_learning_rate * rms_2
    return {"update": -scale_by_param_block_rms}


def factored_2_1_update_4(
    leaf,
    g,
    v_row,
    v_col,
    sum_2,
    sum_4,
    sum_5,
    learning_rate,
    clipping_threshold,
):
    """Reads g, v_row, v_col, sum_2, sum_4, sum_5; writes update."""
    row_factor = lax.rsqrt(v_row / (sum_2 / leaf.count(2)))
    scale_by_factored_rms = g * row_factor * lax.rsqrt(v_col)
    rms = jnp.sqrt(sum_4 / leaf.count())
    clip_by_block_rms = scale_by_factored_rms / jnp.maximum(1, rms / clipping_threshold)
    scale_by_learning_rate = learning_rate * clip_by_block_rms
    factor = sum_5 / leaf.count()
    rms_2 = jnp.sqrt(jnp.where(factor <= 1e-06, 1e-06, factor))
    scale_by_param_block_rms = scale_by_learning_rate * rms_2
    return {"update": -scale_by_param_block_rms}
