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

Emitted by optgen: change the rule, not this file. Functions name their arguments after what they
read: arrays of one leaf, as they are stored; scalars; the dtypes of the parameter (``param``), of
the gradient (``grad``) and of arithmetic (``real``); and the axes of its rows and columns.
"""

import jax.numpy as jnp
from jax import lax

from optgen.runtime import Guard, Module, Scalars, Slot, Variant, arrays


def constants(decay_rate):
    """Scalars that the hyperparameters alone decide."""
    return {"minus_decay_rate": -decay_rate}


def scalars(step, decay_offset, minus_decay_rate):
    """Scalars that are the same for every leaf."""
    decay = 1 - (step - decay_offset) ** minus_decay_rate
    return {"decay": decay, "one_minus_decay": 1 - decay}


def whole(g, p, v, learning_rate, decay, one_minus_decay, eps, clipping_threshold, param, real):
    """The update, and the next v.

    For leaves with factored_axes(128) = None.
    """
    g = g.astype(real)
    square = g * g + eps
    v_next = decay * v.astype(real) + one_minus_decay * square
    scale_by_factored_rms = g * lax.rsqrt(v_next)
    update_rms = jnp.sqrt(arrays.mean(scale_by_factored_rms * scale_by_factored_rms))
    clip_by_block_rms = scale_by_factored_rms / jnp.maximum(1, update_rms / clipping_threshold)
    scale_by_learning_rate = learning_rate * clip_by_block_rms
    p = p.astype(real)
    param_mean_square = arrays.mean(p * p)
    param_rms = jnp.sqrt(jnp.where(param_mean_square <= 1e-06, 1e-06, param_mean_square))
    scale_by_param_block_rms = scale_by_learning_rate * param_rms
    return {"update": -scale_by_param_block_rms, "v": v_next.astype(param)}


def whole_update(g, v, learning_rate, factor, param_rms, real):
    """The end of whole, after the kernels of an update."""
    v_next = v.astype(real)
    scale_by_factored_rms = g.astype(real) * lax.rsqrt(v_next)
    clip_by_block_rms = scale_by_factored_rms / factor
    scale_by_learning_rate = learning_rate * clip_by_block_rms
    scale_by_param_block_rms = scale_by_learning_rate * param_rms
    return {"update": -scale_by_param_block_rms}


def factored(
    g,
    p,
    v_row,
    v_col,
    learning_rate,
    decay,
    one_minus_decay,
    eps,
    clipping_threshold,
    row_axes,
    column_axes,
    real,
):
    """The update, and the next v_row and v_col.

    For leaves with factored_axes(128) = (0, 1) and ndim 2, or factored_axes(128) = (1, 0) and ndim
    2, or factored_axes(128) = (1, 2) and ndim 3, or more.
    """
    g = g.astype(real)
    square = g * g + eps
    over_rows = arrays.mean(square, axis=column_axes, keepdims=True)
    v_row_next = decay * v_row + one_minus_decay * over_rows
    row_factor = lax.rsqrt(v_row_next / arrays.mean(v_row_next, axis=row_axes, keepdims=True))
    over_columns = arrays.mean(square, axis=row_axes, keepdims=True)
    v_col_next = decay * v_col + one_minus_decay * over_columns
    scale_by_factored_rms = g * row_factor * lax.rsqrt(v_col_next)
    update_rms = jnp.sqrt(arrays.mean(scale_by_factored_rms * scale_by_factored_rms))
    clip_by_block_rms = scale_by_factored_rms / jnp.maximum(1, update_rms / clipping_threshold)
    scale_by_learning_rate = learning_rate * clip_by_block_rms
    p = p.astype(real)
    param_mean_square = arrays.mean(p * p)
    param_rms = jnp.sqrt(jnp.where(param_mean_square <= 1e-06, 1e-06, param_mean_square))
    scale_by_param_block_rms = scale_by_learning_rate * param_rms
    return {"update": -scale_by_param_block_rms, "v_row": v_row_next, "v_col": v_col_next}


def factored_update(g, learning_rate, row_factor, v_col_next_rsqrt, factor, param_rms, real):
    """The end of factored, after the kernels of an update."""
    scale_by_factored_rms = g.astype(real) * row_factor * v_col_next_rsqrt
    clip_by_block_rms = scale_by_factored_rms / factor
    scale_by_learning_rate = learning_rate * clip_by_block_rms
    scale_by_param_block_rms = scale_by_learning_rate * param_rms
    return {"update": -scale_by_param_block_rms}


def initial_whole(p, param):
    """The first v."""
    return {"v": jnp.zeros(p.shape, param)}


def initial_factored(p, batch_axes, row_axes, column_axes, real):
    """The first v_row and v_col."""
    return {
        "v_row": jnp.zeros(arrays.along(p.shape, batch_axes + row_axes), real),
        "v_col": jnp.zeros(arrays.along(p.shape, batch_axes + column_axes), real),
    }


MODULE = Module(
    name="adafactor",
    hyperparameters=("learning_rate", "decay_rate", "decay_offset", "clipping_threshold", "eps"),
    variants=(
        Variant(
            guards=(Guard(facts=(("factored_axes", (128,), None),), masks=("any",)),),
            slots={"v": Slot("param")},
            update=whole,
            last_sweeps=(whole_update,),
            update_arrays=("g", "p", "v"),
            init=initial_whole,
        ),
        Variant(
            guards=(
                Guard(
                    facts=(("factored_axes", (128,), (0, 1)), ("ndim", (), 2)),
                    masks=("any",),
                    groups=((), (0,), (1,)),
                ),
                Guard(
                    facts=(("factored_axes", (128,), (1, 0)), ("ndim", (), 2)),
                    masks=("any",),
                    groups=((), (1,), (0,)),
                ),
                Guard(
                    facts=(("factored_axes", (128,), (1, 2)), ("ndim", (), 3)),
                    masks=("any",),
                    groups=((0,), (1,), (2,)),
                ),
                Guard(
                    facts=(("factored_axes", (128,), (2, 1)), ("ndim", (), 3)),
                    masks=("any",),
                    groups=((0,), (2,), (1,)),
                ),
                Guard(
                    facts=(("factored_axes", (128,), (2, 3)), ("ndim", (), 4)),
                    masks=("any",),
                    groups=((0, 1), (2,), (3,)),
                ),
                Guard(
                    facts=(("factored_axes", (128,), (3, 2)), ("ndim", (), 4)),
                    masks=("any",),
                    groups=((0, 1), (3,), (2,)),
                ),
            ),
            slots={"v_row": Slot("real", axes=(0, 1)), "v_col": Slot("real", axes=(0, 2))},
            update=factored,
            last_sweeps=(factored_update,),
            update_arrays=("g", "p", "v_col", "v_row"),
            init=initial_factored,
        ),
    ),
    update=Scalars(constants=constants, phases=(scalars,)),
    masks=1,
)
