"""A plain JAX training loop: a schedule, a mask, and the fused step with donated buffers."""

import functools

import jax
import jax.numpy as jnp
import optax

import optgen


def init_mlp(key, sizes):
    """Weights and biases of a multi-layer perceptron, He-initialised."""
    keys = jax.random.split(key, len(sizes) - 1)
    return [
        {"w": jax.random.normal(k, (m, n)) * (2 / m) ** 0.5, "b": jnp.zeros(n)}
        for k, m, n in zip(keys, sizes, sizes[1:], strict=False)
    ]


def apply_mlp(params, x):
    for layer in params[:-1]:
        x = jax.nn.relu(x @ layer["w"] + layer["b"])
    return x @ params[-1]["w"] + params[-1]["b"]


def main(steps=300):
    schedule = optax.warmup_cosine_decay_schedule(0.0, 3e-3, warmup_steps=30, decay_steps=steps)
    tx = optgen.adamw(
        schedule,
        weight_decay=0.01,
        mask=lambda params: jax.tree.map(lambda p: p.ndim > 1, params),  # biases don't decay
    )

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def train_step(params, state, x, y):
        loss, grads = jax.value_and_grad(lambda p: jnp.mean((apply_mlp(p, x)[:, 0] - y) ** 2))(
            params
        )
        params, state = tx.step(params, state, grads=grads)  # no tree of updates is written
        return params, state, loss

    params = init_mlp(jax.random.key(0), [2, 64, 64, 1])
    state = tx.init(params)
    losses = []
    for i in range(steps):
        x = jax.random.uniform(jax.random.key(i), (256, 2), minval=-2, maxval=2)
        y = jnp.sin(3 * x[:, 0]) * x[:, 1]
        params, state, loss = train_step(params, state, x, y)
        losses.append(float(loss))
    print(f"loss of the first step {losses[0]:.3f}, of the last {losses[-1]:.3f}")
    assert losses[-1] < losses[0] / 10
    return losses


if __name__ == "__main__":
    main()
