"""AMSGrad (Reddi, Kale and Kumar, 2018, arXiv:1904.09237).

    mu' = (1 - b1)*g + b1*mu
    mu_hat = mu'/(1 - b1**t)
    nu' = (1 - b2)*g**2 + b2*nu
    nu_max' = maximum(nu_max, nu'/(1 - b2**t))
    scale_by_amsgrad = mu_hat/(sqrt(nu_max' + eps_root) + eps)
    p' = p - learning_rate*scale_by_amsgrad

Emitted for mu_dtype=None, bias_correction_mu=True, bias_correction_nu=True.

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
    nu_max_ptr,
    nu_ptr,
    offsets,
    inside,
    minus_learning_rate,
    one_minus_b1,
    b1,
    bias_correction_b1,
    one_minus_b2,
    b2,
    bias_correction_b2,
    eps_root,
    eps,
):
    """Reads g, p, mu, nu_max, nu; writes p, mu, nu_max, nu."""
    p = tl.load(p_ptr + offsets, mask=inside)
    g = tl.load(g_ptr + offsets, mask=inside)
    mu = tl.load(mu_ptr + offsets, mask=inside)
    mu_next = one_minus_b1 * g + b1 * mu
    mu_hat = tl.div_rn(mu_next, bias_correction_b1)
    nu_max = tl.load(nu_max_ptr + offsets, mask=inside)
    nu = tl.load(nu_ptr + offsets, mask=inside)
    nu_next = one_minus_b2 * (g * g) + b2 * nu
    nu_max_next = device.maximum(nu_max, tl.div_rn(nu_next, bias_correction_b2))
    scale_by_amsgrad = tl.div_rn(mu_hat, tl.sqrt_rn(nu_max_next + eps_root) + eps)
    tl.store(p_ptr + offsets, p + minus_learning_rate * scale_by_amsgrad, mask=inside)
    tl.store(mu_ptr + offsets, mu_next, mask=inside)
    tl.store(nu_ptr + offsets, nu_next, mask=inside)
    tl.store(nu_max_ptr + offsets, nu_max_next, mask=inside)


@triton.jit
def leaf_step(
    scalars, g_ptr, p_ptr, mu_ptr, nu_max_ptr, nu_ptr, size, program, BLOCK: tl.constexpr
):
    """Reads g, p, mu, nu_max, nu; writes p, mu, nu_max, nu."""
    minus_learning_rate = tl.load(scalars + 0)
    one_minus_b1 = tl.load(scalars + 1)
    b1 = tl.load(scalars + 2)
    bias_correction_b1 = tl.load(scalars + 3)
    one_minus_b2 = tl.load(scalars + 4)
    b2 = tl.load(scalars + 5)
    bias_correction_b2 = tl.load(scalars + 6)
    eps_root = tl.load(scalars + 7)
    eps = tl.load(scalars + 8)
    offsets = tl.arange(0, BLOCK)
    start = tl.cast(program, tl.int64) * BLOCK
    if start + BLOCK <= size:
        leaf_step_tile(
            g_ptr + start,
            p_ptr + start,
            mu_ptr + start,
            nu_max_ptr + start,
            nu_ptr + start,
            offsets,
            None,
            minus_learning_rate,
            one_minus_b1,
            b1,
            bias_correction_b1,
            one_minus_b2,
            b2,
            bias_correction_b2,
            eps_root,
            eps,
        )
    else:
        leaf_step_tile(
            g_ptr + start,
            p_ptr + start,
            mu_ptr + start,
            nu_max_ptr + start,
            nu_ptr + start,
            offsets,
            offsets < size - start,
            minus_learning_rate,
            one_minus_b1,
            b1,
            bias_correction_b1,
            one_minus_b2,
            b2,
            bias_correction_b2,
            eps_root,
            eps,
        )
