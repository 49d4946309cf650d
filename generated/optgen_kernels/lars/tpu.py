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

Emitted by optgen: change the rule, not this file. Each function is the body of a Pallas kernel: it
is given arrays of a leaf as they are stored, or a tile of them, and returns them so; it computes in
float32. What varies along some dimensions only has extent 1 along the others. ``leaf`` knows the
extents of the whole leaf, and reduces a tile; ``optgen.runtime.execution.tpu`` brings tiles into
a TPU's vector memory and out, and combines what they are reduced to.
"""

import jax.numpy as jnp


def leaf_statistics(leaf, g, p, weight_decay):
    """Sweep that reduces to param_squares and update_squares."""
    param_squares = leaf.sum(p * p)
    add_decayed_weights = g + weight_decay * p
    update_squares = leaf.sum(add_decayed_weights * add_decayed_weights)
    return {"param_squares": param_squares, "update_squares": update_squares}


def leaf_step(
    leaf,
    g,
    p,
    trace,
    param_squares,
    update_squares,
    minus_learning_rate,
    weight_decay,
    trust_coefficient,
    eps,
    momentum,
):
    """Sweep that writes p and trace."""
    add_decayed_weights = g + weight_decay * p
    param_norm = jnp.sqrt(jnp.where(param_squares <= 0, 0, param_squares))
    update_norm = jnp.sqrt(jnp.where(update_squares <= 0, 0, update_squares))
    ratio = trust_coefficient * param_norm / (update_norm + eps)
    trust_ratio = jnp.where((param_norm == 0) | (update_norm == 0), 1, ratio)
    scale_by_trust_ratio = add_decayed_weights * trust_ratio
    scale_by_learning_rate = minus_learning_rate * scale_by_trust_ratio
    trace_next = scale_by_learning_rate + momentum * trace
    return {"p": p + trace_next, "trace": trace_next}


def chosen_left_out_step(leaf, g, p, trace, minus_learning_rate, weight_decay, momentum):
    """Sweep that writes p and trace."""
    add_decayed_weights = g + weight_decay * p
    scale_by_learning_rate = minus_learning_rate * add_decayed_weights
    trace_next = scale_by_learning_rate + momentum * trace
    return {"p": p + trace_next, "trace": trace_next}


def left_out_chosen_statistics(leaf, g, p):
    """Sweep that reduces to param_squares and update_squares."""
    param_squares = leaf.sum(p * p)
    update_squares = leaf.sum(g * g)
    return {"param_squares": param_squares, "update_squares": update_squares}


def left_out_chosen_step(
    leaf,
    g,
    p,
    trace,
    param_squares,
    update_squares,
    minus_learning_rate,
    trust_coefficient,
    eps,
    momentum,
):
    """Sweep that writes p and trace."""
    param_norm = jnp.sqrt(jnp.where(param_squares <= 0, 0, param_squares))
    update_norm = jnp.sqrt(jnp.where(update_squares <= 0, 0, update_squares))
    ratio = trust_coefficient * param_norm / (update_norm + eps)
    trust_ratio = jnp.where((param_norm == 0) | (update_norm == 0), 1, ratio)
    scale_by_trust_ratio = g * trust_ratio
    scale_by_learning_rate = minus_learning_rate * scale_by_trust_ratio
    trace_next = scale_by_learning_rate + momentum * trace
    return {"p": p + trace_next, "trace": trace_next}


def left_out_left_out_step(leaf, g, p, trace, minus_learning_rate, momentum):
    """Sweep that writes p and trace."""
    scale_by_learning_rate = minus_learning_rate * g
    trace_next = scale_by_learning_rate + momentum * trace
    return {"p": p + trace_next, "trace": trace_next}


def leaf_finalize(leaf, param_squares, update_squares, trust_coefficient, eps):
    """Finalize that writes trust_ratio."""
    param_norm = jnp.sqrt(jnp.where(param_squares <= 0, 0, param_squares))
    update_norm = jnp.sqrt(jnp.where(update_squares <= 0, 0, update_squares))
    ratio = trust_coefficient * param_norm / (update_norm + eps)
    trust_ratio = jnp.where((param_norm == 0) | (update_norm == 0), 1, ratio)
    return {"trust_ratio": trust_ratio}
