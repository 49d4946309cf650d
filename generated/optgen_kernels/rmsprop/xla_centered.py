"""RMSProp (Tieleman and Hinton, 2012, Coursera lecture 6.5).

    nu' = (1 - decay)*g**2 + decay*nu
    mu' = (1 - decay)*g + decay*mu
    variance = nu' - mu'**2
    scaling = rsqrt(variance + eps)
    scale_by_stddev = scaling*g
    p' = p - learning_rate*scale_by_stddev

Emitted for eps_in_sqrt=True, centered=True, momentum=None, nesterov=False,
bias_correction=False.

Emitted by optgen: change the rule, not this file. Functions name their arguments after what they
read: arrays of one leaf, as they are stored; scalars; the dtypes of the parameter (``param``), of
the gradient (``grad``) and of arithmetic (``real``); and the axes of its rows and columns.
"""

import jax.numpy as jnp
from jax import lax

from optgen.runtime import Guard, Module, Scalars, Slot, Variant


def constants(learning_rate, decay):
    """Scalars that the hyperparameters alone decide."""
    return {"minus_learning_rate": -learning_rate, "one_minus_decay": 1 - decay}


def leaf(g, mu, nu, minus_learning_rate, one_minus_decay, decay, eps, param, real):
    """The update, and the next mu and nu."""
    g = g.astype(real)
    nu_hat = one_minus_decay * (g * g) + decay * nu.astype(real)
    mu_hat = one_minus_decay * g + decay * mu.astype(real)
    variance = nu_hat - mu_hat * mu_hat
    scaling = lax.rsqrt(variance + eps)
    scale_by_stddev = scaling * g
    return {
        "update": minus_learning_rate * scale_by_stddev,
        "mu": mu_hat.astype(param),
        "nu": nu_hat.astype(param),
    }


def initial_leaf(p, initial_scale, param):
    """The first mu and nu."""
    return {
        "mu": jnp.zeros(p.shape, param),
        "nu": jnp.broadcast_to(initial_scale.astype(param), p.shape),
    }


MODULE = Module(
    name="rmsprop",
    hyperparameters=("learning_rate", "decay", "eps", "initial_scale"),
    variants=(
        Variant(
            guards=(Guard(),),
            slots={"mu": Slot("param"), "nu": Slot("param")},
            update=leaf,
            update_arrays=("g", "mu", "nu"),
            init=initial_leaf,
        ),
    ),
    update=Scalars(constants=constants),
)
