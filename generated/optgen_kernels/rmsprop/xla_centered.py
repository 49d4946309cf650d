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
read: arrays of one leaf, in the precision that arithmetic runs in, and scalars.
"""

import jax.numpy as jnp
from jax import lax

from optgen.runtime import Guard, Scalars, Slot, Unit, Variant


def constants(learning_rate, decay):
    """What the hyperparameters alone decide."""
    return {"minus_learning_rate": -learning_rate, "one_minus_decay": 1 - decay}


def leaf(g, mu, nu, minus_learning_rate, one_minus_decay, decay, eps):
    """The update, and the next mu and nu."""
    nu_hat = one_minus_decay * (g * g) + decay * nu
    mu_hat = one_minus_decay * g + decay * mu
    variance = nu_hat - mu_hat * mu_hat
    scaling = lax.rsqrt(variance + eps)
    scale_by_stddev = scaling * g
    return {"update": minus_learning_rate * scale_by_stddev, "mu": mu_hat, "nu": nu_hat}


def initial_leaf(p, initial_scale):
    """The first mu and nu."""
    return {"mu": jnp.zeros_like(p), "nu": jnp.broadcast_to(initial_scale, p.shape)}


UNIT = Unit(
    name="rmsprop",
    hyperparameters=("learning_rate", "decay", "eps", "initial_scale"),
    variants=(
        Variant(
            guards=(Guard(),),
            slots={"mu": Slot("param"), "nu": Slot("param")},
            update=leaf,
            init=initial_leaf,
        ),
    ),
    update=Scalars(constants=constants),
)
