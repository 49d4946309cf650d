"""Gradient descent (Robbins and Monro, 1951), with momentum (Polyak, 1964).

    p' = p - learning_rate*g

Emitted for momentum=None, nesterov=False, accumulator_dtype=None.

Emitted by optgen: change the rule, not this file. Each function is the body of one Pallas kernel,
on a tile of a leaf in a TPU's vector memory, in float32. What varies along some dimensions only
has extent 1 along the others. ``leaf`` knows the extents of the whole leaf, and reduces a tile;
``optgen.runtime.execution.tpu`` brings tiles in and out, and combines what they are reduced to.
"""


def leaf_step_1(leaf, g, p, minus_learning_rate):
    """Reads g, p; writes p."""
    return {"p": p + minus_learning_rate * g}


def leaf_update_1(leaf, g, minus_learning_rate):
    """Reads g; writes update."""
    return {"update": minus_learning_rate * g}
