"""Gradient descent (Robbins and Monro, 1951), with momentum (Polyak, 1964).

    trace' = g + momentum*trace
    trace_2 = g + momentum*trace'
    p' = p - learning_rate*trace_2

Emitted for nesterov=True, accumulator_dtype=None.

Emitted by optgen: change the rule, not this file. Each function is one kernel, on the part of one
leaf that is a program's own; a launch chooses the leaf.
"""

import triton
import triton.language as tl


@triton.jit
def leaf_step_tile(g_ptr, p_ptr, trace_ptr, offsets, inside, minus_learning_rate, momentum):
    """Reads g, p, trace; writes p, trace."""
    p = tl.load(p_ptr + offsets, mask=inside)
    g = tl.load(g_ptr + offsets, mask=inside)
    trace = tl.load(trace_ptr + offsets, mask=inside)
    trace_next = g + momentum * trace
    trace_2 = g + momentum * trace_next
    tl.store(p_ptr + offsets, p + minus_learning_rate * trace_2, mask=inside)
    tl.store(trace_ptr + offsets, trace_next, mask=inside)


@triton.jit
def leaf_step(scalars, g_ptr, p_ptr, trace_ptr, size, program, BLOCK: tl.constexpr):
    """Reads g, p, trace; writes p, trace."""
    minus_learning_rate = tl.load(scalars + 0)
    momentum = tl.load(scalars + 1)
    offsets = tl.arange(0, BLOCK)
    start = tl.cast(program, tl.int64) * BLOCK
    if start + BLOCK <= size:
        leaf_step_tile(
            g_ptr + start,
            p_ptr + start,
            trace_ptr + start,
            offsets,
            None,
            minus_learning_rate,
            momentum,
        )
    else:
        leaf_step_tile(
            g_ptr + start,
            p_ptr + start,
            trace_ptr + start,
            offsets,
            offsets < size - start,
            minus_learning_rate,
            momentum,
        )
