"""LAMB (You et al., 2020, arXiv:1904.00962).

For leaves with mask None, or mask True:

    mu' = (1 - b1)*g + b1*mu
    mu_hat = mu'/(1 - b1**t)
    nu' = (1 - b2)*g**2 + b2*nu
    nu_hat = nu'/(1 - b2**t)
    scale_by_adam = mu_hat/(sqrt(nu_hat + eps_root) + eps)
    add_decayed_weights = scale_by_adam + weight_decay*p
    param_norm = sqrt(where(sum(p**2) <= 0, 0, sum(p**2)))
    update_norm = sqrt(where(sum(add_decayed_weights**2) <= 0, 0, sum(add_decayed_weights**2)))
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
    param_norm = sqrt(where(sum(p**2) <= 0, 0, sum(p**2)))
    update_norm = sqrt(where(sum(scale_by_adam**2) <= 0, 0, sum(scale_by_adam**2)))
    ratio = param_norm/(update_norm + 0)
    trust_ratio = where((param_norm == 0) | (update_norm == 0), 1, ratio)
    scale_by_trust_ratio = scale_by_adam*trust_ratio
    p' = p - learning_rate*scale_by_trust_ratio

Emitted by optgen: change the rule, not this file. Each function is the body of one Pallas kernel,
on a tile of a leaf in a TPU's vector memory, in float32. What varies along some dimensions only
has extent 1 along the others. ``leaf`` knows the extents of the whole leaf, and reduces a tile;
``optgen.runtime.execution.tpu`` brings tiles in and out, and combines what they are reduced to.
"""

import jax.numpy as jnp


def leaf_step_1(
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
    """Reads g, p, mu, nu; writes mu, nu; reduces to sum_1, sum_2."""
    mu_next = one_minus_b1 * g + b1 * mu
    mu_hat = mu_next / bias_correction_b1
    nu_next = one_minus_b2 * (g * g) + b2 * nu
    nu_hat = nu_next / bias_correction_b2
    scale_by_adam = mu_hat / (jnp.sqrt(nu_hat + eps_root) + eps)
    add_decayed_weights = scale_by_adam + weight_decay * p
    return {
        "sum_1": leaf.sum(p * p),
        "sum_2": leaf.sum(add_decayed_weights * add_decayed_weights),
        "mu": mu_next,
        "nu": nu_next,
    }


def leaf_step_2(
    leaf,
    p,
    mu,
    nu,
    sum_1,
    sum_2,
    minus_learning_rate,
    bias_correction_b1,
    bias_correction_b2,
    eps_root,
    eps,
    weight_decay,
):
    """Reads p, mu, nu, sum_1, sum_2; writes p."""
    mu_hat = mu / bias_correction_b1
    nu_hat = nu / bias_correction_b2
    scale_by_adam = mu_hat / (jnp.sqrt(nu_hat + eps_root) + eps)
    add_decayed_weights = scale_by_adam + weight_decay * p
    param_norm = jnp.sqrt(jnp.where(sum_1 <= 0, 0, sum_1))
    update_norm = jnp.sqrt(jnp.where(sum_2 <= 0, 0, sum_2))
    ratio = param_norm / (update_norm + 0)
    trust_ratio = jnp.where((param_norm == 0) | (update_norm == 0), 1, ratio)
    scale_by_trust_ratio = add_decayed_weights * trust_ratio
    return {"p": p + minus_learning_rate * scale_by_trust_ratio}


def left_out_step_1(
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
    """Reads g, p, mu, nu; writes mu, nu; reduces to sum_1, sum_2."""
    mu_next = one_minus_b1 * g + b1 * mu
    mu_hat = mu_next / bias_correction_b1
    nu_next = one_minus_b2 * (g * g) + b2 * nu
    nu_hat = nu_next / bias_correction_b2
    scale_by_adam = mu_hat / (jnp.sqrt(nu_hat + eps_root) + eps)
    return {
        "sum_1": leaf.sum(p * p),
        "sum_2": leaf.sum(scale_by_adam * scale_by_adam),
        "mu": mu_next,
        "nu": nu_next,
    }


def left_out_step_2(
    leaf,
    p,
    mu,
    nu,
    sum_1,
    sum_2,
    minus_learning_rate,
    bias_correction_b1,
    bias_correction_b2,
    eps_root,
    eps,
):
    """Reads p, mu, nu, sum_1, sum_2; writes p."""
    mu_hat = mu / bias_correction_b1
    nu_hat = nu / bias_correction_b2
    scale_by_adam = mu_hat / (jnp.sqrt(nu_hat + eps_root) + eps)
    param_norm = jnp.sqrt(jnp.where(sum_1 <= 0, 0, sum_1))
    update_norm = jnp.sqrt(jnp.where(sum_2 <= 0, 0, sum_2))
    ratio = param_norm / (update_norm + 0)
    trust_ratio = jnp.where((param_norm == 0) | (update_norm == 0), 1, ratio)
    scale_by_trust_ratio = scale_by_adam * trust_ratio
    return {"p": p + minus_learning_rate * scale_by_trust_ratio}


def leaf_update_1(
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
    """Reads g, p, mu, nu; writes mu, nu, add_decayed_weights; reduces to sum_1, sum_2."""
    mu_next = one_minus_b1 * g + b1 * mu
    mu_hat = mu_next / bias_correction_b1
    nu_next = one_minus_b2 * (g * g) + b2 * nu
    nu_hat = nu_next / bias_correction_b2
    scale_by_adam = mu_hat / (jnp.sqrt(nu_hat + eps_root) + eps)
    add_decayed_weights = scale_by_adam + weight_decay * p
    return {
        "add_decayed_weights": add_decayed_weights,
        "sum_1": leaf.sum(p * p),
        "sum_2": leaf.sum(add_decayed_weights * add_decayed_weights),
        "mu": mu_next,
        "nu": nu_next,
    }


def leaf_update_2(leaf, add_decayed_weights, sum_1, sum_2, minus_learning_rate):
    """Reads add_decayed_weights, sum_1, sum_2; writes update."""
    param_norm = jnp.sqrt(jnp.where(sum_1 <= 0, 0, sum_1))
    update_norm = jnp.sqrt(jnp.where(sum_2 <= 0, 0, sum_2))
    ratio = param_norm / (update_norm + 0)
    trust_ratio = jnp.where((param_norm == 0) | (update_norm == 0), 1, ratio)
    scale_by_trust_ratio = add_decayed_weights * trust_ratio
    return {"update": minus_learning_rate * scale_by_trust_ratio}


def left_out_update_2(
    leaf,
    mu,
    nu,
    sum_1,
    sum_2,
    minus_learning_rate,
    bias_correction_b1,
    bias_correction_b2,
    eps_root,
    eps,
):
    """Reads mu, nu, sum_1, sum_2; writes update."""
    mu_hat = mu / bias_correction_b1
    nu_hat = nu / bias_correction_b2
    scale_by_adam = mu_hat / (jnp.sqrt(nu_hat + eps_root) + eps)
    param_norm = jnp.sqrt(jnp.where(sum_1 <= 0, 0, sum_1))
    update_norm = jnp.sqrt(jnp.where(sum_2 <= 0, 0, sum_2))
    ratio = param_norm / (update_norm + 0)
    trust_ratio = jnp.where((param_norm == 0) | (update_norm == 0), 1, ratio)
    scale_by_trust_ratio = scale_by_adam * trust_ratio
    return {"update": minus_learning_rate * scale_by_trust_ratio}
