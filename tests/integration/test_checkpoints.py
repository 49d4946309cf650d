"""Optimizers and their states on disk and in other processes."""

import copy
import pickle
import subprocess
import sys

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp
import pytest

import optgen
from tests.integration.training import assert_close, loss, parameters, train

OPTIMIZERS = {
    "adamw": optgen.adamw(0.02, mu_dtype=jnp.bfloat16),
    "adafactor": optgen.adafactor(0.02, min_dim_size_to_factor=2, momentum=0.9),
    "a chain": optgen.chain(optgen.clip_by_global_norm(0.1), optgen.trace(0.9), optgen.lamb(0.02)),
    "masked": optgen.lion(0.02, mask={"dense": True, "scale": False}),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_pickled_optimizers_and_states_go_on(name):
    tx = OPTIMIZERS[name]
    params, state = train(tx)
    for other in (pickle.loads(pickle.dumps(tx)), copy.deepcopy(tx)):
        restored = pickle.loads(pickle.dumps(state))
        assert_close(restored, state, rtol=0)
        grads = jax.grad(loss)(params)
        assert_close(
            other.step(params, restored, grads=grads), tx.step(params, state, grads=grads), rtol=0
        )


def test_a_pickle_is_read_in_another_process():
    tx, params = optgen.adamw(0.02), jnp.ones(3)
    _, state = tx.step(params, tx.init(params), grads=params)
    program = (
        "import pickle, sys; tx, state, params = pickle.load(sys.stdin.buffer); "
        "params, state = tx.step(params, state, grads=params); print(state.count, float(params[0]))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        input=pickle.dumps((tx, state, params)),
        capture_output=True,
        check=True,
    ).stdout.decode()
    expected, _ = tx.step(params, state, grads=params)
    assert answer.split() == ["2", str(float(expected[0]))]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_orbax_saves_and_restores_a_state(name, tmp_path):
    tx = OPTIMIZERS[name]
    params, state = train(tx)
    shapes = jax.eval_shape(lambda: (parameters(), tx.init(parameters())))
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "step", {"params": params, "state": state})
        checkpointer.wait_until_finished()
        restored = checkpointer.restore(
            tmp_path / "step", {"params": shapes[0], "state": shapes[1]}
        )
        by_name = checkpointer.restore(tmp_path / "step")
    assert_close(restored["state"], state, rtol=0)
    grads = jax.grad(loss)(params)
    assert_close(
        tx.step(restored["params"], restored["state"], grads=grads),
        tx.step(params, state, grads=grads),
        rtol=0,
    )
    assert {"count", *state.slots} == set(by_name["state"])
