"""RMSProp (Tieleman and Hinton, 2012, Coursera lecture 6.5).

    nu' = (1 - decay)*g**2 + decay*nu
    scaling = rsqrt(nu' + eps)
    scale_by_rms = scaling*g
    scale_by_learning_rate = -learning_rate*scale_by_rms
    trace' = scale_by_learning_rate + momentum*trace
    p' = p + trace'

Emitted for eps_in_sqrt=True, centered=False, nesterov=False, bias_correction=False.

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


def leaf(g, nu, trace, minus_learning_rate, one_minus_decay, decay, eps, momentum, param, real):
    """The update, and the next nu and trace."""
    g = g.astype(real)
    nu_hat = one_minus_decay * (g * g) + decay * nu.astype(real)
    scaling = lax.rsqrt(nu_hat + eps)
    scale_by_rms = scaling * g
    scale_by_learning_rate = minus_learning_rate * scale_by_rms
    trace_next = scale_by_learning_rate + momentum * trace.astype(real)
    return {"update": trace_next, "nu": nu_hat.astype(param), "trace": trace_next.astype(param)}


def initial_leaf(p, initial_scale, param):
    """The first nu and trace."""
    return {
        "nu": jnp.broadcast_to(initial_scale.astype(param), p.shape),
        "trace": jnp.zeros(p.shape, param),
    }


MODULE = Module(
    name="rmsprop",
    hyperparameters=("learning_rate", "decay", "eps", "initial_scale", "momentum"),
    variants=(
        Variant(
            guards=(Guard(),),
            slots={"nu": Slot("param"), "trace": Slot("param")},
            update=leaf,
            update_arrays=("g", "nu", "trace"),
            init=initial_leaf,
        ),
    ),
    update=Scalars(constants=constants),
)
