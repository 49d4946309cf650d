"""Gradient descent (Robbins and Monro, 1951), with momentum (Polyak, 1964).

    trace' = g + momentum*trace
    p' = p - learning_rate*trace'

Emitted for nesterov=False, accumulator_dtype=None.

Emitted by optgen: change the rule, not this file. Functions name their arguments after what they
read: arrays of one leaf, in the precision that arithmetic runs in, and scalars.
"""

import jax.numpy as jnp

from optgen.runtime import Guard, Scalars, Slot, Unit, Variant


def constants(learning_rate):
    """What the hyperparameters alone decide."""
    return {"minus_learning_rate": -learning_rate}


def leaf(g, trace, minus_learning_rate, momentum):
    """The update, and the next trace."""
    trace_2 = g + momentum * trace
    return {"update": minus_learning_rate * trace_2, "trace": trace_2}


def initial_leaf(p):
    """The first trace."""
    return {"trace": jnp.zeros_like(p)}


UNIT = Unit(
    name="sgd",
    hyperparameters=("learning_rate", "momentum"),
    variants=(
        Variant(guards=(Guard(),), slots={"trace": Slot("param")}, update=leaf, init=initial_leaf),
    ),
    update=Scalars(constants=constants),
)
