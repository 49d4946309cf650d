"""Lion (Chen et al., 2023, arXiv:2302.06675).

For leaves with mask None, or mask True:

    direction = (1 - b1)*g + b1*mu
    scale_by_lion = sign(direction)
    add_decayed_weights = scale_by_lion + weight_decay*p
    mu' = (1 - b2)*g + b2*mu
    p' = p - learning_rate*add_decayed_weights

For leaves with mask False:

    direction = (1 - b1)*g + b1*mu
    scale_by_lion = sign(direction)
    mu' = (1 - b2)*g + b2*mu
    p' = p - learning_rate*scale_by_lion

Emitted for mu_dtype=None.

Emitted by optgen: change the rule, not this file. Functions name their arguments after what they
read: arrays of one leaf, as they are stored; scalars; the dtypes of the parameter (``param``), of
the gradient (``grad``) and of arithmetic (``real``); and the axes of its rows and columns.
"""

import jax.numpy as jnp

from optgen.runtime import Guard, Module, Scalars, Slot, Variant


def constants(learning_rate, b1, b2):
    """Scalars that the hyperparameters alone decide."""
    return {"minus_learning_rate": -learning_rate, "one_minus_b1": 1 - b1, "one_minus_b2": 1 - b2}


def leaf(
    g,
    p,
    mu,
    minus_learning_rate,
    one_minus_b1,
    b1,
    weight_decay,
    one_minus_b2,
    b2,
    param,
    real,
):
    """The update, and the next mu.

    For leaves with mask None, or mask True.
    """
    g = g.astype(real)
    mu = mu.astype(real)
    direction = one_minus_b1 * g + b1 * mu
    scale_by_lion = jnp.sign(direction)
    add_decayed_weights = scale_by_lion + weight_decay * p.astype(real)
    mu_next = one_minus_b2 * g + b2 * mu
    return {"update": minus_learning_rate * add_decayed_weights, "mu": mu_next.astype(param)}


def left_out(g, mu, minus_learning_rate, one_minus_b1, b1, one_minus_b2, b2, param, real):
    """The update, and the next mu.

    For leaves with mask False.
    """
    g = g.astype(real)
    mu = mu.astype(real)
    direction = one_minus_b1 * g + b1 * mu
    scale_by_lion = jnp.sign(direction)
    mu_next = one_minus_b2 * g + b2 * mu
    return {"update": minus_learning_rate * scale_by_lion, "mu": mu_next.astype(param)}


def initial_leaf(p, param):
    """The first mu."""
    return {"mu": jnp.zeros(p.shape, param)}


def initial_left_out(p, param):
    """The first mu."""
    return {"mu": jnp.zeros(p.shape, param)}


MODULE = Module(
    name="lion",
    hyperparameters=("learning_rate", "b1", "b2", "weight_decay"),
    variants=(
        Variant(
            guards=(Guard(masks=(None,)), Guard(masks=(True,))),
            slots={"mu": Slot("param")},
            update=leaf,
            update_arrays=("g", "mu", "p"),
            init=initial_leaf,
        ),
        Variant(
            guards=(Guard(masks=(False,)),),
            slots={"mu": Slot("param")},
            update=left_out,
            update_arrays=("g", "mu"),
            init=initial_left_out,
        ),
    ),
    update=Scalars(constants=constants),
    masks=1,
)
