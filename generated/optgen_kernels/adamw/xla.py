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

Emitted by optgen: change the rule, not this file. Functions name their arguments after what they
read: arrays of one leaf, in the precision that arithmetic runs in, and scalars.
"""

import jax.numpy as jnp

from optgen.runtime import Guard, Scalars, Slot, Unit, Variant


def constants(learning_rate, b1, b2):
    """What the hyperparameters alone decide."""
    return {"minus_learning_rate": -learning_rate, "one_minus_b1": 1 - b1, "one_minus_b2": 1 - b2}


def scalars(b1, step, b2):
    """What is the same for every leaf."""
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
):
    """The update, and the next mu and nu.

    For leaves with mask None, or mask True.
    """
    mu_next = one_minus_b1 * g + b1 * mu
    mu_hat = mu_next / bias_correction_b1
    nu_next = one_minus_b2 * (g * g) + b2 * nu
    nu_hat = nu_next / bias_correction_b2
    scale_by_adam = mu_hat / (jnp.sqrt(nu_hat + eps_root) + eps)
    add_decayed_weights = scale_by_adam + weight_decay * p
    return {"update": minus_learning_rate * add_decayed_weights, "mu": mu_next, "nu": nu_next}


def left_out(
    g,
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
    """The update, and the next mu and nu.

    For leaves with mask False.
    """
    mu_next = one_minus_b1 * g + b1 * mu
    mu_hat = mu_next / bias_correction_b1
    nu_next = one_minus_b2 * (g * g) + b2 * nu
    nu_hat = nu_next / bias_correction_b2
    scale_by_adam = mu_hat / (jnp.sqrt(nu_hat + eps_root) + eps)
    return {"update": minus_learning_rate * scale_by_adam, "mu": mu_next, "nu": nu_next}


def initial_leaf(p):
    """The first mu and nu."""
    return {"mu": jnp.zeros_like(p), "nu": jnp.zeros_like(p)}


def initial_left_out(p):
    """The first mu and nu."""
    return {"mu": jnp.zeros_like(p), "nu": jnp.zeros_like(p)}


UNIT = Unit(
    name="adamw",
    hyperparameters=("learning_rate", "b1", "b2", "eps", "eps_root", "weight_decay"),
    variants=(
        Variant(
            guards=(Guard(masks=(None,)), Guard(masks=(True,))),
            slots={"mu": Slot("param"), "nu": Slot("param")},
            update=leaf,
            init=initial_leaf,
        ),
        Variant(
            guards=(Guard(masks=(False,)),),
            slots={"mu": Slot("param"), "nu": Slot("param")},
            update=left_out,
            init=initial_left_out,
        ),
    ),
    update=Scalars(constants=constants, phases=(scalars,)),
    masks=1,
)
