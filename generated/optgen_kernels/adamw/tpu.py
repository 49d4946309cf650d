"""AdamW (Loshchilov and Hutter, 2019, arXiv:1711.05101).

For leaves with mask None, or mask True:

    mu' = (1 - b1)*g + b1*mu
    mu_hat = mu'/(1 - b1**t)
    nu' = (1 - b2)*g**2 + b2*nu
    nu_hat = nu'/(1 - b2**t)
    scale_by_adam = mu_hat/(sqrt(nu_hat + eps_root) + eps)
    add_decayed_weights = scale_by_adam + weight_decay*p
    p' = p - learning_rate*add_decayed_weights

For leaves with mask False:

    mu' = (1 - b1)*g + b1*mu
    mu_hat = mu'/(1 - b1**t)
    nu' = (1 - b2)*g**2 + b2*nu
    nu_hat = nu'/(1 - b2**t)
    scale_by_adam = mu_hat/(sqrt(nu_hat + eps_root) + eps)
    p' = p - learning_rate*scale_by_adam

Emitted for mu_dtype=None, nesterov=False.

Emitted by optgen: change the rule, not this file. Each function is the body of a Pallas kernel: it
is given arrays of a leaf as they are stored, or a tile of them, and returns them so; it computes in
float32. What varies along some dimensions only has extent 1 along the others. ``leaf`` knows the
extents of the whole leaf, and reduces a tile; ``optgen.runtime.execution.tpu`` brings tiles into
a TPU's vector memory and out, and combines what they are reduced to.
"""

import jax.numpy as jnp


def leaf_step(
    leaf,
    g,
    p,
    mu,
    nu,
    minus_learning_rate,
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
    """Sweep that writes p, mu and nu."""
    mu_next = one_minus_b1 * g + b1 * mu
    mu_hat = mu_next / bias_correction_b1
    nu_next = one_minus_b2 * (g * g) + b2 * nu
    nu_hat = nu_next / bias_correction_b2
    scale_by_adam = mu_hat / (jnp.sqrt(nu_hat + eps_root) + eps)
    add_decayed_weights = scale_by_adam + weight_decay * p
    return {"p": p + minus_learning_rate * add_decayed_weights, "mu": mu_next, "nu": nu_next}


def left_out_step(
    leaf,
    g,
    p,
    mu,
    nu,
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
    """Sweep that writes p, mu and nu."""
    mu_next = one_minus_b1 * g + b1 * mu
    mu_hat = mu_next / bias_correction_b1
    nu_next = one_minus_b2 * (g * g) + b2 * nu
    nu_hat = nu_next / bias_correction_b2
    scale_by_adam = mu_hat / (jnp.sqrt(nu_hat + eps_root) + eps)
    return {"p": p + minus_learning_rate * scale_by_adam, "mu": mu_next, "nu": nu_next}
