"""Gradient descent (Robbins and Monro, 1951), with momentum (Polyak, 1964).

    trace' = g + momentum*trace
    trace_2 = g + momentum*trace'
    p' = p - learning_rate*trace_2

Emitted for nesterov=True, accumulator_dtype=None.

Emitted by optgen: change the rule, not this file. Functions name their arguments after what they
read: arrays of one leaf, as they are stored; scalars; the dtypes of the parameter (``param``), of
the gradient (``grad``) and of arithmetic (``real``); and the axes of its rows and columns.
"""

import jax.numpy as jnp

from optgen.runtime import Guard, Module, Scalars, Slot, Variant


def constants(learning_rate):
    """Scalars that the hyperparameters alone decide."""
    return {"minus_learning_rate": -learning_rate}


def leaf(g, trace, minus_learning_rate, momentum, param, real):
    """The update, and the next trace."""
    g = g.astype(real)
    trace_next = g + momentum * trace.astype(real)
    trace_2 = g + momentum * trace_next
    return {"update": minus_learning_rate * trace_2, "trace": trace_next.astype(param)}


def initial_leaf(p, param):
    """The first trace."""
    return {"trace": jnp.zeros(p.shape, param)}


MODULE = Module(
    name="sgd",
    hyperparameters=("learning_rate", "momentum"),
    variants=(
        Variant(
            guards=(Guard(),),
            slots={"trace": Slot("param")},
            update=leaf,
            update_arrays=("g", "trace"),
            init=initial_leaf,
        ),
    ),
    update=Scalars(constants=constants),
)
