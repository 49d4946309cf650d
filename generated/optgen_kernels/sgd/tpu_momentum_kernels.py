"""Gradient descent (Robbins and Monro, 1951), with momentum (Polyak, 1964).

    trace' = g + momentum*trace
    p' = p - learning_rate*trace'

Emitted for nesterov=False, accumulator_dtype=None.

Emitted by optgen: change the rule, not this file. Each function is the body of one Pallas kernel,
on a tile of a leaf in a TPU's vector memory, in float32. What varies along some dimensions only
has extent 1 along the others. ``leaf`` knows the extents of the whole leaf, and reduces a tile;
``optgen.runtime.execution.tpu`` brings tiles in and out, and combines what they are reduced to.
"""


def leaf_step_1(leaf, g, p, trace, minus_learning_rate, momentum):
    """Reads g, p, trace; writes p, trace."""
    trace_2 = g + momentum * trace
    return {"p": p + minus_learning_rate * trace_2, "trace": trace_2}


def leaf_update_1(leaf, g, trace, minus_learning_rate, momentum):
    """Reads g, trace; writes trace, update."""
    trace_2 = g + momentum * trace
    return {"update": minus_learning_rate * trace_2, "trace": trace_2}
