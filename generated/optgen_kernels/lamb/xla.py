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

Emitted by optgen: change the rule, not this file. Functions name their arguments after what they
read: arrays of one leaf, as they are stored; scalars; the dtypes of the parameter (``param``), of
the gradient (``grad``) and of arithmetic (``real``); and the axes of its rows and columns.
"""

import jax.numpy as jnp

from optgen.runtime import Guard, Module, Scalars, Slot, Variant


def constants(learning_rate, b1, b2):
    """Scalars that the hyperparameters alone decide."""
    return {"minus_learning_rate": -learning_rate, "one_minus_b1": 1 - b1, "one_minus_b2": 1 - b2}


def scalars(b1, step, b2):
    """Scalars that are the same for every leaf."""
    return {"bias_correction_b1": 1 - b1**step, "bias_correction_b2": 1 - b2**step}


def leaf(
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
    param,
    real,
):
    """The update, and the next mu and nu.

    For leaves with mask None, or mask True.
    """
    g = g.astype(real)
    mu_next = one_minus_b1 * g + b1 * mu.astype(real)
    mu_hat = mu_next / bias_correction_b1
    nu_next = one_minus_b2 * (g * g) + b2 * nu.astype(real)
    nu_hat = nu_next / bias_correction_b2
    scale_by_adam = mu_hat / (jnp.sqrt(nu_hat + eps_root) + eps)
    p = p.astype(real)
    add_decayed_weights = scale_by_adam + weight_decay * p
    param_squares = jnp.sum(p * p)
    param_norm = jnp.sqrt(jnp.where(param_squares <= 0, 0, param_squares))
    update_squares = jnp.sum(add_decayed_weights * add_decayed_weights)
    update_norm = jnp.sqrt(jnp.where(update_squares <= 0, 0, update_squares))
    ratio = param_norm / (update_norm + 0)
    trust_ratio = jnp.where((param_norm == 0) | (update_norm == 0), 1, ratio)
    scale_by_trust_ratio = add_decayed_weights * trust_ratio
    return {
        "update": minus_learning_rate * scale_by_trust_ratio,
        "mu": mu_next.astype(param),
        "nu": nu_next.astype(param),
    }


def leaf_update(
    p,
    mu,
    nu,
    minus_learning_rate,
    bias_correction_b1,
    bias_correction_b2,
    eps_root,
    eps,
    weight_decay,
    trust_ratio,
    real,
):
    """The end of leaf, after the kernels of an update."""
    mu_next = mu.astype(real)
    mu_hat = mu_next / bias_correction_b1
    nu_next = nu.astype(real)
    nu_hat = nu_next / bias_correction_b2
    scale_by_adam = mu_hat / (jnp.sqrt(nu_hat + eps_root) + eps)
    add_decayed_weights = scale_by_adam + weight_decay * p.astype(real)
    scale_by_trust_ratio = add_decayed_weights * trust_ratio
    return {"update": minus_learning_rate * scale_by_trust_ratio}


def left_out(
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
    param,
    real,
):
    """The update, and the next mu and nu.

    For leaves with mask False.
    """
    g = g.astype(real)
    mu_next = one_minus_b1 * g + b1 * mu.astype(real)
    mu_hat = mu_next / bias_correction_b1
    nu_next = one_minus_b2 * (g * g) + b2 * nu.astype(real)
    nu_hat = nu_next / bias_correction_b2
    scale_by_adam = mu_hat / (jnp.sqrt(nu_hat + eps_root) + eps)
    p = p.astype(real)
    param_squares = jnp.sum(p * p)
    param_norm = jnp.sqrt(jnp.where(param_squares <= 0, 0, param_squares))
    update_squares = jnp.sum(scale_by_adam * scale_by_adam)
    update_norm = jnp.sqrt(jnp.where(update_squares <= 0, 0, update_squares))
    ratio = param_norm / (update_norm + 0)
    trust_ratio = jnp.where((param_norm == 0) | (update_norm == 0), 1, ratio)
    scale_by_trust_ratio = scale_by_adam * trust_ratio
    return {
        "update": minus_learning_rate * scale_by_trust_ratio,
        "mu": mu_next.astype(param),
        "nu": nu_next.astype(param),
    }


def left_out_update(
    mu,
    nu,
    minus_learning_rate,
    bias_correction_b1,
    bias_correction_b2,
    eps_root,
    eps,
    trust_ratio,
    real,
):
    """The end of left_out, after the kernels of an update."""
    mu_next = mu.astype(real)
    mu_hat = mu_next / bias_correction_b1
    nu_next = nu.astype(real)
    nu_hat = nu_next / bias_correction_b2
    scale_by_adam = mu_hat / (jnp.sqrt(nu_hat + eps_root) + eps)
    scale_by_trust_ratio = scale_by_adam * trust_ratio
    return {"update": minus_learning_rate * scale_by_trust_ratio}


def initial_leaf(p, param):
    """The first mu and nu."""
    return {"mu": jnp.zeros(p.shape, param), "nu": jnp.zeros(p.shape, param)}


def initial_left_out(p, param):
    """The first mu and nu."""
    return {"mu": jnp.zeros(p.shape, param), "nu": jnp.zeros(p.shape, param)}


MODULE = Module(
    name="lamb",
    hyperparameters=("learning_rate", "b1", "b2", "eps", "eps_root", "weight_decay"),
    variants=(
        Variant(
            guards=(Guard(masks=(None,)), Guard(masks=(True,))),
            slots={"mu": Slot("param"), "nu": Slot("param")},
            update=leaf,
            last_sweeps=(leaf_update,),
            update_arrays=("g", "mu", "nu", "p"),
            init=initial_leaf,
        ),
        Variant(
            guards=(Guard(masks=(False,)),),
            slots={"mu": Slot("param"), "nu": Slot("param")},
            update=left_out,
            last_sweeps=(left_out_update,),
            update_arrays=("g", "mu", "nu", "p"),
            init=initial_left_out,
        ),
    ),
    update=Scalars(constants=constants, phases=(scalars,)),
    masks=1,
)
