"""Gradient descent (Robbins and Monro, 1951), with momentum (Polyak, 1964).

    p' = p - learning_rate*g

Emitted for momentum=None, nesterov=False, accumulator_dtype=None.

Emitted by optgen: change the rule, not this file. Each function is one kernel, on the part of one
leaf that is a program's own; a launch chooses the leaf.
"""

import triton
import triton.language as tl


@triton.jit
def leaf_step_tile(g_ptr, p_ptr, offsets, inside, minus_learning_rate):
    """Reads g, p; writes p."""
    p = tl.load(p_ptr + offsets, mask=inside)
    g = tl.load(g_ptr + offsets, mask=inside)
    tl.store(p_ptr + offsets, p + minus_learning_rate * g, mask=inside)


@triton.jit
def leaf_step(scalars, g_ptr, p_ptr, size, program, BLOCK: tl.constexpr):
    """Reads g, p; writes p."""
    minus_learning_rate = tl.load(scalars + 0)
    offsets = tl.arange(0, BLOCK)
    start = tl.cast(program, tl.int64) * BLOCK
    if start + BLOCK <= size:
        leaf_step_tile(g_ptr + start, p_ptr + start, offsets, None, minus_learning_rate)
    else:
        leaf_step_tile(
            g_ptr + start, p_ptr + start, offsets, offsets < size - start, minus_learning_rate
        )
