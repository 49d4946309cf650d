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

Emitted by optgen: change the rule, not this file. Each function is the body of a Pallas kernel: it
is given arrays of a leaf as they are stored, or a tile of them, and returns them so; it computes in
float32. What varies along some dimensions only has extent 1 along the others. ``leaf`` knows the
extents of the whole leaf, and reduces a tile; ``optgen.runtime.execution.tpu`` brings tiles into
a TPU's vector memory and out, and combines what they are reduced to.
"""

import jax.numpy as jnp


def leaf_sweep(
    leaf,
    g,
    p,
    mu,
    nu,
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
    """Sweep that writes mu and nu and reduces to param_squares and update_squares."""
    param_squares = leaf.sum(p * p)
    mu_next = one_minus_b1 * g + b1 * mu
    mu_hat = mu_next / bias_correction_b1
    nu_next = one_minus_b2 * (g * g) + b2 * nu
    nu_hat = nu_next / bias_correction_b2
    scale_by_adam = mu_hat / (jnp.sqrt(nu_hat + eps_root) + eps)
    add_decayed_weights = scale_by_adam + weight_decay * p
    update_squares = leaf.sum(add_decayed_weights * add_decayed_weights)
    return {
        "param_squares": param_squares,
        "update_squares": update_squares,
        "mu": mu_next,
        "nu": nu_next,
    }


def leaf_step(
    leaf,
    p,
    mu,
    nu,
    param_squares,
    update_squares,
    minus_learning_rate,
    bias_correction_b1,
    bias_correction_b2,
    eps_root,
    eps,
    weight_decay,
):
    """Sweep that writes p."""
    mu_hat = mu / bias_correction_b1
    nu_hat = nu / bias_correction_b2
    scale_by_adam = mu_hat / (jnp.sqrt(nu_hat + eps_root) + eps)
    add_decayed_weights = scale_by_adam + weight_decay * p
    param_norm = jnp.sqrt(jnp.where(param_squares <= 0, 0, param_squares))
    update_norm = jnp.sqrt(jnp.where(update_squares <= 0, 0, update_squares))
    ratio = param_norm / (update_norm + 0)
    trust_ratio = jnp.where((param_norm == 0) | (update_norm == 0), 1, ratio)
    scale_by_trust_ratio = add_decayed_weights * trust_ratio
    return {"p": p + minus_learning_rate * scale_by_trust_ratio}


def left_out_sweep(
    leaf,
    g,
    p,
    mu,
    nu,
    one_minus_b1,
    b1,
    bias_correction_b1,
    one_minus_b2,
    b2,
    bias_correction_b2,
    eps_root,
    eps,
):
    """Sweep that writes mu and nu and reduces to param_squares and update_squares."""
    param_squares = leaf.sum(p * p)
    mu_next = one_minus_b1 * g + b1 * mu
    mu_hat = mu_next / bias_correction_b1
    nu_next = one_minus_b2 * (g * g) + b2 * nu
    nu_hat = nu_next / bias_correction_b2
    scale_by_adam = mu_hat / (jnp.sqrt(nu_hat + eps_root) + eps)
    update_squares = leaf.sum(scale_by_adam * scale_by_adam)
    return {
        "param_squares": param_squares,
        "update_squares": update_squares,
        "mu": mu_next,
        "nu": nu_next,
    }


def left_out_step(
    leaf,
    p,
    mu,
    nu,
    param_squares,
    update_squares,
    minus_learning_rate,
    bias_correction_b1,
    bias_correction_b2,
    eps_root,
    eps,
):
    """Sweep that writes p."""
    mu_hat = mu / bias_correction_b1
    nu_hat = nu / bias_correction_b2
    scale_by_adam = mu_hat / (jnp.sqrt(nu_hat + eps_root) + eps)
    param_norm = jnp.sqrt(jnp.where(param_squares <= 0, 0, param_squares))
    update_norm = jnp.sqrt(jnp.where(update_squares <= 0, 0, update_squares))
    ratio = param_norm / (update_norm + 0)
    trust_ratio = jnp.where((param_norm == 0) | (update_norm == 0), 1, ratio)
    scale_by_trust_ratio = scale_by_adam * trust_ratio
    return {"p": p + minus_learning_rate * scale_by_trust_ratio}


def leaf_finalize(leaf, param_squares, update_squares):
    """Finalize that writes trust_ratio."""
    param_norm = jnp.sqrt(jnp.where(param_squares <= 0, 0, param_squares))
    update_norm = jnp.sqrt(jnp.where(update_squares <= 0, 0, update_squares))
    ratio = param_norm / (update_norm + 0)
    trust_ratio = jnp.where((param_norm == 0) | (update_norm == 0), 1, ratio)
    return {"trust_ratio": trust_ratio}
