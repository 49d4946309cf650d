"""A rule that keeps statistics of rows and columns instead of a second moment of every element.

What is declared `like` a row mean has one number for each row. Rules branch on a leaf's shape in
plain Python: vectors keep the whole moment.
"""

import jax
import jax.numpy as jnp

import optgen
from optgen import dsl


@dsl.rule
def factored_rms(g, p, *, learning_rate, decay=0.99, eps=1e-30):
    """RMSProp with a factored moment (Shazeer and Stern, 2018, arXiv:1804.04235)."""
    square = g**2 + eps
    axes = dsl.factored_axes(p.shape, min_dim=32)
    if axes is None:
        nu = dsl.state("nu")
        nu.next = decay * nu + (1 - decay) * square
        return -learning_rate * g / dsl.sqrt(nu.next)
    rows, columns = dsl.mean(square, axis=axes[1]), dsl.mean(square, axis=axes[0])
    row = dsl.state("row", like=rows)
    column = dsl.state("column", like=columns)
    row.next = decay * row + (1 - decay) * rows
    column.next = decay * column + (1 - decay) * columns
    nu = row.next * column.next / dsl.mean(row.next, axis=axes[0])
    return -learning_rate * g / dsl.sqrt(nu)


def state_bytes(tx, params):
    """How many bytes the state of an optimizer takes."""
    return sum(leaf.nbytes for leaf in jax.tree.leaves(tx.init(params)))


def main():
    params = {"w": jnp.ones((512, 1024)), "b": jnp.ones(1024)}
    tx = factored_rms(1e-2)
    state = tx.init(params)
    print({name: jax.tree.map(jnp.shape, slot) for name, slot in state.slots.items()})
    small, large = state_bytes(tx, params), state_bytes(optgen.adam(1e-2), params)
    print(f"its state takes {small:,} bytes, Adam's {large:,}")
    for _ in range(100):
        grads = jax.tree.map(lambda p: 2 * p, params)
        params, state = tx.step(params, state, grads=grads)
    loss = sum(float(jnp.mean(p**2)) for p in jax.tree.leaves(params))
    print(f"loss {loss:.2e}")
    assert loss < 1e-2
    return small, large, loss


if __name__ == "__main__":
    main()
