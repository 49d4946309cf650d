"""RMSProp (Tieleman and Hinton, 2012, Coursera lecture 6.5).

    nu' = (1 - decay)*g**2 + decay*nu
    scaling = rsqrt(nu' + eps)
    scale_by_rms = scaling*g
    p' = p - learning_rate*scale_by_rms

Emitted for eps_in_sqrt=True, centered=False, momentum=None, nesterov=False,
bias_correction=False.

Emitted by optgen: change the rule, not this file. Each function is the body of one Pallas kernel,
on a tile of a leaf in a TPU's vector memory, in float32. What varies along some dimensions only
has extent 1 along the others. ``leaf`` knows the extents of the whole leaf, and reduces a tile;
``optgen.runtime.execution.tpu`` brings tiles in and out, and combines what they are reduced to.
"""

from jax import lax


def leaf_step_1(leaf, g, p, nu, minus_learning_rate, one_minus_decay, decay, eps):
    """Reads g, p, nu; writes p, nu."""
    nu_hat = one_minus_decay * (g * g) + decay * nu
    scaling = lax.rsqrt(nu_hat + eps)
    scale_by_rms = scaling * g
    return {"p": p + minus_learning_rate * scale_by_rms, "nu": nu_hat}


def leaf_update_1(leaf, g, nu, minus_learning_rate, one_minus_decay, decay, eps):
    """Reads g, nu; writes nu, update."""
    nu_hat = one_minus_decay * (g * g) + decay * nu
    scaling = lax.rsqrt(nu_hat + eps)
    scale_by_rms = scaling * g
    return {"update": minus_learning_rate * scale_by_rms, "nu": nu_hat}
