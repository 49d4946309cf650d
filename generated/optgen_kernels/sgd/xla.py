"""Gradient descent (Robbins and Monro, 1951), with momentum (Polyak, 1964).

    p' = p - learning_rate*g

Emitted for momentum=None, nesterov=False, accumulator_dtype=None.

Emitted by optgen: change the rule, not this file. Functions name their arguments after what they
read: arrays of one leaf, as they are stored; scalars; the dtypes of the parameter (``param``), of
the gradient (``grad``) and of arithmetic (``real``); and the axes of its rows and columns.
"""

from optgen.runtime import Guard, Module, Scalars, Variant


def constants(learning_rate):
    """Scalars that the hyperparameters alone decide."""
    return {"minus_learning_rate": -learning_rate}


def leaf(g, minus_learning_rate, real):
    """The update."""
    return {"update": minus_learning_rate * g.astype(real)}


def initial_leaf():
    """No slots."""
    return {}


MODULE = Module(
    name="sgd",
    hyperparameters=("learning_rate",),
    variants=(
        Variant(guards=(Guard(),), slots={}, update=leaf, update_arrays=("g",), init=initial_leaf),
    ),
    update=Scalars(constants=constants),
)
