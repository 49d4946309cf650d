"""Gradient descent (Robbins and Monro, 1951), with momentum (Polyak, 1964).

    p' = p - learning_rate*g

Emitted for momentum=None, nesterov=False, accumulator_dtype=None.

Emitted by optgen: change the rule, not this file. Functions name their arguments after what they
read: arrays of one leaf, in the precision that arithmetic runs in, and scalars.
"""

from optgen.runtime import Guard, Scalars, Unit, Variant


def constants(learning_rate):
    """What the hyperparameters alone decide."""
    return {"minus_learning_rate": -learning_rate}


def leaf(g, minus_learning_rate):
    """The update."""
    return {"update": minus_learning_rate * g}


def initial_leaf():
    """Nothing is kept."""
    return {}


UNIT = Unit(
    name="sgd",
    hyperparameters=("learning_rate",),
    variants=(Variant(guards=(Guard(),), slots={}, update=leaf, init=initial_leaf),),
    update=Scalars(constants=constants),
)
