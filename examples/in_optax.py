"""An optgen optimizer is an optax optimizer: chained, masked, injected, accumulated."""

import jax
import jax.numpy as jnp
import optax

import optgen


def main():
    target = {"w": jnp.linspace(-1, 1, 12).reshape(3, 4), "b": jnp.full(4, 0.5)}
    optimizers = {
        # One program: the clipping, the moments and the decay are fused.
        "optgen.chain": optgen.chain(optgen.clip_by_global_norm(1.0), optgen.adamw(0.05)),
        # optax's own transformations go around it as around any other optimizer.
        "optax.chain": optax.chain(optax.clip_by_global_norm(1.0), optgen.adamw(0.05)),
        "masked": optax.chain(
            optax.masked(optgen.add_decayed_weights(1e-4), {"w": True, "b": False}),
            optgen.sgd(0.2, momentum=0.9),
        ),
        "multi_transform": optax.multi_transform(
            {"matrices": optgen.lamb(0.05), "vectors": optgen.sgd(0.2)},
            {"w": "matrices", "b": "vectors"},
        ),
        "inject_hyperparams": optax.inject_hyperparams(
            optgen.lion, static_args=("mu_dtype", "mask")
        )(learning_rate=optax.linear_schedule(0.03, 0.0, 200)),
        "MultiSteps": optax.MultiSteps(optgen.adam(0.05), every_k_schedule=2),
    }
    return {name: fit(name, tx, target) for name, tx in optimizers.items()}


def fit(name, tx, target, steps=200):
    """The loss after some steps from zero towards a target."""
    params = jax.tree.map(jnp.zeros_like, target)
    state = tx.init(params)

    def loss(params):
        return sum(jnp.sum((params[k] - target[k]) ** 2) for k in target)

    @jax.jit
    def step(params, state):
        updates, state = tx.update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    before = loss(params)
    for _ in range(steps):
        params, state = step(params, state)
    print(f"{name:20} loss {before:.3f} → {loss(params):.2e}")
    assert loss(params) < before / 100, name
    return float(loss(params))


if __name__ == "__main__":
    main()
