"""NAdamW (Loshchilov and Hutter, 2019, arXiv:1711.05101; Dozat, 2016).

For leaves with mask None, or mask True:

    mu' = (1 - b1)*g + b1*mu
    mu_hat = b1*(mu'/(1 - b1**(t + 1))) + (1 - b1)*(g/(1 - b1**t))
    nu' = (1 - b2)*g**2 + b2*nu
    nu_hat = nu'/(1 - b2**t)
    scale_by_adam = mu_hat/(sqrt(nu_hat + eps_root) + eps)
    add_decayed_weights = scale_by_adam + weight_decay*p
    p' = p - learning_rate*add_decayed_weights

For leaves with mask False:

    mu' = (1 - b1)*g + b1*mu
    mu_hat = b1*(mu'/(1 - b1**(t + 1))) + (1 - b1)*(g/(1 - b1**t))
    nu' = (1 - b2)*g**2 + b2*nu
    nu_hat = nu'/(1 - b2**t)
    scale_by_adam = mu_hat/(sqrt(nu_hat + eps_root) + eps)
    p' = p - learning_rate*scale_by_adam

Emitted for mu_dtype=None, nesterov=True.

Emitted by optgen: change the rule, not this file. Each function is one kernel, on the part of one
leaf that is a program's own; a launch chooses the leaf.
"""

import triton
import triton.language as tl


@triton.jit
def leaf_step_tile(
    g_ptr,
    p_ptr,
    mu_ptr,
    nu_ptr,
    offsets,
    inside,
    minus_learning_rate,
    b1,
    one_minus_b1,
    bias_correction_b1,
    bias_correction_b1_2,
    one_minus_b2,
    b2,
    bias_correction_b2,
    eps_root,
    eps,
    weight_decay,
):
    """Reads g, p, mu, nu; writes p, mu, nu."""
    p = tl.load(p_ptr + offsets, mask=inside)
    g = tl.load(g_ptr + offsets, mask=inside)
    mu = tl.load(mu_ptr + offsets, mask=inside)
    mu_next = one_minus_b1 * g + b1 * mu
    term = one_minus_b1 * tl.div_rn(g, bias_correction_b1_2)
    mu_hat = b1 * tl.div_rn(mu_next, bias_correction_b1) + term
    nu = tl.load(nu_ptr + offsets, mask=inside)
    nu_next = one_minus_b2 * (g * g) + b2 * nu
    nu_hat = tl.div_rn(nu_next, bias_correction_b2)
    scale_by_adam = tl.div_rn(mu_hat, tl.sqrt_rn(nu_hat + eps_root) + eps)
    add_decayed_weights = scale_by_adam + weight_decay * p
    tl.store(p_ptr + offsets, p + minus_learning_rate * add_decayed_weights, mask=inside)
    tl.store(mu_ptr + offsets, mu_next, mask=inside)
    tl.store(nu_ptr + offsets, nu_next, mask=inside)


@triton.jit
def leaf_step(scalars, g_ptr, p_ptr, mu_ptr, nu_ptr, size, program, BLOCK: tl.constexpr):
    """Reads g, p, mu, nu; writes p, mu, nu."""
    minus_learning_rate = tl.load(scalars + 0)
    b1 = tl.load(scalars + 1)
    one_minus_b1 = tl.load(scalars + 2)
    bias_correction_b1 = tl.load(scalars + 3)
    bias_correction_b1_2 = tl.load(scalars + 4)
    one_minus_b2 = tl.load(scalars + 5)
    b2 = tl.load(scalars + 6)
    bias_correction_b2 = tl.load(scalars + 7)
    eps_root = tl.load(scalars + 8)
    eps = tl.load(scalars + 9)
    weight_decay = tl.load(scalars + 10)
    offsets = tl.arange(0, BLOCK)
    start = tl.cast(program, tl.int64) * BLOCK
    if start + BLOCK <= size:
        leaf_step_tile(
            g_ptr + start,
            p_ptr + start,
            mu_ptr + start,
            nu_ptr + start,
            offsets,
            None,
            minus_learning_rate,
            b1,
            one_minus_b1,
            bias_correction_b1,
            bias_correction_b1_2,
            one_minus_b2,
            b2,
            bias_correction_b2,
            eps_root,
            eps,
            weight_decay,
        )
    else:
        leaf_step_tile(
            g_ptr + start,
            p_ptr + start,
            mu_ptr + start,
            nu_ptr + start,
            offsets,
            offsets < size - start,
            minus_learning_rate,
            b1,
            one_minus_b1,
            bias_correction_b1,
            bias_correction_b1_2,
            one_minus_b2,
            b2,
            bias_correction_b2,
            eps_root,
            eps,
            weight_decay,
        )


