"""Lion (Chen et al., 2023, arXiv:2302.06675).

For leaves with mask None, or mask True:

    direction = (1 - b1)*g + b1*mu
    scale_by_lion = sign(direction)
    add_decayed_weights = scale_by_lion + weight_decay*p
    mu' = (1 - b2)*g + b2*mu
    p' = p - learning_rate*add_decayed_weights

For leaves with mask False:

    direction = (1 - b1)*g + b1*mu
    scale_by_lion = sign(direction)
    mu' = (1 - b2)*g + b2*mu
    p' = p - learning_rate*scale_by_lion

Emitted for mu_dtype=None.

Emitted by optgen: change the rule, not this file. Each function is one kernel, on the part of one
leaf that is a program's own; a launch chooses the leaf.
"""

import triton
import triton.language as tl

from optgen.runtime.execution.triton import device


@triton.jit
def leaf_step_tile(
    g_ptr,
    p_ptr,
    mu_ptr,
    offsets,
    inside,
    minus_learning_rate,
    one_minus_b1,
    b1,
    weight_decay,
    one_minus_b2,
    b2,
):
    """Reads g, p, mu; writes p, mu."""
    p = tl.load(p_ptr + offsets, mask=inside)
    g = tl.load(g_ptr + offsets, mask=inside)
    mu = tl.load(mu_ptr + offsets, mask=inside)
    direction = one_minus_b1 * g + b1 * mu
    scale_by_lion = device.sign(direction)
    add_decayed_weights = scale_by_lion + weight_decay * p
    mu_next = one_minus_b2 * g + b2 * mu
    tl.store(p_ptr + offsets, p + minus_learning_rate * add_decayed_weights, mask=inside)
    tl.store(mu_ptr + offsets, mu_next, mask=inside)


@triton.jit
def leaf_step(scalars, g_ptr, p_ptr, mu_ptr, size, program, BLOCK: tl.constexpr):
    """Reads g, p, mu; writes p, mu."""
    minus_learning_rate = tl.load(scalars + 0)
    one_minus_b1 = tl.load(scalars + 1)
    b1 = tl.load(scalars + 2)
    weight_decay = tl.load(scalars + 3)
    one_minus_b2 = tl.load(scalars + 4)
    b2 = tl.load(scalars + 5)
    offsets = tl.arange(0, BLOCK)
    start = tl.cast(program, tl.int64) * BLOCK
    if start + BLOCK <= size:
        leaf_step_tile(
            g_ptr + start,
            p_ptr + start,
            mu_ptr + start,
            offsets,
            None,
            minus_learning_rate,
            one_minus_b1,
            b1,
            weight_decay,
            one_minus_b2,
            b2,
        )
    else:
        leaf_step_tile(
            g_ptr + start,
            p_ptr + start,
            mu_ptr + start,
            offsets,
            offsets < size - start,
            minus_learning_rate,
            one_minus_b1,
            b1,
            weight_decay,
            one_minus_b2,
            b2,
        )


@triton.jit
def left_out_step_tile(
    g_ptr, p_ptr, mu_ptr, offsets, inside, minus_learning_rate, one_minus_b1, b1, one_minus_b2, b2
):
    """Reads g, p, mu; writes p, mu."""
    p = tl.load(p_ptr + offsets, mask=inside)
    g = tl.load(g_ptr + offsets, mask=inside)
    mu = tl.load(mu_ptr + offsets, mask=inside)
    direction = one_minus_b1 * g + b1 * mu
    scale_by_lion = device.sign(direction)
    mu_next = one_minus_b2 * g + b2 * mu
    tl.store(p_ptr + offsets, p + minus_learning_rate * scale_by_lion, mask=inside)
    tl.store(mu_ptr + offsets, mu_next, mask=inside)


@triton.jit
def left_out_step(scalars, g_ptr, p_ptr, mu_ptr, size, program, BLOCK: tl.constexpr):
    """Reads g, p, mu; writes p, mu."""
    minus_learning_rate = tl.load(scalars + 0)
    one_minus_b1 = tl.load(scalars + 1)
    b1 = tl.load(scalars + 2)
    one_minus_b2 = tl.load(scalars + 3)
    b2 = tl.load(scalars + 4)
    offsets = tl.arange(0, BLOCK)
    start = tl.cast(program, tl.int64) * BLOCK
    if start + BLOCK <= size:
        left_out_step_tile(
            g_ptr + start,
            p_ptr + start,
            mu_ptr + start,
            offsets,
            None,
            minus_learning_rate,
            one_minus_b1,
            b1,
            one_minus_b2,
            b2,
        )
    else:
        left_out_step_tile(
            g_ptr + start,
            p_ptr + start,
            mu_ptr + start,
            offsets,
            offsets < size - start,
            minus_learning_rate,
            one_minus_b1,
            b1,
            one_minus_b2,
            b2,
        )
