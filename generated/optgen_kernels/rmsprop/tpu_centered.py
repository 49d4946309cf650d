"""RMSProp (Tieleman and Hinton, 2012, Coursera lecture 6.5).

    nu' = (1 - decay)*g**2 + decay*nu
    mu' = (1 - decay)*g + decay*mu
    variance = nu' - mu'**2
    scaling = rsqrt(variance + eps)
    scale_by_stddev = scaling*g
    p' = p - learning_rate*scale_by_stddev

Emitted for eps_in_sqrt=True, centered=True, momentum=None, nesterov=False,
bias_correction=False.

Emitted by optgen: change the rule, not this file. Each function is the body of a Pallas kernel: it
is given arrays of a leaf as they are stored, or a tile of them, and returns them so; it computes in
float32. What varies along some dimensions only has extent 1 along the others. ``leaf`` knows the
extents of the whole leaf, and reduces a tile; ``optgen.runtime.execution.tpu`` brings tiles into
a TPU's vector memory and out, and combines what they are reduced to.
"""

from jax import lax


def leaf_step(leaf, g, p, nu, mu, minus_learning_rate, one_minus_decay, decay, eps):
    """Sweep that writes p, nu and mu."""
    nu_hat = one_minus_decay * (g * g) + decay * nu
    mu_hat = one_minus_decay * g + decay * mu
    variance = nu_hat - mu_hat * mu_hat
    scaling = lax.rsqrt(variance + eps)
    scale_by_stddev = scaling * g
    return {"p": p + minus_learning_rate * scale_by_stddev, "mu": mu_hat, "nu": nu_hat}
