"""RMSProp (Tieleman and Hinton, 2012, Coursera lecture 6.5).

    nu' = (1 - decay)*g**2 + decay*nu
    scaling = rsqrt(nu' + eps)
    scale_by_rms = scaling*g
    scale_by_learning_rate = -learning_rate*scale_by_rms
    trace' = scale_by_learning_rate + momentum*trace
    p' = p + trace'

Emitted for eps_in_sqrt=True, centered=False, nesterov=False, bias_correction=False.

Emitted by optgen: change the rule, not this file. Each function is the body of one Pallas kernel,
on a tile of a leaf in a TPU's vector memory, in float32. What varies along some dimensions only
has extent 1 along the others. ``leaf`` knows the extents of the whole leaf, and reduces a tile;
``optgen.runtime.execution.tpu`` brings tiles in and out, and combines what they are reduced to.
"""

from jax import lax


def leaf_step_1(leaf, g, p, nu, trace, minus_learning_rate, one_minus_decay, decay, eps, momentum):
    """Reads g, p, nu, trace; writes p, nu, trace."""
    nu_hat = one_minus_decay * (g * g) + decay * nu
    scaling = lax.rsqrt(nu_hat + eps)
    scale_by_rms = scaling * g
    scale_by_learning_rate = minus_learning_rate * scale_by_rms
    trace_next = scale_by_learning_rate + momentum * trace
    return {"p": p + trace_next, "nu": nu_hat, "trace": trace_next}


def leaf_update_1(leaf, g, nu, trace, minus_learning_rate, one_minus_decay, decay, eps, momentum):
    """Reads g, nu, trace; writes nu, trace, update."""
    nu_hat = one_minus_decay * (g * g) + decay * nu
    scaling = lax.rsqrt(nu_hat + eps)
    scale_by_rms = scaling * g
    scale_by_learning_rate = minus_learning_rate * scale_by_rms
    trace_next = scale_by_learning_rate + momentum * trace
    return {"update": trace_next, "nu": nu_hat, "trace": trace_next}
