"""Adafactor (Shazeer and Stern, 2018, arXiv:1804.04235).

For leaves with factored_axes(128) = None:

    decay = 1 - (t - decay_offset)**-decay_rate
    square = g**2 + eps
    v' = decay*v + (1 - decay)*square
    scale_by_factored_rms = g*rsqrt(v')
    update_rms = sqrt(mean(scale_by_factored_rms**2))
    clip_by_block_rms = scale_by_factored_rms/maximum(1, update_rms/clipping_threshold)
    scale_by_learning_rate = learning_rate*clip_by_block_rms
    param_mean_square = mean(p**2)
    param_rms = sqrt(where(param_mean_square <= 1e-06, 1e-06, param_mean_square))
    scale_by_param_block_rms = scale_by_learning_rate*param_rms
    p' = p - scale_by_param_block_rms

For leaves with factored_axes(128) = (0, 1) and ndim 2, or factored_axes(128) = (1, 0) and ndim
2, or factored_axes(128) = (1, 2) and ndim 3, or more:

    decay = 1 - (t - decay_offset)**-decay_rate
    square = g**2 + eps
    over_rows = mean(square, axis=columns)
    v_row' = decay*v_row + (1 - decay)*over_rows
    row_factor = rsqrt(v_row'/mean(v_row', axis=rows))
    over_columns = mean(square, axis=rows)
    v_col' = decay*v_col + (1 - decay)*over_columns
    scale_by_factored_rms = g*row_factor*rsqrt(v_col')
    update_rms = sqrt(mean(scale_by_factored_rms**2))
    clip_by_block_rms = scale_by_factored_rms/maximum(1, update_rms/clipping_threshold)
    scale_by_learning_rate = learning_rate*clip_by_block_rms
    param_mean_square = mean(p**2)
    param_rms = sqrt(where(param_mean_square <= 1e-06, 1e-06, param_mean_square))
    scale_by_param_block_rms = scale_by_learning_rate*param_rms
    p' = p - scale_by_param_block_rms

Emitted for min_dim_size_to_factor=128, multiply_by_parameter_scale=True, momentum=None,
dtype_momentum='float32', weight_decay_rate=None, factored=True.

Emitted by optgen: change the rule, not this file. Each function is the body of a Pallas kernel: it
is given arrays of a leaf as they are stored, or a tile of them, and returns them so; it computes in
float32. What varies along some dimensions only has extent 1 along the others. ``leaf`` knows the
extents of the whole leaf, and reduces a tile; ``optgen.runtime.execution.tpu`` brings tiles into
a TPU's vector memory and out, and combines what they are reduced to.
"""

import jax.numpy as jnp
from jax import lax


def whole_sweep(leaf, g, p, v, decay, one_minus_decay, eps):
    """Sweep that writes v and reduces to scale_by_factored_rms_square_sum and p_square_sum."""
    square = g * g + eps
    v_next = decay * v + one_minus_decay * square
    scale_by_factored_rms = g * lax.rsqrt(v_next)
    return {
        "scale_by_factored_rms_square_sum": leaf.sum(scale_by_factored_rms * scale_by_factored_rms),
        "p_square_sum": leaf.sum(p * p),
        "v": v_next,
    }


def whole_step(
    leaf,
    g,
    p,
    v,
    scale_by_factored_rms_square_sum,
    p_square_sum,
    learning_rate,
    clipping_threshold,
):
    """Sweep that writes p."""
    scale_by_factored_rms = g * lax.rsqrt(v)
    update_rms = jnp.sqrt(scale_by_factored_rms_square_sum / leaf.count())
    clip_by_block_rms = scale_by_factored_rms / jnp.maximum(1, update_rms / clipping_threshold)
    scale_by_learning_rate = learning_rate * clip_by_block_rms
    param_mean_square = p_square_sum / leaf.count()
    param_rms = jnp.sqrt(jnp.where(param_mean_square <= 1e-06, 1e-06, param_mean_square))
    scale_by_param_block_rms = scale_by_learning_rate * param_rms
    return {"p": p - scale_by_param_block_rms}


