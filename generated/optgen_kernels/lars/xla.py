"""LARS (You, Gitman and Ginsburg, 2017, arXiv:1708.03888).

For leaves with mask None and mask None, or mask None and mask True, or mask True and mask None,
or more:

    add_decayed_weights = g + weight_decay*p
    param_squares = sum(p**2)
    param_norm = sqrt(where(param_squares <= 0, 0, param_squares))
    update_squares = sum(add_decayed_weights**2)
    update_norm = sqrt(where(update_squares <= 0, 0, update_squares))
    ratio = trust_coefficient*param_norm/(update_norm + eps)
    trust_ratio = where((param_norm == 0) | (update_norm == 0), 1, ratio)
    scale_by_trust_ratio = add_decayed_weights*trust_ratio
    scale_by_learning_rate = -learning_rate*scale_by_trust_ratio
    trace' = scale_by_learning_rate + momentum*trace
    p' = p + trace'

For leaves with mask None and mask False, or mask True and mask False:

    add_decayed_weights = g + weight_decay*p
    scale_by_learning_rate = -learning_rate*add_decayed_weights
    trace' = scale_by_learning_rate + momentum*trace
    p' = p + trace'

Emitted for nesterov=False.

Emitted by optgen: change the rule, not this file. Functions name their arguments after what they
read: arrays of one leaf, as they are stored; scalars; the dtypes of the parameter (``param``), of
the gradient (``grad``) and of arithmetic (``real``); and the axes of its rows and columns.
"""

import jax.numpy as jnp

from optgen.runtime import Guard, Module, Scalars, Slot, Variant


def constants(learning_rate):
    """Scalars that the hyperparameters alone decide."""
    return {"minus_learning_rate": -learning_rate}


def leaf(
    g,
    p,
    trace,
    minus_learning_rate,
    weight_decay,
    trust_coefficient,
    eps,
    momentum,
    param,
    real,
):
    """The update, and the next trace.

    For leaves with mask None and mask None, or mask None and mask True, or mask True and mask None,
    or more.
    """
    p = p.astype(real)
    add_decayed_weights = g.astype(real) + weight_decay * p
    param_squares = jnp.sum(p * p)
    param_norm = jnp.sqrt(jnp.where(param_squares <= 0, 0, param_squares))
    update_squares = jnp.sum(add_decayed_weights * add_decayed_weights)
    update_norm = jnp.sqrt(jnp.where(update_squares <= 0, 0, update_squares))
    ratio = trust_coefficient * param_norm / (update_norm + eps)
    trust_ratio = jnp.where((param_norm == 0) | (update_norm == 0), 1, ratio)
    scale_by_trust_ratio = add_decayed_weights * trust_ratio
    scale_by_learning_rate = minus_learning_rate * scale_by_trust_ratio
    trace_next = scale_by_learning_rate + momentum * trace.astype(real)
    return {"update": trace_next, "trace": trace_next.astype(param)}


def leaf_update(g, p, trace, minus_learning_rate, weight_decay, trust_ratio, momentum, param, real):
    """The end of leaf, after the kernels of an update."""
    add_decayed_weights = g.astype(real) + weight_decay * p.astype(real)
    scale_by_trust_ratio = add_decayed_weights * trust_ratio
    scale_by_learning_rate = minus_learning_rate * scale_by_trust_ratio
    trace_next = scale_by_learning_rate + momentum * trace.astype(real)
    return {"update": trace_next, "trace": trace_next.astype(param)}


def chosen_left_out(g, p, trace, minus_learning_rate, weight_decay, momentum, param, real):
    """The update, and the next trace.

    For leaves with mask None and mask False, or mask True and mask False.
    """
    add_decayed_weights = g.astype(real) + weight_decay * p.astype(real)
    scale_by_learning_rate = minus_learning_rate * add_decayed_weights
    trace_next = scale_by_learning_rate + momentum * trace.astype(real)
    return {"update": trace_next, "trace": trace_next.astype(param)}


