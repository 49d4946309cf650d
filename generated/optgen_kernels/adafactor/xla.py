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

Emitted by optgen: change the rule, not this file. Functions name their arguments after what they
read: arrays of one leaf, in the precision that arithmetic runs in, and scalars.
"""

import jax.numpy as jnp
from jax import lax

from optgen.runtime import Guard, Scalars, Slot, Unit, Variant
from optgen.runtime.execution.arrays import along


def constants(decay_rate):
    """What the hyperparameters alone decide."""
    return {"minus_decay_rate": -decay_rate}


def scalars(step, decay_offset, minus_decay_rate):
    """What is the same for every leaf."""
    decay = 1 - (step - decay_offset) ** minus_decay_rate
    return {"decay": decay, "one_minus_decay": 1 - decay}


def whole(g, p, v, learning_rate, decay, one_minus_decay, eps, clipping_threshold):
    """The update, and the next v.

    For leaves with factored_axes(128) = None.
    """
    square = g * g + eps
    v_next = decay * v + one_minus_decay * square
    scale_by_factored_rms = g * lax.rsqrt(v_next)
    rms = jnp.sqrt(jnp.mean(scale_by_factored_rms * scale_by_factored_rms))
    clip_by_block_rms = scale_by_factored_rms / jnp.maximum(1, rms / clipping_threshold)
    scale_by_learning_rate = learning_rate * clip_by_block_rms
    factor = jnp.mean(p * p)
    rms_2 = jnp.sqrt(jnp.where(factor <= 1e-06, 1e-06, factor))
    scale_by_param_block_rms = scale_by_learning_rate * rms_2
    return {"update": -scale_by_param_block_rms, "v": v_next}


def factored_0_1(
    g,
    p,
    v_row,
    v_col,
    learning_rate,
    decay,
    one_minus_decay,
    eps,
    clipping_threshold,
):
    """The update, and the next v_row and v_col.

    For leaves with factored_axes(128) = (0, 1) and ndim 2.
    """
    square = g * g + eps
    over_columns = jnp.mean(square, axis=1, keepdims=True)
    v_row_next = decay * v_row + one_minus_decay * over_columns
    row_factor = lax.rsqrt(v_row_next / jnp.mean(v_row_next))
    over_rows = jnp.mean(square, axis=0, keepdims=True)
    v_col_next = decay * v_col + one_minus_decay * over_rows
    scale_by_factored_rms = g * row_factor * lax.rsqrt(v_col_next)
    rms = jnp.sqrt(jnp.mean(scale_by_factored_rms * scale_by_factored_rms))
    clip_by_block_rms = scale_by_factored_rms / jnp.maximum(1, rms / clipping_threshold)
    scale_by_learning_rate = learning_rate * clip_by_block_rms
    factor = jnp.mean(p * p)
    rms_2 = jnp.sqrt(jnp.where(factor <= 1e-06, 1e-06, factor))
    scale_by_param_block_rms = scale_by_learning_rate * rms_2
    return {"update": -scale_by_param_block_rms, "v_row": v_row_next, "v_col": v_col_next}


def factored_1_0(
    g,
    p,
    v_row,
    v_col,
    learning_rate,
    decay,
    one_minus_decay,
    eps,
    clipping_threshold,
):
    """The update, and the next v_row and v_col.

    For leaves with factored_axes(128) = (1, 0) and ndim 2.
    """
    square = g * g + eps
    over_rows = jnp.mean(square, axis=0, keepdims=True)
    v_row_next = decay * v_row + one_minus_decay * over_rows
    row_factor = lax.rsqrt(v_row_next / jnp.mean(v_row_next))
    over_columns = jnp.mean(square, axis=1, keepdims=True)
    v_col_next = decay * v_col + one_minus_decay * over_columns
    scale_by_factored_rms = g * row_factor * lax.rsqrt(v_col_next)
    rms = jnp.sqrt(jnp.mean(scale_by_factored_rms * scale_by_factored_rms))
    clip_by_block_rms = scale_by_factored_rms / jnp.maximum(1, rms / clipping_threshold)
    scale_by_learning_rate = learning_rate * clip_by_block_rms
    factor = jnp.mean(p * p)
    rms_2 = jnp.sqrt(jnp.where(factor <= 1e-06, 1e-06, factor))
    scale_by_param_block_rms = scale_by_learning_rate * rms_2
    return {"update": -scale_by_param_block_rms, "v_row": v_row_next, "v_col": v_col_next}


def factored_1_2(
    g,
    p,
    v_row,
    v_col,
    learning_rate,
    decay,
    one_minus_decay,
    eps,
    clipping_threshold,
):
    """The update, and the next v_row and v_col.

    For leaves with factored_axes(128) = (1, 2) and ndim 3.
    """
    square = g * g + eps
    over_columns = jnp.mean(square, axis=2, keepdims=True)
    v_row_next = decay * v_row + one_minus_decay * over_columns
    row_factor = lax.rsqrt(v_row_next / jnp.mean(v_row_next, axis=1, keepdims=True))
    over_rows = jnp.mean(square, axis=1, keepdims=True)
    v_col_next = decay * v_col + one_minus_decay * over_rows
    scale_by_factored_rms = g * row_factor * lax.rsqrt(v_col_next)
    rms = jnp.sqrt(jnp.mean(scale_by_factored_rms * scale_by_factored_rms))
    clip_by_block_rms = scale_by_factored_rms / jnp.maximum(1, rms / clipping_threshold)
    scale_by_learning_rate = learning_rate * clip_by_block_rms
    factor = jnp.mean(p * p)
    rms_2 = jnp.sqrt(jnp.where(factor <= 1e-06, 1e-06, factor))
    scale_by_param_block_rms = scale_by_learning_rate * rms_2
    return {"update": -scale_by_param_block_rms, "v_row": v_row_next, "v_col": v_col_next}


def factored_2_1(
    g,
    p,
    v_row,
    v_col,
    learning_rate,
    decay,
    one_minus_decay,
    eps,
    clipping_threshold,
):
    """The update, and the next v_row and v_col.

    For leaves with factored_axes(128) = (2, 1) and ndim 3.
    """
    square = g * g + eps
    over_rows = jnp.mean(square, axis=1, keepdims=True)
    v_row_next = decay * v_row + one_minus_decay * over_rows
    row_factor = lax.rsqrt(v_row_next / jnp.mean(v_row_next, axis=2, keepdims=True))
    over_columns = jnp.mean(square, axis=2, keepdims=True)
    v_col_next = decay * v_col + one_minus_decay * over_columns
    scale_by_factored_rms = g * row_factor * lax.rsqrt(v_col_next)
    rms = jnp.sqrt(jnp.mean(scale_by_factored_rms * scale_by_factored_rms))
    clip_by_block_rms = scale_by_factored_rms / jnp.maximum(1, rms / clipping_threshold)
    scale_by_learning_rate = learning_rate * clip_by_block_rms
    factor = jnp.mean(p * p)
    rms_2 = jnp.sqrt(jnp.where(factor <= 1e-06, 1e-06, factor))
    scale_by_param_block_rms = scale_by_learning_rate * rms_2
    return {"update": -scale_by_param_block_rms, "v_row": v_row_next, "v_col": v_col_next}


def factored_2_3(
    g,
    p,
    v_row,
    v_col,
    learning_rate,
    decay,
    one_minus_decay,
    eps,
    clipping_threshold,
):
    """The update, and the next v_row and v_col.

    For leaves with factored_axes(128) = (2, 3) and ndim 4.
    """
    square = g * g + eps
    over_columns = jnp.mean(square, axis=3, keepdims=True)
    v_row_next = decay * v_row + one_minus_decay * over_columns
    row_factor = lax.rsqrt(v_row_next / jnp.mean(v_row_next, axis=2, keepdims=True))
    over_rows = jnp.mean(square, axis=2, keepdims=True)
    v_col_next = decay * v_col + one_minus_decay * over_rows
    scale_by_factored_rms = g * row_factor * lax.rsqrt(v_col_next)
    rms = jnp.sqrt(jnp.mean(scale_by_factored_rms * scale_by_factored_rms))
    clip_by_block_rms = scale_by_factored_rms / jnp.maximum(1, rms / clipping_threshold)
    scale_by_learning_rate = learning_rate * clip_by_block_rms
    factor = jnp.mean(p * p)
    rms_2 = jnp.sqrt(jnp.where(factor <= 1e-06, 1e-06, factor))
    scale_by_param_block_rms = scale_by_learning_rate * rms_2
    return {"update": -scale_by_param_block_rms, "v_row": v_row_next, "v_col": v_col_next}


def factored_3_2(
    g,
    p,
    v_row,
    v_col,
    learning_rate,
    decay,
    one_minus_decay,
    eps,
    clipping_threshold,
):
    """The update, and the next v_row and v_col.

    For leaves with factored_axes(128) = (3, 2) and ndim 4.
    """
    square = g * g + eps
    over_rows = jnp.mean(square, axis=2, keepdims=True)
    v_row_next = decay * v_row + one_minus_decay * over_rows
    row_factor = lax.rsqrt(v_row_next / jnp.mean(v_row_next, axis=3, keepdims=True))
    over_columns = jnp.mean(square, axis=3, keepdims=True)
    v_col_next = decay * v_col + one_minus_decay * over_columns
    scale_by_factored_rms = g * row_factor * lax.rsqrt(v_col_next)
    rms = jnp.sqrt(jnp.mean(scale_by_factored_rms * scale_by_factored_rms))
    clip_by_block_rms = scale_by_factored_rms / jnp.maximum(1, rms / clipping_threshold)
    scale_by_learning_rate = learning_rate * clip_by_block_rms
    factor = jnp.mean(p * p)
    rms_2 = jnp.sqrt(jnp.where(factor <= 1e-06, 1e-06, factor))
    scale_by_param_block_rms = scale_by_learning_rate * rms_2
    return {"update": -scale_by_param_block_rms, "v_row": v_row_next, "v_col": v_col_next}


def initial_whole(p):
    """The first v."""
    return {"v": jnp.zeros_like(p)}


def initial_factored_0_1(p):
    """The first v_row and v_col."""
    return {
        "v_row": jnp.zeros(along(p.shape, 0), p.dtype),
        "v_col": jnp.zeros(along(p.shape, 1), p.dtype),
    }


def initial_factored_1_0(p):
    """The first v_row and v_col."""
    return {
        "v_row": jnp.zeros(along(p.shape, 1), p.dtype),
        "v_col": jnp.zeros(along(p.shape, 0), p.dtype),
    }


def initial_factored_1_2(p):
    """The first v_row and v_col."""
    return {
        "v_row": jnp.zeros(along(p.shape, 0, 1), p.dtype),
        "v_col": jnp.zeros(along(p.shape, 0, 2), p.dtype),
    }


def initial_factored_2_1(p):
    """The first v_row and v_col."""
    return {
        "v_row": jnp.zeros(along(p.shape, 0, 2), p.dtype),
        "v_col": jnp.zeros(along(p.shape, 0, 1), p.dtype),
    }


def initial_factored_2_3(p):
    """The first v_row and v_col."""
    return {
        "v_row": jnp.zeros(along(p.shape, 0, 1, 2), p.dtype),
        "v_col": jnp.zeros(along(p.shape, 0, 1, 3), p.dtype),
    }


def initial_factored_3_2(p):
    """The first v_row and v_col."""
    return {
        "v_row": jnp.zeros(along(p.shape, 0, 1, 3), p.dtype),
        "v_col": jnp.zeros(along(p.shape, 0, 1, 2), p.dtype),
    }


UNIT = Unit(
    name="adafactor",
    hyperparameters=("learning_rate", "decay_rate", "decay_offset", "clipping_threshold", "eps"),
    variants=(
        Variant(
            guards=(Guard(facts=(("factored_axes", (128,), None),), masks=("any",)),),
            slots={"v": Slot("param")},
            update=whole,
            init=initial_whole,
        ),
        Variant(
            guards=(
                Guard(facts=(("factored_axes", (128,), (0, 1)), ("ndim", (), 2)), masks=("any",)),
            ),
            slots={"v_row": Slot("real", axes=(0,)), "v_col": Slot("real", axes=(1,))},
            update=factored_0_1,
            init=initial_factored_0_1,
        ),
        Variant(
            guards=(
                Guard(facts=(("factored_axes", (128,), (1, 0)), ("ndim", (), 2)), masks=("any",)),
            ),
            slots={"v_row": Slot("real", axes=(1,)), "v_col": Slot("real", axes=(0,))},
            update=factored_1_0,
            init=initial_factored_1_0,
        ),
        Variant(
            guards=(
                Guard(facts=(("factored_axes", (128,), (1, 2)), ("ndim", (), 3)), masks=("any",)),
            ),
            slots={"v_row": Slot("real", axes=(0, 1)), "v_col": Slot("real", axes=(0, 2))},
            update=factored_1_2,
            init=initial_factored_1_2,
        ),
        Variant(
            guards=(
                Guard(facts=(("factored_axes", (128,), (2, 1)), ("ndim", (), 3)), masks=("any",)),
            ),
            slots={"v_row": Slot("real", axes=(0, 2)), "v_col": Slot("real", axes=(0, 1))},
            update=factored_2_1,
            init=initial_factored_2_1,
        ),
        Variant(
            guards=(
                Guard(facts=(("factored_axes", (128,), (2, 3)), ("ndim", (), 4)), masks=("any",)),
            ),
            slots={"v_row": Slot("real", axes=(0, 1, 2)), "v_col": Slot("real", axes=(0, 1, 3))},
            update=factored_2_3,
            init=initial_factored_2_3,
        ),
        Variant(
            guards=(
                Guard(facts=(("factored_axes", (128,), (3, 2)), ("ndim", (), 4)), masks=("any",)),
            ),
            slots={"v_row": Slot("real", axes=(0, 1, 3)), "v_col": Slot("real", axes=(0, 1, 2))},
            update=factored_3_2,
            init=initial_factored_3_2,
        ),
    ),
    update=Scalars(constants=constants, phases=(scalars,)),
    masks=1,
)
