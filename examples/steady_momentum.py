"""A rule with reductions over the whole tree: normalized momentum that survives a bad batch.

The update has the length of the learning rate, whatever the gradient's scale (Cutkosky and Mehta,
2020, arXiv:2002.03305). A batch whose gradient holds an infinity or a NaN, in any leaf, changes
nothing but the count of bad batches, which is one number for the whole tree.
"""

import jax
import jax.numpy as jnp

from optgen import dsl


@dsl.rule
def steady_momentum(g, p, *, learning_rate, decay=0.9):
    """Normalized momentum (Cutkosky and Mehta, 2020, arXiv:2002.03305), steady in bad batches."""
    mu, bad = dsl.state("mu"), dsl.tree_state("bad_batches")
    spoilt = dsl.tree_any(~dsl.isfinite(g))  # of any leaf
    bad.next = bad + spoilt
    mu.next = dsl.where(spoilt, mu, decay * mu + (1 - decay) * g)
    length = dsl.global_norm(mu.next)
    return dsl.where(spoilt, 0.0, -learning_rate * mu.next / dsl.maximum(length, 1e-12))


def main(steps=200):
    tx = steady_momentum(0.05)
    params = {"w": jnp.full((3, 4), 2.0), "b": jnp.full(4, -1.0)}
    state = tx.init(params)
    step = jax.jit(tx.step)
    for i in range(steps):
        grads = jax.tree.map(lambda p: 2 * p, params)  # of the sum of squares
        if i % 50 == 25:
            grads["b"] = grads["b"].at[0].set(jnp.nan)  # one element of one leaf
        params, state = step(params, state, grads=grads)
    loss = sum(float(jnp.sum(p**2)) for p in jax.tree.leaves(params))
    print(f"loss {loss:.3f} after {int(state.count)} batches, {int(state.bad_batches)} of them bad")
    assert loss < 0.1
    return loss, int(state.bad_batches)


if __name__ == "__main__":
    main()
