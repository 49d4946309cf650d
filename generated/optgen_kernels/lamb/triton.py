"""LAMB (You et al., 2020, arXiv:1904.00962).

For leaves with mask None, or mask True:

    mu' = (1 - b1)*g + b1*mu
    mu_hat = mu'/(1 - b1**t)
    nu' = (1 - b2)*g**2 + b2*nu
    nu_hat = nu'/(1 - b2**t)
    scale_by_adam = mu_hat/(sqrt(nu_hat + eps_root) + eps)
    add_decayed_weights = scale_by_adam + weight_decay*p
    param_squares = sum(p**2)
    param_norm = sqrt(where(param_squares <= 0, 0, param_squares))
    update_squares = sum(add_decayed_weights**2)
    update_norm = sqrt(where(update_squares <= 0, 0, update_squares))
    ratio = param_norm/(update_norm + 0)
    trust_ratio = where((param_norm == 0) | (update_norm == 0), 1, ratio)
    scale_by_trust_ratio = add_decayed_weights*trust_ratio
    p' = p - learning_rate*scale_by_trust_ratio

For leaves with mask False:

    mu' = (1 - b1)*g + b1*mu
    mu_hat = mu'/(1 - b1**t)
    nu' = (1 - b2)*g**2 + b2*nu
    nu_hat = nu'/(1 - b2**t)
    scale_by_adam = mu_hat/(sqrt(nu_hat + eps_root) + eps)
    param_squares = sum(p**2)
    param_norm = sqrt(where(param_squares <= 0, 0, param_squares))
    update_squares = sum(scale_by_adam**2)
    update_norm = sqrt(where(update_squares <= 0, 0, update_squares))
    ratio = param_norm/(update_norm + 0)
    trust_ratio = where((param_norm == 0) | (update_norm == 0), 1, ratio)
    scale_by_trust_ratio = scale_by_adam*trust_ratio
    p' = p - learning_rate*scale_by_trust_ratio

Emitted by optgen: change the rule, not this file. Each function is one kernel, on the part of one
leaf that is a program's own; a launch chooses the leaf.
"""

import triton
import triton.language as tl

from optgen.runtime.execution.triton import device


@triton.jit
def leaf_sweep_tile(
    g_ptr,
    p_ptr,
    mu_ptr,
    nu_ptr,
    offsets,
    inside,
    one_minus_b1,
    b1,
    bias_correction_b1,
    one_minus_b2,
    b2,
    bias_correction_b2,
    eps_root,
    eps,
    weight_decay,
):
    """Reads g, p, mu, nu; writes mu, nu, param_squares, update_squares."""
    p = tl.load(p_ptr + offsets, mask=inside)
    p_square = p * p
    g = tl.load(g_ptr + offsets, mask=inside)
    mu = tl.load(mu_ptr + offsets, mask=inside)
    mu_next = one_minus_b1 * g + b1 * mu
    mu_hat = tl.div_rn(mu_next, bias_correction_b1)
    nu = tl.load(nu_ptr + offsets, mask=inside)
    nu_next = one_minus_b2 * (g * g) + b2 * nu
    nu_hat = tl.div_rn(nu_next, bias_correction_b2)
    scale_by_adam = tl.div_rn(mu_hat, tl.sqrt_rn(nu_hat + eps_root) + eps)
    add_decayed_weights = scale_by_adam + weight_decay * p
    add_decayed_weights_square = add_decayed_weights * add_decayed_weights
    tl.store(mu_ptr + offsets, mu_next, mask=inside)
    tl.store(nu_ptr + offsets, nu_next, mask=inside)
    return p_square, add_decayed_weights_square


