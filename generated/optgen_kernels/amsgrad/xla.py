"""AMSGrad (Reddi, Kale and Kumar, 2018, arXiv:1904.09237).

    mu' = (1 - b1)*g + b1*mu
    mu_hat = mu'/(1 - b1**t)
    nu' = (1 - b2)*g**2 + b2*nu
    nu_max' = maximum(nu_max, nu'/(1 - b2**t))
    scale_by_amsgrad = mu_hat/(sqrt(nu_max' + eps_root) + eps)
    p' = p - learning_rate*scale_by_amsgrad

Emitted for mu_dtype=None, bias_correction_mu=True, bias_correction_nu=True.

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
    mu,
    nu,
    nu_max,
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
    """The update, and the next mu, nu and nu_max."""
    g = g.astype(real)
    mu_next = one_minus_b1 * g + b1 * mu.astype(real)
    mu_hat = mu_next / bias_correction_b1
    nu_next = one_minus_b2 * (g * g) + b2 * nu.astype(real)
    nu_max_next = jnp.maximum(nu_max.astype(real), nu_next / bias_correction_b2)
    scale_by_amsgrad = mu_hat / (jnp.sqrt(nu_max_next + eps_root) + eps)
    return {
        "update": minus_learning_rate * scale_by_amsgrad,
        "mu": mu_next.astype(param),
        "nu": nu_next.astype(param),
        "nu_max": nu_max_next.astype(param),
    }


def initial_leaf(p, param):
    """The first mu, nu and nu_max."""
    return {
        "mu": jnp.zeros(p.shape, param),
        "nu": jnp.zeros(p.shape, param),
        "nu_max": jnp.zeros(p.shape, param),
    }


MODULE = Module(
    name="amsgrad",
    hyperparameters=("learning_rate", "b1", "b2", "eps", "eps_root"),
    variants=(
        Variant(
            guards=(Guard(),),
            slots={"mu": Slot("param"), "nu": Slot("param"), "nu_max": Slot("param")},
            update=leaf,
            update_arrays=("g", "mu", "nu", "nu_max"),
            init=initial_leaf,
        ),
    ),
    update=Scalars(constants=constants, phases=(scalars,)),
)
