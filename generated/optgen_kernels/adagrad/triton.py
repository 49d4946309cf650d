"""Adagrad (Duchi, Hazan and Singer, 2011, JMLR 12).

    sum_of_squares' = g**2 + sum_of_squares
    scaling = where(sum_of_squares' > 0, rsqrt(sum_of_squares' + eps), 0)
    scale_by_rss = scaling*g
    p' = p - learning_rate*scale_by_rss

Emitted by optgen: change the rule, not this file. Each function is one kernel, on the part of one
leaf that is a program's own; a launch chooses the leaf.
"""

import triton
import triton.language as tl


@triton.jit
def leaf_step_tile(g_ptr, p_ptr, sum_of_squares_ptr, offsets, inside, minus_learning_rate, eps):
    """Reads g, p, sum_of_squares; writes p, sum_of_squares."""
    p = tl.load(p_ptr + offsets, mask=inside)
    g = tl.load(g_ptr + offsets, mask=inside)
    sum_of_squares = tl.load(sum_of_squares_ptr + offsets, mask=inside)
    sum_of_squares_next = g * g + sum_of_squares
    term = tl.div_rn(1.0, tl.sqrt_rn(sum_of_squares_next + eps))
    scaling = tl.where(sum_of_squares_next > 0, term, tl.full((), 0, tl.float32))
    scale_by_rss = scaling * g
    tl.store(p_ptr + offsets, p + minus_learning_rate * scale_by_rss, mask=inside)
    tl.store(sum_of_squares_ptr + offsets, sum_of_squares_next, mask=inside)


@triton.jit
def leaf_step(scalars, g_ptr, p_ptr, sum_of_squares_ptr, size, program, BLOCK: tl.constexpr):
    """Reads g, p, sum_of_squares; writes p, sum_of_squares."""
    minus_learning_rate = tl.load(scalars + 0)
    eps = tl.load(scalars + 1)
    offsets = tl.arange(0, BLOCK)
    start = tl.cast(program, tl.int64) * BLOCK
    if start + BLOCK <= size:
        leaf_step_tile(
            g_ptr + start,
            p_ptr + start,
            sum_of_squares_ptr + start,
            offsets,
            None,
            minus_learning_rate,
            eps,
        )
    else:
        leaf_step_tile(
            g_ptr + start,
            p_ptr + start,
            sum_of_squares_ptr + start,
            offsets,
            offsets < size - start,
            minus_learning_rate,
            eps,
        )
