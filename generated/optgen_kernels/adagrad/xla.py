"""Adagrad (Duchi, Hazan and Singer, 2011, JMLR 12).

    sum_of_squares' = g**2 + sum_of_squares
    scale_by_rss = where(sum_of_squares' > 0, rsqrt(sum_of_squares' + eps), 0)*g
    p' = p - learning_rate*scale_by_rss

Emitted by optgen: change the rule, not this file. Functions name their arguments after what they
read: arrays of one leaf, in the precision that arithmetic runs in, and scalars.
"""

import jax.numpy as jnp
from jax import lax

from optgen.runtime import Guard, Scalars, Slot, Unit, Variant


def constants(learning_rate):
    """What the hyperparameters alone decide."""
    return {"minus_learning_rate": -learning_rate}


def leaf(g, sum_of_squares, minus_learning_rate, eps):
    """The update, and the next sum_of_squares."""
    sum_of_squares_next = g * g + sum_of_squares
    term = jnp.where(sum_of_squares_next > 0, lax.rsqrt(sum_of_squares_next + eps), 0)
    scale_by_rss = term * g
    return {"update": minus_learning_rate * scale_by_rss, "sum_of_squares": sum_of_squares_next}


def initial_leaf(p, initial_accumulator_value):
    """The first sum_of_squares."""
    return {"sum_of_squares": jnp.broadcast_to(initial_accumulator_value, p.shape)}


UNIT = Unit(
    name="adagrad",
    hyperparameters=("learning_rate", "initial_accumulator_value", "eps"),
    variants=(
        Variant(
            guards=(Guard(),),
            slots={"sum_of_squares": Slot("param")},
            update=leaf,
            init=initial_leaf,
        ),
    ),
    update=Scalars(constants=constants),
)
