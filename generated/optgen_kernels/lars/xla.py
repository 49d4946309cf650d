"""LARS (You, Gitman and Ginsburg, 2017, arXiv:1708.03888).

For leaves with mask None and mask None, or mask None and mask True, or mask True and mask None,
or more:

    add_decayed_weights = g + weight_decay*p
    param_norm = sqrt(where(sum(p**2) <= 0, 0, sum(p**2)))
    update_norm = sqrt(where(sum(add_decayed_weights**2) <= 0, 0, sum(add_decayed_weights**2)))
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
read: arrays of one leaf, in the precision that arithmetic runs in, and scalars.
"""

import jax.numpy as jnp

from optgen.runtime import Guard, Scalars, Slot, Unit, Variant


def constants(learning_rate):
    """What the hyperparameters alone decide."""
    return {"minus_learning_rate": -learning_rate}


def leaf(g, p, trace, minus_learning_rate, weight_decay, trust_coefficient, eps, momentum):
    """The update, and the next trace.

    For leaves with mask None and mask None, or mask None and mask True, or mask True and mask None,
    or more.
    """
    add_decayed_weights = g + weight_decay * p
    factor = jnp.sum(p * p)
    param_norm = jnp.sqrt(jnp.where(factor <= 0, 0, factor))
    factor_2 = jnp.sum(add_decayed_weights * add_decayed_weights)
    update_norm = jnp.sqrt(jnp.where(factor_2 <= 0, 0, factor_2))
    ratio = trust_coefficient * param_norm / (update_norm + eps)
    trust_ratio = jnp.where((param_norm == 0) | (update_norm == 0), 1, ratio)
    scale_by_trust_ratio = add_decayed_weights * trust_ratio
    scale_by_learning_rate = minus_learning_rate * scale_by_trust_ratio
    trace_next = scale_by_learning_rate + momentum * trace
    return {"update": trace_next, "trace": trace_next}


def chosen_left_out(g, p, trace, minus_learning_rate, weight_decay, momentum):
    """The update, and the next trace.

    For leaves with mask None and mask False, or mask True and mask False.
    """
    add_decayed_weights = g + weight_decay * p
    scale_by_learning_rate = minus_learning_rate * add_decayed_weights
    trace_next = scale_by_learning_rate + momentum * trace
    return {"update": trace_next, "trace": trace_next}


def left_out_chosen(g, p, trace, minus_learning_rate, trust_coefficient, eps, momentum):
    """The update, and the next trace.

    For leaves with mask False and mask None, or mask False and mask True.
    """
    factor = jnp.sum(p * p)
    param_norm = jnp.sqrt(jnp.where(factor <= 0, 0, factor))
    factor_2 = jnp.sum(g * g)
    update_norm = jnp.sqrt(jnp.where(factor_2 <= 0, 0, factor_2))
    ratio = trust_coefficient * param_norm / (update_norm + eps)
    trust_ratio = jnp.where((param_norm == 0) | (update_norm == 0), 1, ratio)
    scale_by_trust_ratio = g * trust_ratio
    scale_by_learning_rate = minus_learning_rate * scale_by_trust_ratio
    trace_next = scale_by_learning_rate + momentum * trace
    return {"update": trace_next, "trace": trace_next}


def left_out_left_out(g, trace, minus_learning_rate, momentum):
    """The update, and the next trace.

    For leaves with mask False and mask False.
    """
    scale_by_learning_rate = minus_learning_rate * g
    trace_next = scale_by_learning_rate + momentum * trace
    return {"update": trace_next, "trace": trace_next}


def initial_leaf(p):
    """The first trace."""
    return {"trace": jnp.zeros_like(p)}


def initial_chosen_left_out(p):
    """The first trace."""
    return {"trace": jnp.zeros_like(p)}


def initial_left_out_chosen(p):
    """The first trace."""
    return {"trace": jnp.zeros_like(p)}


def initial_left_out_left_out(p):
    """The first trace."""
    return {"trace": jnp.zeros_like(p)}


UNIT = Unit(
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
            init=initial_leaf,
        ),
        Variant(
            guards=(Guard(masks=(None, False)), Guard(masks=(True, False))),
            slots={"trace": Slot("param")},
            update=chosen_left_out,
            init=initial_chosen_left_out,
        ),
        Variant(
            guards=(Guard(masks=(False, None)), Guard(masks=(False, True))),
            slots={"trace": Slot("param")},
            update=left_out_chosen,
            init=initial_left_out_chosen,
        ),
        Variant(
            guards=(Guard(masks=(False, False)),),
            slots={"trace": Slot("param")},
            update=left_out_left_out,
            init=initial_left_out_left_out,
        ),
    ),
    update=Scalars(constants=constants),
    masks=2,
)