def factored_statistics(leaf, g, p, eps):
    """Sweep that reduces to square_row_sums, square_column_sums and p_square_sum."""
    square = g * g + eps
    return {
        "square_row_sums": leaf.sum(square, "columns"),
        "square_column_sums": leaf.sum(square, "rows"),
        "p_square_sum": leaf.sum(p * p),
    }


def factored_finalize(
    leaf,
    v_row,
    v_col,
    square_row_sums,
    square_column_sums,
    decay,
    one_minus_decay,
):
    """Finalize that writes v_row and v_col and reduces to v_row_next_batch_sums."""
    over_rows = square_row_sums / leaf.count("columns")
    v_row_next = decay * v_row + one_minus_decay * over_rows
    over_columns = square_column_sums / leaf.count("rows")
    v_col_next = decay * v_col + one_minus_decay * over_columns
    return {
        "v_row_next_batch_sums": leaf.sum(v_row_next, "rows"),
        "v_row": v_row_next,
        "v_col": v_col_next,
    }


def factored_statistics_2(leaf, g, v_row, v_col, v_row_next_batch_sums):
    """Sweep that reduces to scale_by_factored_rms_square_sum."""
    row_factor = lax.rsqrt(v_row / (v_row_next_batch_sums / leaf.count("rows")))
    scale_by_factored_rms = g * row_factor * lax.rsqrt(v_col)
    return {
        "scale_by_factored_rms_square_sum": leaf.sum(scale_by_factored_rms * scale_by_factored_rms),
    }


def factored_step(
    leaf,
    g,
    p,
    v_row,
    v_col,
    p_square_sum,
    v_row_next_batch_sums,
    scale_by_factored_rms_square_sum,
    learning_rate,
    clipping_threshold,
):
    """Sweep that writes p."""
    row_factor = lax.rsqrt(v_row / (v_row_next_batch_sums / leaf.count("rows")))
    scale_by_factored_rms = g * row_factor * lax.rsqrt(v_col)
    update_rms = jnp.sqrt(scale_by_factored_rms_square_sum / leaf.count())
    clip_by_block_rms = scale_by_factored_rms / jnp.maximum(1, update_rms / clipping_threshold)
    scale_by_learning_rate = learning_rate * clip_by_block_rms
    param_mean_square = p_square_sum / leaf.count()
    param_rms = jnp.sqrt(jnp.where(param_mean_square <= 1e-06, 1e-06, param_mean_square))
    scale_by_param_block_rms = scale_by_learning_rate * param_rms
    return {"p": p - scale_by_param_block_rms}


def whole_finalize(leaf, scale_by_factored_rms_square_sum, p_square_sum, clipping_threshold):
    """Finalize that writes factor and param_rms."""
    update_rms = jnp.sqrt(scale_by_factored_rms_square_sum / leaf.count())
    param_mean_square = p_square_sum / leaf.count()
    param_rms = jnp.sqrt(jnp.where(param_mean_square <= 1e-06, 1e-06, param_mean_square))
    return {"factor": jnp.maximum(1, update_rms / clipping_threshold), "param_rms": param_rms}


def factored_finalize_2(
    leaf,
    v_row,
    v_col,
    p_square_sum,
    v_row_next_batch_sums,
    scale_by_factored_rms_square_sum,
    clipping_threshold,
):
    """Finalize that writes row_factor, v_col_next_rsqrt, factor and param_rms."""
    row_factor = lax.rsqrt(v_row / (v_row_next_batch_sums / leaf.count("rows")))
    update_rms = jnp.sqrt(scale_by_factored_rms_square_sum / leaf.count())
    param_mean_square = p_square_sum / leaf.count()
    param_rms = jnp.sqrt(jnp.where(param_mean_square <= 1e-06, 1e-06, param_mean_square))
    return {
        "row_factor": row_factor,
        "v_col_next_rsqrt": lax.rsqrt(v_col),
        "factor": jnp.maximum(1, update_rms / clipping_threshold),
        "param_rms": param_rms,
    }
