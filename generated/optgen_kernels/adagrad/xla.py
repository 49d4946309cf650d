"""Adagrad (Duchi, Hazan and Singer, 2011, JMLR 12).

    sum_of_squares' = g**2 + sum_of_squares
    scaling = where(sum_of_squares' > 0, rsqrt(sum_of_squares' + eps), 0)
    scale_by_rss = scaling*g
    p' = p - learning_rate*scale_by_rss

Emitted by optgen: change the rule, not this file. Functions name their arguments after what they
read: arrays of one leaf, as they are stored; scalars; the dtypes of the parameter (``param``), of
the gradient (``grad``) and of arithmetic (``real``); and the axes of its rows and columns.
"""

import jax.numpy as jnp
from jax import lax

from optgen.runtime import Guard, Module, Scalars, Slot, Variant


def constants(learning_rate):
    """Scalars that the hyperparameters alone decide."""
    return {"minus_learning_rate": -learning_rate}


def leaf(g, sum_of_squares, minus_learning_rate, eps, param, real):
    """The update, and the next sum_of_squares."""
    g = g.astype(real)
    sum_of_squares_next = g * g + sum_of_squares.astype(real)
    scaling = jnp.where(sum_of_squares_next > 0, lax.rsqrt(sum_of_squares_next + eps), 0)
    scale_by_rss = scaling * g
    return {
        "update": minus_learning_rate * scale_by_rss,
        "sum_of_squares": sum_of_squares_next.astype(param),
    }


def initial_leaf(p, initial_accumulator_value, param):
    """The first sum_of_squares."""
    return {"sum_of_squares": jnp.broadcast_to(initial_accumulator_value.astype(param), p.shape)}


MODULE = Module(
    name="adagrad",
    hyperparameters=("learning_rate", "initial_accumulator_value", "eps"),
    variants=(
        Variant(
            guards=(Guard(),),
            slots={"sum_of_squares": Slot("param")},
            update=leaf,
            update_arrays=("g", "sum_of_squares"),
            init=initial_leaf,
        ),
    ),
    update=Scalars(constants=constants),
)
