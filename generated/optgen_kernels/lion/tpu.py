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

Emitted by optgen: change the rule, not this file. Each function is the body of a Pallas kernel: it
is given arrays of a leaf as they are stored, or a tile of them, and returns them so; it computes in
float32. What varies along some dimensions only has extent 1 along the others. ``leaf`` knows the
extents of the whole leaf, and reduces a tile; ``optgen.runtime.execution.tpu`` brings tiles into
a TPU's vector memory and out, and combines what they are reduced to.
"""

import jax.numpy as jnp


def leaf_step(
    leaf,
    g,
    p,
    mu,
    minus_learning_rate,
    one_minus_b1,
    b1,
    weight_decay,
    one_minus_b2,
    b2,
):
    """Sweep that writes p and mu."""
    direction = one_minus_b1 * g + b1 * mu
    scale_by_lion = jnp.sign(direction)
    add_decayed_weights = scale_by_lion + weight_decay * p
    mu_next = one_minus_b2 * g + b2 * mu
    return {"p": p + minus_learning_rate * add_decayed_weights, "mu": mu_next}


def left_out_step(leaf, g, p, mu, minus_learning_rate, one_minus_b1, b1, one_minus_b2, b2):
    """Sweep that writes p and mu."""
    direction = one_minus_b1 * g + b1 * mu
    scale_by_lion = jnp.sign(direction)
    mu_next = one_minus_b2 * g + b2 * mu
    return {"p": p + minus_learning_rate * scale_by_lion, "mu": mu_next}