@triton.jit
def left_out_step_tile(
    g_ptr,
    p_ptr,
    mu_ptr,
    nu_ptr,
    offsets,
    inside,
    minus_learning_rate,
    b1,
    one_minus_b1,
    bias_correction_b1,
    bias_correction_b1_2,
    one_minus_b2,
    b2,
    bias_correction_b2,
    eps_root,
    eps,
):
    """Reads g, p, mu, nu; writes p, mu, nu."""
    p = tl.load(p_ptr + offsets, mask=inside)
    g = tl.load(g_ptr + offsets, mask=inside)
    mu = tl.load(mu_ptr + offsets, mask=inside)
    mu_next = one_minus_b1 * g + b1 * mu
    term = one_minus_b1 * tl.div_rn(g, bias_correction_b1_2)
    mu_hat = b1 * tl.div_rn(mu_next, bias_correction_b1) + term
    nu = tl.load(nu_ptr + offsets, mask=inside)
    nu_next = one_minus_b2 * (g * g) + b2 * nu
    nu_hat = tl.div_rn(nu_next, bias_correction_b2)
    scale_by_adam = tl.div_rn(mu_hat, tl.sqrt_rn(nu_hat + eps_root) + eps)
    tl.store(p_ptr + offsets, p + minus_learning_rate * scale_by_adam, mask=inside)
    tl.store(mu_ptr + offsets, mu_next, mask=inside)
    tl.store(nu_ptr + offsets, nu_next, mask=inside)


@triton.jit
def left_out_step(scalars, g_ptr, p_ptr, mu_ptr, nu_ptr, size, program, BLOCK: tl.constexpr):
    """Reads g, p, mu, nu; writes p, mu, nu."""
    minus_learning_rate = tl.load(scalars + 0)
    b1 = tl.load(scalars + 1)
    one_minus_b1 = tl.load(scalars + 2)
    bias_correction_b1 = tl.load(scalars + 3)
    bias_correction_b1_2 = tl.load(scalars + 4)
    one_minus_b2 = tl.load(scalars + 5)
    b2 = tl.load(scalars + 6)
    bias_correction_b2 = tl.load(scalars + 7)
    eps_root = tl.load(scalars + 8)
    eps = tl.load(scalars + 9)
    offsets = tl.arange(0, BLOCK)
    start = tl.cast(program, tl.int64) * BLOCK
    if start + BLOCK <= size:
        left_out_step_tile(
            g_ptr + start,
            p_ptr + start,
            mu_ptr + start,
            nu_ptr + start,
            offsets,
            None,
            minus_learning_rate,
            b1,
            one_minus_b1,
            bias_correction_b1,
            bias_correction_b1_2,
            one_minus_b2,
            b2,
            bias_correction_b2,
            eps_root,
            eps,
        )
    else:
        left_out_step_tile(
            g_ptr + start,
            p_ptr + start,
            mu_ptr + start,
            nu_ptr + start,
            offsets,
            offsets < size - start,
            minus_learning_rate,
            b1,
            one_minus_b1,
            bias_correction_b1,
            bias_correction_b1_2,
            one_minus_b2,
            b2,
            bias_correction_b2,
            eps_root,
            eps,
        )
