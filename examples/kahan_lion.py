"""Lion for parameters kept in bfloat16, with a Kahan sum: what rounding drops comes back later.

A bfloat16 has 8 significant bits: a step of 1e-4 on a weight of 1 rounds to no step at all. The
slot `lost` keeps what was dropped, and the next step adds it. Training moves on, for 2 bytes
more for each parameter rather than a float32 copy of 4.
"""

import jax
import jax.numpy as jnp

import optgen
from optgen import dsl


@dsl.rule
def kahan_lion(g, p, *, learning_rate, b1=0.9, b2=0.99, weight_decay=1e-3):
    """Lion (Chen et al., 2023, arXiv:2302.06675) with a Kahan sum (Kahan, 1965)."""
    mu, lost = dsl.state("mu"), dsl.state("lost")
    direction = dsl.sign(b1 * mu + (1 - b1) * g)
    mu.next = b2 * mu + (1 - b2) * g
    wanted = lost - learning_rate * (direction + weight_decay * p)
    stored = dsl.cast(p + wanted, p.dtype)  # rounds as the parameter will be rounded
    lost.next = wanted - (stored - p)
    return stored - p


def descend(tx, steps=500):
    """The loss, after some steps, of a bfloat16 vector that should come to 0.9."""
    params = jnp.ones(1000, jnp.bfloat16)
    state = tx.init(params)

    def loss(p):
        return jnp.mean((p.astype(jnp.float32) - 0.9) ** 2)

    @jax.jit
    def step(params, state):
        return tx.step(params, state, grads=jax.grad(loss)(params))

    for _ in range(steps):
        params, state = step(params, state)
    return float(loss(params))


def main():
    plain = descend(optgen.lion(2e-4))
    kahan = descend(kahan_lion(2e-4))
    print(f"loss of lion in bfloat16       {plain:.2e}  (1.00e-02 before the first step)")
    print(f"loss with the Kahan slot       {kahan:.2e}")
    assert kahan < plain / 10
    return plain, kahan


if __name__ == "__main__":
    main()
