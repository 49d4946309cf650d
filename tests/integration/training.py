"""A small problem, and the ways in which the tests train on it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax


def parameters() -> dict[str, Any]:
    """A little network's parameters: a matrix, a bias and a scale."""
    rng = np.random.default_rng(0)
    return {
        "dense": {
            "kernel": jnp.asarray(rng.normal(size=(3, 4)), jnp.float32),
            "bias": jnp.zeros(4, jnp.float32),
        },
        "scale": jnp.float32(1.0),
    }


def loss(params: Any, x: Any = 1.0) -> jax.Array:
    """Some smooth loss with a gradient that is nowhere zero."""
    kernel, bias = params["dense"]["kernel"], params["dense"]["bias"]
    inputs = x * jnp.linspace(-1.0, 1.0, 15, dtype=jnp.float32).reshape(5, 3)
    return jnp.mean((params["scale"] * jnp.tanh(inputs @ kernel + bias) - 0.3) ** 2)


def train(tx: Any, steps: int = 5, params: Any = None, **extra: Any) -> tuple[Any, Any]:
    """The parameters and the state after some steps of the optax protocol."""
    params = parameters() if params is None else params
    state = tx.init(params)

    @jax.jit
    def step(params: Any, state: Any, x: Any) -> tuple[Any, Any]:
        grads = jax.grad(loss)(params, x)
        updates, state = tx.update(grads, state, params, **extra)
        return optax.apply_updates(params, updates), state

    for i in range(steps):
        params, state = step(params, state, 1.0 + 0.1 * i)
    return params, state


def assert_close(found: Any, expected: Any, rtol: float = 1e-5) -> None:
    """Trees of the same structure, equal to rounding, in the same dtypes."""
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert jnp.asarray(a).dtype == jnp.asarray(b).dtype
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=rtol, atol=1e-6)
