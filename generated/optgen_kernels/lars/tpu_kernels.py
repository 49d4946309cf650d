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

Emitted by optgen: change the rule, not this file. Each function is the body of one Pallas kernel,
on a tile of a leaf in a TPU's vector memory, in float32. What varies along some dimensions only
has extent 1 along the others. ``leaf`` knows the extents of the whole leaf, and reduces a tile;
``optgen.runtime.execution.tpu`` brings tiles in and out, and combines what they are reduced to.
"""

import jax.numpy as jnp


def leaf_step_1(leaf, g, p, weight_decay):
    """Reads g, p; reduces to sum_1, sum_2."""
    add_decayed_weights = g + weight_decay * p
    return {"sum_1": leaf.sum(p * p), "sum_2": leaf.sum(add_decayed_weights * add_decayed_weights)}


def leaf_step_2(
    leaf,
    g,
    p,
    trace,
    sum_1,
    sum_2,
    minus_learning_rate,
    weight_decay,
    trust_coefficient,
    eps,
    momentum,
):
    """Reads g, p, trace, sum_1, sum_2; writes p, trace."""
    add_decayed_weights = g + weight_decay * p
    param_norm = jnp.sqrt(jnp.where(sum_1 <= 0, 0, sum_1))
    update_norm = jnp.sqrt(jnp.where(sum_2 <= 0, 0, sum_2))
    ratio = trust_coefficient * param_norm / (update_norm + eps)
    trust_ratio = jnp.where((param_norm == 0) | (update_norm == 0), 1, ratio)
    scale_by_trust_ratio = add_decayed_weights * trust_ratio
    scale_by_learning_rate = minus_learning_rate * scale_by_trust_ratio
    trace_next = scale_by_learning_rate + momentum * trace
    return {"p": p + trace_next, "trace": trace_next}


def chosen_left_out_step_1(leaf, g, p, trace, minus_learning_rate, weight_decay, momentum):
    """Reads g, p, trace; writes p, trace."""
    add_decayed_weights = g + weight_decay * p
    scale_by_learning_rate = minus_learning_rate * add_decayed_weights
    trace_next = scale_by_learning_rate + momentum * trace
    return {"p": p + trace_next, "trace": trace_next}


def left_out_chosen_step_1(leaf, g, p):
    """Reads g, p; reduces to sum_1, sum_2."""
    return {"sum_1": leaf.sum(p * p), "sum_2": leaf.sum(g * g)}


def left_out_chosen_step_2(
    leaf,
    g,
    p,
    trace,
    sum_1,
    sum_2,
    minus_learning_rate,
    trust_coefficient,
    eps,
    momentum,
):
    """Reads g, p, trace, sum_1, sum_2; writes p, trace."""
    param_norm = jnp.sqrt(jnp.where(sum_1 <= 0, 0, sum_1))
    update_norm = jnp.sqrt(jnp.where(sum_2 <= 0, 0, sum_2))
    ratio = trust_coefficient * param_norm / (update_norm + eps)
    trust_ratio = jnp.where((param_norm == 0) | (update_norm == 0), 1, ratio)
    scale_by_trust_ratio = g * trust_ratio
    scale_by_learning_rate = minus_learning_rate * scale_by_trust_ratio
    trace_next = scale_by_learning_rate + momentum * trace
    return {"p": p + trace_next, "trace": trace_next}


def left_out_left_out_step_1(leaf, g, p, trace, minus_learning_rate, momentum):
    """Reads g, p, trace; writes p, trace."""
    scale_by_learning_rate = minus_learning_rate * g
    trace_next = scale_by_learning_rate + momentum * trace
    return {"p": p + trace_next, "trace": trace_next}


def leaf_update_2(
    leaf,
    g,
    p,
    trace,
    sum_1,
    sum_2,
    minus_learning_rate,
    weight_decay,
    trust_coefficient,
    eps,
    momentum,
):
    """Reads g, p, trace, sum_1, sum_2; writes trace, update."""
    add_decayed_weights = g + weight_decay * p
    param_norm = jnp.sqrt(jnp.where(sum_1 <= 0, 0, sum_1))
    update_norm = jnp.sqrt(jnp.where(sum_2 <= 0, 0, sum_2))
    ratio = trust_coefficient * param_norm / (update_norm + eps)
    trust_ratio = jnp.where((param_norm == 0) | (update_norm == 0), 1, ratio)
    scale_by_trust_ratio = add_decayed_weights * trust_ratio
    scale_by_learning_rate = minus_learning_rate * scale_by_trust_ratio
    trace_next = scale_by_learning_rate + momentum * trace
    return {"update": trace_next, "trace": trace_next}


def chosen_left_out_update_1(leaf, g, p, trace, minus_learning_rate, weight_decay, momentum):
    """Reads g, p, trace; writes trace, update."""
    add_decayed_weights = g + weight_decay * p
    scale_by_learning_rate = minus_learning_rate * add_decayed_weights
    trace_next = scale_by_learning_rate + momentum * trace
    return {"update": trace_next, "trace": trace_next}


def left_out_chosen_update_2(
    leaf,
    g,
    trace,
    sum_1,
    sum_2,
    minus_learning_rate,
    trust_coefficient,
    eps,
    momentum,
):
    """Reads g, trace, sum_1, sum_2; writes trace, update."""
    param_norm = jnp.sqrt(jnp.where(sum_1 <= 0, 0, sum_1))
    update_norm = jnp.sqrt(jnp.where(sum_2 <= 0, 0, sum_2))
    ratio = trust_coefficient * param_norm / (update_norm + eps)
    trust_ratio = jnp.where((param_norm == 0) | (update_norm == 0), 1, ratio)
    scale_by_trust_ratio = g * trust_ratio
    scale_by_learning_rate = minus_learning_rate * scale_by_trust_ratio
    trace_next = scale_by_learning_rate + momentum * trace
    return {"update": trace_next, "trace": trace_next}


def left_out_left_out_update_1(leaf, g, trace, minus_learning_rate, momentum):
    """Reads g, trace; writes trace, update."""
    scale_by_learning_rate = minus_learning_rate * g
    trace_next = scale_by_learning_rate + momentum * trace
    return {"update": trace_next, "trace": trace_next}
