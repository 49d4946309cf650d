"""RMSProp (Tieleman and Hinton, 2012, Coursera lecture 6.5).

    nu' = (1 - decay)*g**2 + decay*nu
    scaling = rsqrt(nu' + eps)
    scale_by_rms = scaling*g
    scale_by_learning_rate = -learning_rate*scale_by_rms
    trace' = scale_by_learning_rate + momentum*trace
    p' = p + trace'

Emitted for eps_in_sqrt=True, centered=False, nesterov=False, bias_correction=False.

Emitted by optgen: change the rule, not this file. Functions name their arguments after what they
read: arrays of one leaf, in the precision that arithmetic runs in, and scalars.
"""

import jax.numpy as jnp
from jax import lax

from optgen.runtime import Guard, Scalars, Slot, Unit, Variant


def constants(learning_rate, decay):
    """What the hyperparameters alone decide."""
    return {"minus_learning_rate": -learning_rate, "one_minus_decay": 1 - decay}


def leaf(g, nu, trace, minus_learning_rate, one_minus_decay, decay, eps, momentum):
    """The update, and the next nu and trace."""
    nu_hat = one_minus_decay * (g * g) + decay * nu
    scaling = lax.rsqrt(nu_hat + eps)
    scale_by_rms = scaling * g
    scale_by_learning_rate = minus_learning_rate * scale_by_rms
    trace_next = scale_by_learning_rate + momentum * trace
    return {"update": trace_next, "nu": nu_hat, "trace": trace_next}


def initial_leaf(p, initial_scale):
    """The first nu and trace."""
    return {"nu": jnp.broadcast_to(initial_scale, p.shape), "trace": jnp.zeros_like(p)}


UNIT = Unit(
    name="rmsprop",
    hyperparameters=("learning_rate", "decay", "eps", "initial_scale", "momentum"),
    variants=(
        Variant(
            guards=(Guard(),),
            slots={"nu": Slot("param"), "trace": Slot("param")},
            update=leaf,
            init=initial_leaf,
        ),
    ),
    update=Scalars(constants=constants),
)
