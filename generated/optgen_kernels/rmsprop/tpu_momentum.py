"""RMSProp (Tieleman and Hinton, 2012, Coursera lecture 6.5).

    nu' = (1 - decay)*g**2 + decay*nu
    scaling = rsqrt(nu' + eps)
    scale_by_rms = scaling*g
    scale_by_learning_rate = -learning_rate*scale_by_rms
    trace' = scale_by_learning_rate + momentum*trace
    p' = p + trace'

Emitted for eps_in_sqrt=True, centered=False, nesterov=False, bias_correction=False.

Emitted by optgen: change the rule, not this file. Each function is the body of a Pallas kernel: it
is given arrays of a leaf as they are stored, or a tile of them, and returns them so; it computes in
float32. What varies along some dimensions only has extent 1 along the others. ``leaf`` knows the
extents of the whole leaf, and reduces a tile; ``optgen.runtime.execution.tpu`` brings tiles into
a TPU's vector memory and out, and combines what they are reduced to.
"""

from jax import lax


def leaf_step(leaf, g, p, nu, trace, minus_learning_rate, one_minus_decay, decay, eps, momentum):
    """Sweep that writes p, nu and trace."""
    nu_hat = one_minus_decay * (g * g) + decay * nu
    scaling = lax.rsqrt(nu_hat + eps)
    scale_by_rms = scaling * g
    scale_by_learning_rate = minus_learning_rate * scale_by_rms
    trace_next = scale_by_learning_rate + momentum * trace
    return {"p": p + trace_next, "nu": nu_hat, "trace": trace_next}
