"""An optimizer of optgen in Flax's two ways to train."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx, serialization
from flax.training import train_state

import optgen
from tests.integration.training import assert_close, loss, parameters


def both(make):
    return make(optgen), make(optax)


def test_train_state():
    def trained(library):
        tx = library.lion(0.02, weight_decay=0.1)
        state = train_state.TrainState.create(apply_fn=None, params=parameters(), tx=tx)

        @jax.jit
        def step(state):
            return state.apply_gradients(grads=jax.grad(loss)(state.params))

        for _ in range(4):
            state = step(state)
        return state

    ours, theirs = both(trained)
    assert int(ours.step) == 4
    assert int(ours.opt_state.count) == 4
    assert_close(ours.params, theirs.params)


def test_a_train_state_survives_serialization():
    tx, params = optgen.adamw(0.02), parameters()
    state = train_state.TrainState.create(apply_fn=None, params=params, tx=tx)
    trained = state.apply_gradients(grads=jax.grad(loss)(params))
    restored = serialization.from_bytes(state, serialization.to_bytes(trained))
    assert_close(restored.opt_state, trained.opt_state, rtol=0)
    assert type(restored.opt_state) is type(trained.opt_state)


def test_nnx_optimizer():
    class Network(nnx.Module):
        def __init__(self, rngs):
            self.norm = nnx.BatchNorm(3, rngs=rngs)
            self.dense = nnx.Linear(3, 4, rngs=rngs)

        def __call__(self, x):
            # Not the other way round: what a normalisation undoes has a gradient that is rounding
            # alone, and Adam takes steps of full size in the direction of that.
            return self.dense(self.norm(x))

    def trained(library):
        model = Network(nnx.Rngs(0))
        optimizer = nnx.Optimizer(model, library.adamw(0.02, weight_decay=0.1), wrt=nnx.Param)

        @nnx.jit
        def step(model, optimizer, x):
            grads = nnx.grad(lambda model: jnp.mean((model(x) - 1) ** 2))(model)
            optimizer.update(model, grads)

        for i in range(4):
            step(model, optimizer, jnp.linspace(-1.0, 1.0 + i, 12).reshape(4, 3))
        return model, optimizer

    (ours, optimizer), (theirs, _) = both(trained)
    assert_close(nnx.to_pure_dict(nnx.state(ours)), nnx.to_pure_dict(nnx.state(theirs)), 1e-4)
    assert int(optimizer.step[...]) == int(optimizer.opt_state.count[...]) == 4
    assert np.any(optimizer.opt_state.mu["dense"]["kernel"][...])
