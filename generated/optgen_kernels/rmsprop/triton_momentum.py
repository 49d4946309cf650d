"""RMSProp (Tieleman and Hinton, 2012, Coursera lecture 6.5).

    nu' = (1 - decay)*g**2 + decay*nu
    scaling = rsqrt(nu' + eps)
    scale_by_rms = scaling*g
    scale_by_learning_rate = -learning_rate*scale_by_rms
    trace' = scale_by_learning_rate + momentum*trace
    p' = p + trace'

Emitted for eps_in_sqrt=True, centered=False, nesterov=False, bias_correction=False.

Emitted by optgen: change the rule, not this file. Each function is one kernel, on the part of one
leaf that is a program's own; a launch chooses the leaf.
"""

import triton
import triton.language as tl


@triton.jit
def leaf_step_tile(
    g_ptr,
    p_ptr,
    nu_ptr,
    trace_ptr,
    offsets,
    inside,
    minus_learning_rate,
    one_minus_decay,
    decay,
    eps,
    momentum,
):
    """Reads g, p, nu, trace; writes p, nu, trace."""
    p = tl.load(p_ptr + offsets, mask=inside)
    g = tl.load(g_ptr + offsets, mask=inside)
    nu = tl.load(nu_ptr + offsets, mask=inside)
    nu_hat = one_minus_decay * (g * g) + decay * nu
    scaling = tl.div_rn(1.0, tl.sqrt_rn(nu_hat + eps))
    scale_by_rms = scaling * g
    scale_by_learning_rate = minus_learning_rate * scale_by_rms
    trace = tl.load(trace_ptr + offsets, mask=inside)
    trace_next = scale_by_learning_rate + momentum * trace
    tl.store(p_ptr + offsets, p + trace_next, mask=inside)
    tl.store(nu_ptr + offsets, nu_hat, mask=inside)
    tl.store(trace_ptr + offsets, trace_next, mask=inside)


@triton.jit
def leaf_step(scalars, g_ptr, p_ptr, nu_ptr, trace_ptr, size, program, BLOCK: tl.constexpr):
    """Reads g, p, nu, trace; writes p, nu, trace."""
    minus_learning_rate = tl.load(scalars + 0)
    one_minus_decay = tl.load(scalars + 1)
    decay = tl.load(scalars + 2)
    eps = tl.load(scalars + 3)
    momentum = tl.load(scalars + 4)
    offsets = tl.arange(0, BLOCK)
    start = tl.cast(program, tl.int64) * BLOCK
    if start + BLOCK <= size:
        leaf_step_tile(
            g_ptr + start,
            p_ptr + start,
            nu_ptr + start,
            trace_ptr + start,
            offsets,
            None,
            minus_learning_rate,
            one_minus_decay,
            decay,
            eps,
            momentum,
        )
    else:
        leaf_step_tile(
            g_ptr + start,
            p_ptr + start,
            nu_ptr + start,
            trace_ptr + start,
            offsets,
            offsets < size - start,
            minus_learning_rate,
            one_minus_decay,
            decay,
            eps,
            momentum,
        )
