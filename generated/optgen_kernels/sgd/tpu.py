"""Gradient descent (Robbins and Monro, 1951), with momentum (Polyak, 1964).

    p' = p - learning_rate*g

Emitted for momentum=None, nesterov=False, accumulator_dtype=None.

Emitted by optgen: change the rule, not this file. Each function is the body of a Pallas kernel: it
is given arrays of a leaf as they are stored, or a tile of them, and returns them so; it computes in
float32. What varies along some dimensions only has extent 1 along the others. ``leaf`` knows the
extents of the whole leaf, and reduces a tile; ``optgen.runtime.execution.tpu`` brings tiles into
a TPU's vector memory and out, and combines what they are reduced to.
"""


def leaf_step(leaf, g, p, minus_learning_rate):
    """Sweep that writes p."""
    return {"p": p + minus_learning_rate * g}
