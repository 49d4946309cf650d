"""RMSProp (Tieleman and Hinton, 2012, Coursera lecture 6.5).

    nu' = (1 - decay)*g**2 + decay*nu
    scaling = rsqrt(nu' + eps)
    scale_by_rms = scaling*g
    p' = p - learning_rate*scale_by_rms

Emitted for eps_in_sqrt=True, centered=False, momentum=None, nesterov=False,
bias_correction=False.

Emitted by optgen: change the rule, not this file. Each function is one kernel, on the part of one
leaf that is a program's own; a launch chooses the leaf.
"""

import triton
import triton.language as tl


@triton.jit
def leaf_step_tile(
    g_ptr, p_ptr, nu_ptr, offsets, inside, minus_learning_rate, one_minus_decay, decay, eps
):
    """Reads g, p, nu; writes p, nu."""
    p = tl.load(p_ptr + offsets, mask=inside)
    g = tl.load(g_ptr + offsets, mask=inside)
    nu = tl.load(nu_ptr + offsets, mask=inside)
    nu_hat = one_minus_decay * (g * g) + decay * nu
    scaling = tl.div_rn(1.0, tl.sqrt_rn(nu_hat + eps))
    scale_by_rms = scaling * g
    tl.store(p_ptr + offsets, p + minus_learning_rate * scale_by_rms, mask=inside)
    tl.store(nu_ptr + offsets, nu_hat, mask=inside)


@triton.jit
def leaf_step(scalars, g_ptr, p_ptr, nu_ptr, size, program, BLOCK: tl.constexpr):
    """Reads g, p, nu; writes p, nu."""
    minus_learning_rate = tl.load(scalars + 0)
    one_minus_decay = tl.load(scalars + 1)
    decay = tl.load(scalars + 2)
    eps = tl.load(scalars + 3)
    offsets = tl.arange(0, BLOCK)
    start = tl.cast(program, tl.int64) * BLOCK
    if start + BLOCK <= size:
        leaf_step_tile(
            g_ptr + start,
            p_ptr + start,
            nu_ptr + start,
            offsets,
            None,
            minus_learning_rate,
            one_minus_decay,
            decay,
            eps,
        )
    else:
        leaf_step_tile(
            g_ptr + start,
            p_ptr + start,
            nu_ptr + start,
            offsets,
            offsets < size - start,
            minus_learning_rate,
            one_minus_decay,
            decay,
            eps,
        )