@triton.jit
def leaf_sweep(
    scalars,
    g_ptr,
    p_ptr,
    mu_ptr,
    nu_ptr,
    param_squares_ptr,
    update_squares_ptr,
    size,
    tiles,
    program,
    BLOCK: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Reads g, p, mu, nu; writes mu, nu, param_squares, update_squares."""
    one_minus_b1 = tl.load(scalars + 0)
    b1 = tl.load(scalars + 1)
    bias_correction_b1 = tl.load(scalars + 2)
    one_minus_b2 = tl.load(scalars + 3)
    b2 = tl.load(scalars + 4)
    bias_correction_b2 = tl.load(scalars + 5)
    eps_root = tl.load(scalars + 6)
    eps = tl.load(scalars + 7)
    weight_decay = tl.load(scalars + 8)
    offsets = tl.arange(0, BLOCK)
    param_squares = tl.full((BLOCK,), 0.0, tl.float32)
    update_squares = tl.full((BLOCK,), 0.0, tl.float32)
    whole = tl.cast(size // BLOCK, tl.int32)
    first = program * tiles
    last = tl.minimum(first + tiles, whole)
    for tile in tl.range(first, last, num_stages=STAGES):
        start = tl.cast(tile, tl.int64) * BLOCK
        param_squares_tile, update_squares_tile = leaf_sweep_tile(
            g_ptr + start,
            p_ptr + start,
            mu_ptr + start,
            nu_ptr + start,
            offsets,
            None,
            one_minus_b1,
            b1,
            bias_correction_b1,
            one_minus_b2,
            b2,
            bias_correction_b2,
            eps_root,
            eps,
            weight_decay,
        )
        param_squares += param_squares_tile
        update_squares += update_squares_tile
    if (first + tiles > whole) & (size % BLOCK != 0):
        start = tl.cast(whole, tl.int64) * BLOCK
        inside = offsets < size - start
        param_squares_tile, update_squares_tile = leaf_sweep_tile(
            g_ptr + start,
            p_ptr + start,
            mu_ptr + start,
            nu_ptr + start,
            offsets,
            inside,
            one_minus_b1,
            b1,
            bias_correction_b1,
            one_minus_b2,
            b2,
            bias_correction_b2,
            eps_root,
            eps,
            weight_decay,
        )
        param_squares += tl.where(inside, param_squares_tile, 0.0)
        update_squares += tl.where(inside, update_squares_tile, 0.0)
    tl.store(param_squares_ptr + program, device.sum_of(param_squares))
    tl.store(update_squares_ptr + program, device.sum_of(update_squares))


@triton.jit
def leaf_step_tile(
    p_ptr,
    mu_ptr,
    nu_ptr,
    offsets,
    inside,
    minus_learning_rate,
    bias_correction_b1,
    bias_correction_b2,
    eps_root,
    eps,
    weight_decay,
    trust_ratio,
):
    """Reads p, mu, nu, param_squares, update_squares; writes p."""
    p = tl.load(p_ptr + offsets, mask=inside)
    mu = tl.load(mu_ptr + offsets, mask=inside)
    mu_hat = tl.div_rn(mu, bias_correction_b1)
    nu = tl.load(nu_ptr + offsets, mask=inside)
    nu_hat = tl.div_rn(nu, bias_correction_b2)
    scale_by_adam = tl.div_rn(mu_hat, tl.sqrt_rn(nu_hat + eps_root) + eps)
    add_decayed_weights = scale_by_adam + weight_decay * p
    scale_by_trust_ratio = add_decayed_weights * trust_ratio
    tl.store(p_ptr + offsets, p + minus_learning_rate * scale_by_trust_ratio, mask=inside)


@triton.jit
def leaf_step(
    scalars,
    p_ptr,
    mu_ptr,
    nu_ptr,
    param_squares_ptr,
    update_squares_ptr,
    size,
    param_squares_parts,
    update_squares_parts,
    program,
    BLOCK: tl.constexpr,
):
    """Reads p, mu, nu, param_squares, update_squares; writes p."""
    minus_learning_rate = tl.load(scalars + 0)
    bias_correction_b1 = tl.load(scalars + 1)
    bias_correction_b2 = tl.load(scalars + 2)
    eps_root = tl.load(scalars + 3)
    eps = tl.load(scalars + 4)
    weight_decay = tl.load(scalars + 5)
    param_squares = device.sum_of_parts(param_squares_ptr, param_squares_parts, 1)
    term = tl.where(param_squares <= 0, tl.full((), 0, tl.float32), param_squares)
    param_norm = tl.sqrt_rn(term)
    update_squares = device.sum_of_parts(update_squares_ptr, update_squares_parts, 1)
    term_2 = tl.where(update_squares <= 0, tl.full((), 0, tl.float32), update_squares)
    update_norm = tl.sqrt_rn(term_2)
    ratio = tl.div_rn(param_norm, update_norm + 0)
    trust_ratio = tl.where(
        (param_norm == 0) | (update_norm == 0), tl.full((), 1, tl.float32), ratio
    )
    offsets = tl.arange(0, BLOCK)
    start = tl.cast(program, tl.int64) * BLOCK
    if start + BLOCK <= size:
        leaf_step_tile(
            p_ptr + start,
            mu_ptr + start,
            nu_ptr + start,
            offsets,
            None,
            minus_learning_rate,
            bias_correction_b1,
            bias_correction_b2,
            eps_root,
            eps,
            weight_decay,
            trust_ratio,
        )
    else:
        leaf_step_tile(
            p_ptr + start,
            mu_ptr + start,
            nu_ptr + start,
            offsets,
            offsets < size - start,
            minus_learning_rate,
            bias_correction_b1,
            bias_correction_b2,
            eps_root,
            eps,
            weight_decay,
            trust_ratio,
        )


@triton.jit
def left_out_sweep_tile(
    g_ptr,
    p_ptr,
    mu_ptr,
    nu_ptr,
    offsets,
    inside,
    one_minus_b1,
    b1,
    bias_correction_b1,
    one_minus_b2,
    b2,
    bias_correction_b2,
    eps_root,
    eps,
):
    """Reads g, p, mu, nu; writes mu, nu, param_squares, update_squares."""
    p = tl.load(p_ptr + offsets, mask=inside)
    p_square = p * p
    g = tl.load(g_ptr + offsets, mask=inside)
    mu = tl.load(mu_ptr + offsets, mask=inside)
    mu_next = one_minus_b1 * g + b1 * mu
    mu_hat = tl.div_rn(mu_next, bias_correction_b1)
    nu = tl.load(nu_ptr + offsets, mask=inside)
    nu_next = one_minus_b2 * (g * g) + b2 * nu
    nu_hat = tl.div_rn(nu_next, bias_correction_b2)
    scale_by_adam = tl.div_rn(mu_hat, tl.sqrt_rn(nu_hat + eps_root) + eps)
    scale_by_adam_square = scale_by_adam * scale_by_adam
    tl.store(mu_ptr + offsets, mu_next, mask=inside)
    tl.store(nu_ptr + offsets, nu_next, mask=inside)
    return p_square, scale_by_adam_square


@triton.jit
def left_out_sweep(
    scalars,
    g_ptr,
    p_ptr,
    mu_ptr,
    nu_ptr,
    param_squares_ptr,
    update_squares_ptr,
    size,
    tiles,
    program,
    BLOCK: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Reads g, p, mu, nu; writes mu, nu, param_squares, update_squares."""
    one_minus_b1 = tl.load(scalars + 0)
    b1 = tl.load(scalars + 1)
    bias_correction_b1 = tl.load(scalars + 2)
    one_minus_b2 = tl.load(scalars + 3)
    b2 = tl.load(scalars + 4)
    bias_correction_b2 = tl.load(scalars + 5)
    eps_root = tl.load(scalars + 6)
    eps = tl.load(scalars + 7)
    offsets = tl.arange(0, BLOCK)
    param_squares = tl.full((BLOCK,), 0.0, tl.float32)
    update_squares = tl.full((BLOCK,), 0.0, tl.float32)
    whole = tl.cast(size // BLOCK, tl.int32)
    first = program * tiles
    last = tl.minimum(first + tiles, whole)
    for tile in tl.range(first, last, num_stages=STAGES):
        start = tl.cast(tile, tl.int64) * BLOCK
        param_squares_tile, update_squares_tile = left_out_sweep_tile(
            g_ptr + start,
            p_ptr + start,
            mu_ptr + start,
            nu_ptr + start,
            offsets,
            None,
            one_minus_b1,
            b1,
            bias_correction_b1,
            one_minus_b2,
            b2,
            bias_correction_b2,
            eps_root,
            eps,
        )
        param_squares += param_squares_tile
        update_squares += update_squares_tile
    if (first + tiles > whole) & (size % BLOCK != 0):
        start = tl.cast(whole, tl.int64) * BLOCK
        inside = offsets < size - start
        param_squares_tile, update_squares_tile = left_out_sweep_tile(
            g_ptr + start,
            p_ptr + start,
            mu_ptr + start,
            nu_ptr + start,
            offsets,
            inside,
            one_minus_b1,
            b1,
            bias_correction_b1,
            one_minus_b2,
            b2,
            bias_correction_b2,
            eps_root,
            eps,
        )
        param_squares += tl.where(inside, param_squares_tile, 0.0)
        update_squares += tl.where(inside, update_squares_tile, 0.0)
    tl.store(param_squares_ptr + program, device.sum_of(param_squares))
    tl.store(update_squares_ptr + program, device.sum_of(update_squares))


@triton.jit
def left_out_step_tile(
    p_ptr,
    mu_ptr,
    nu_ptr,
    offsets,
    inside,
    minus_learning_rate,
    bias_correction_b1,
    bias_correction_b2,
    eps_root,
    eps,
    trust_ratio,
):
    """Reads p, mu, nu, param_squares, update_squares; writes p."""
    p = tl.load(p_ptr + offsets, mask=inside)
    mu = tl.load(mu_ptr + offsets, mask=inside)
    mu_hat = tl.div_rn(mu, bias_correction_b1)
    nu = tl.load(nu_ptr + offsets, mask=inside)
    nu_hat = tl.div_rn(nu, bias_correction_b2)
    scale_by_adam = tl.div_rn(mu_hat, tl.sqrt_rn(nu_hat + eps_root) + eps)
    scale_by_trust_ratio = scale_by_adam * trust_ratio
    tl.store(p_ptr + offsets, p + minus_learning_rate * scale_by_trust_ratio, mask=inside)


@triton.jit
def left_out_step(
    scalars,
    p_ptr,
    mu_ptr,
    nu_ptr,
    param_squares_ptr,
    update_squares_ptr,
    size,
    param_squares_parts,
    update_squares_parts,
    program,
    BLOCK: tl.constexpr,
):
    """Reads p, mu, nu, param_squares, update_squares; writes p."""
    minus_learning_rate = tl.load(scalars + 0)
    bias_correction_b1 = tl.load(scalars + 1)
    bias_correction_b2 = tl.load(scalars + 2)
    eps_root = tl.load(scalars + 3)
    eps = tl.load(scalars + 4)
    param_squares = device.sum_of_parts(param_squares_ptr, param_squares_parts, 1)
    term = tl.where(param_squares <= 0, tl.full((), 0, tl.float32), param_squares)
    param_norm = tl.sqrt_rn(term)
    update_squares = device.sum_of_parts(update_squares_ptr, update_squares_parts, 1)
    term_2 = tl.where(update_squares <= 0, tl.full((), 0, tl.float32), update_squares)
    update_norm = tl.sqrt_rn(term_2)
    ratio = tl.div_rn(param_norm, update_norm + 0)
    trust_ratio = tl.where(
        (param_norm == 0) | (update_norm == 0), tl.full((), 1, tl.float32), ratio
    )
    offsets = tl.arange(0, BLOCK)
    start = tl.cast(program, tl.int64) * BLOCK
    if start + BLOCK <= size:
        left_out_step_tile(
            p_ptr + start,
            mu_ptr + start,
            nu_ptr + start,
            offsets,
            None,
            minus_learning_rate,
            bias_correction_b1,
            bias_correction_b2,
            eps_root,
            eps,
            trust_ratio,
        )
    else:
        left_out_step_tile(
            p_ptr + start,
            mu_ptr + start,
            nu_ptr + start,
            offsets,
            offsets < size - start,
            minus_learning_rate,
            bias_correction_b1,
            bias_correction_b2,
            eps_root,
            eps,
            trust_ratio,
        )


@triton.jit
def leaf_finalize(
    param_squares_ptr,
    update_squares_ptr,
    trust_ratio_ptr,
    param_squares_parts,
    update_squares_parts,
    program,
    BLOCK: tl.constexpr,
):
    """Reads param_squares, update_squares; writes trust_ratio."""
    param_squares = device.sum_of_parts(param_squares_ptr, param_squares_parts, 1)
    term = tl.where(param_squares <= 0, tl.full((), 0, tl.float32), param_squares)
    param_norm = tl.sqrt_rn(term)
    update_squares = device.sum_of_parts(update_squares_ptr, update_squares_parts, 1)
    term_2 = tl.where(update_squares <= 0, tl.full((), 0, tl.float32), update_squares)
    update_norm = tl.sqrt_rn(term_2)
    ratio = tl.div_rn(param_norm, update_norm + 0)
    trust_ratio = tl.where(
        (param_norm == 0) | (update_norm == 0), tl.full((), 1, tl.float32), ratio
    )
    tl.store(trust_ratio_ptr, trust_ratio)