def left_out_chosen(
    g,
    p,
    trace,
    minus_learning_rate,
    trust_coefficient,
    eps,
    momentum,
    param,
    real,
):
    """The update, and the next trace.

    For leaves with mask False and mask None, or mask False and mask True.
    """
    g = g.astype(real)
    p = p.astype(real)
    param_squares = jnp.sum(p * p)
    param_norm = jnp.sqrt(jnp.where(param_squares <= 0, 0, param_squares))
    update_squares = jnp.sum(g * g)
    update_norm = jnp.sqrt(jnp.where(update_squares <= 0, 0, update_squares))
    ratio = trust_coefficient * param_norm / (update_norm + eps)
    trust_ratio = jnp.where((param_norm == 0) | (update_norm == 0), 1, ratio)
    scale_by_trust_ratio = g * trust_ratio
    scale_by_learning_rate = minus_learning_rate * scale_by_trust_ratio
    trace_next = scale_by_learning_rate + momentum * trace.astype(real)
    return {"update": trace_next, "trace": trace_next.astype(param)}


def left_out_chosen_update(g, trace, minus_learning_rate, trust_ratio, momentum, param, real):
    """The end of left_out_chosen, after the kernels of an update."""
    scale_by_trust_ratio = g.astype(real) * trust_ratio
    scale_by_learning_rate = minus_learning_rate * scale_by_trust_ratio
    trace_next = scale_by_learning_rate + momentum * trace.astype(real)
    return {"update": trace_next, "trace": trace_next.astype(param)}


def left_out_left_out(g, trace, minus_learning_rate, momentum, param, real):
    """The update, and the next trace.

    For leaves with mask False and mask False.
    """
    scale_by_learning_rate = minus_learning_rate * g.astype(real)
    trace_next = scale_by_learning_rate + momentum * trace.astype(real)
    return {"update": trace_next, "trace": trace_next.astype(param)}


def initial_leaf(p, param):
    """The first trace."""
    return {"trace": jnp.zeros(p.shape, param)}


def initial_chosen_left_out(p, param):
    """The first trace."""
    return {"trace": jnp.zeros(p.shape, param)}


def initial_left_out_chosen(p, param):
    """The first trace."""
    return {"trace": jnp.zeros(p.shape, param)}


def initial_left_out_left_out(p, param):
    """The first trace."""
    return {"trace": jnp.zeros(p.shape, param)}


MODULE = Module(
    name="lars",
    hyperparameters=("learning_rate", "weight_decay", "trust_coefficient", "eps", "momentum"),
    variants=(
        Variant(
            guards=(
                Guard(masks=(None, None)),
                Guard(masks=(None, True)),
                Guard(masks=(True, None)),
                Guard(masks=(True, True)),
            ),
            slots={"trace": Slot("param")},
            update=leaf,
            last_sweeps=(leaf_update,),
            update_arrays=("g", "p", "trace"),
            init=initial_leaf,
        ),
        Variant(
            guards=(Guard(masks=(None, False)), Guard(masks=(True, False))),
            slots={"trace": Slot("param")},
            update=chosen_left_out,
            update_arrays=("g", "p", "trace"),
            init=initial_chosen_left_out,
        ),
        Variant(
            guards=(Guard(masks=(False, None)), Guard(masks=(False, True))),
            slots={"trace": Slot("param")},
            update=left_out_chosen,
            last_sweeps=(left_out_chosen_update,),
            update_arrays=("g", "p", "trace"),
            init=initial_left_out_chosen,
        ),
        Variant(
            guards=(Guard(masks=(False, False)),),
            slots={"trace": Slot("param")},
            update=left_out_left_out,
            update_arrays=("g", "trace"),
            init=initial_left_out_left_out,
        ),
    ),
    update=Scalars(constants=constants),
    masks=2,
)
