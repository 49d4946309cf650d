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
    return {
        "bias_correction_b1": 1 - b1 ** (step + 1),
        "bias_correction_b1_2": 1 - b1**step,
        "bias_correction_b2": 1 - b2**step,
    }


def leaf(
    g,
    p,
    mu,
    nu,
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
    param,
    real,
):
    """The update, and the next mu and nu.

    For leaves with mask None, or mask True.
    """
    g = g.astype(real)
    mu_next = one_minus_b1 * g + b1 * mu.astype(real)
    term = one_minus_b1 * (g / bias_correction_b1_2)
    mu_hat = b1 * (mu_next / bias_correction_b1) + term
    nu_next = one_minus_b2 * (g * g) + b2 * nu.astype(real)
    nu_hat = nu_next / bias_correction_b2
    scale_by_adam = mu_hat / (jnp.sqrt(nu_hat + eps_root) + eps)
    add_decayed_weights = scale_by_adam + weight_decay * p.astype(real)
    return {
        "update": minus_learning_rate * add_decayed_weights,
        "mu": mu_next.astype(param),
        "nu": nu_next.astype(param),
    }


def left_out(
    g,
    mu,
    nu,
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
    param,
    real,
):
    """The update, and the next mu and nu.

    For leaves with mask False.
    """
    g = g.astype(real)
    mu_next = one_minus_b1 * g + b1 * mu.astype(real)
    term = one_minus_b1 * (g / bias_correction_b1_2)
    mu_hat = b1 * (mu_next / bias_correction_b1) + term
    nu_next = one_minus_b2 * (g * g) + b2 * nu.astype(real)
    nu_hat = nu_next / bias_correction_b2
    scale_by_adam = mu_hat / (jnp.sqrt(nu_hat + eps_root) + eps)
    return {
        "update": minus_learning_rate * scale_by_adam,
        "mu": mu_next.astype(param),
        "nu": nu_next.astype(param),
    }


def initial_leaf(p, param):
    """The first mu and nu."""
    return {"mu": jnp.zeros(p.shape, param), "nu": jnp.zeros(p.shape, param)}


def initial_left_out(p, param):
    """The first mu and nu."""
    return {"mu": jnp.zeros(p.shape, param), "nu": jnp.zeros(p.shape, param)}


MODULE = Module(
    name="nadamw",
    hyperparameters=("learning_rate", "b1", "b2", "eps", "eps_root", "weight_decay"),
    variants=(
        Variant(
            guards=(Guard(masks=(None,)), Guard(masks=(True,))),
            slots={"mu": Slot("param"), "nu": Slot("param")},
            update=leaf,
            update_arrays=("g", "mu", "nu", "p"),
            init=initial_leaf,
        ),
        Variant(
            guards=(Guard(masks=(False,)),),
            slots={"mu": Slot("param"), "nu": Slot("param")},
            update=left_out,
            update_arrays=("g", "mu", "nu"),
            init=initial_left_out,
        ),
    ),
    update=Scalars(constants=constants, phases=(scalars,)),
    masks=1,
)
