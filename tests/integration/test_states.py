"""States by themselves: their fields, empty ones, restored ones."""

import inspect
import subprocess
import sys
import warnings

import flax.serialization
import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest

import optgen
import optgen_kernels
from optgen.errors import TreeError
from tests.integration.training import assert_close

PARAMS = {"w": jnp.ones((3, 2)), "b": jnp.ones(2)}

# Fields.


def test_the_fields_of_a_state_are_its_names_in_key_paths():
    state = optgen.adamw(0.1).init(PARAMS)
    assert isinstance(state, optgen.State)
    assert state._fields == ("count", "mu", "nu")
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(state)]
    assert paths == [".count", ".mu['b']", ".mu['w']", ".nu['b']", ".nu['w']"]
    assert list(state.slots) == ["mu", "nu"]


def test_a_state_prints_as_the_call_that_makes_it():
    state = optgen.State(np.int32(3), mu={"w": None}, total=1.5)
    assert repr(state) == f"State(count={np.int32(3)!r}, mu={{'w': None}}, total=1.5)"
    assert jax.tree.structure(eval(repr(state), {"State": optgen.State, "np": np})) == (
        jax.tree.structure(state)
    )
    with pytest.raises(AttributeError, match="this state has no slot 'nu'; it has count, mu"):
        state.nu  # noqa: B018


def test_its_name_is_known_before_jax_is_imported():
    program = "import sys, optgen; print('State' in optgen.__all__, 'jax' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    assert answer.stdout.split() == ["True", "False"]


# Rules that keep nothing.

STATELESS = {
    "scale": lambda library: library.scale(-1.0),
    "sgd": lambda library: library.sgd(0.1),
    "clip": lambda library: library.clip_by_global_norm(1.0),
    "decay": lambda library: library.add_decayed_weights(0.1),
}


@pytest.mark.parametrize("name", STATELESS)
def test_a_rule_that_keeps_nothing_takes_and_returns_an_empty_state(name):
    ours, theirs = STATELESS[name](optgen), STATELESS[name](optax)
    assert ours.init(PARAMS) == optax.EmptyState()
    expected, _ = theirs.update(PARAMS, theirs.init(PARAMS), PARAMS)
    for empty in (optax.EmptyState(), None, (), (optax.EmptyState(), optax.EmptyState())):
        updates, state = ours.update(PARAMS, empty, PARAMS)
        assert state is empty
        assert_close(updates, expected)
    _, state = jax.jit(ours.step)(PARAMS, optax.EmptyState(), grads=PARAMS)
    assert state == optax.EmptyState()
    _, state = ours.step(PARAMS, optax.EmptyState(), grads=PARAMS, donate=False)
    assert state == optax.EmptyState()


def test_a_state_that_counts_goes_on_counting():
    tx = optgen.scale(-1.0)
    _, state = tx.update(PARAMS, optgen.State(jnp.int32(4)), PARAMS)
    assert int(state.count) == 5


@pytest.mark.parametrize(
    "tx",
    [
        optgen.sgd(lambda count: 0.1),
        optgen.sgd(0.1, momentum=0.9),
        optgen.adamw(0.1),
        optgen_kernels.lion(0.1),
    ],
    ids=["schedule", "momentum", "adamw", "packaged"],
)
def test_a_rule_that_counts_or_keeps_slots_needs_its_state(tx):
    assert isinstance(tx.init(PARAMS), optgen.State)
    with pytest.raises(TreeError, match="EmptyState, not a state of"):
        tx.update(PARAMS, optax.EmptyState(), PARAMS)


def test_a_packaged_rule_that_keeps_nothing_has_an_empty_state_too():
    assert optgen_kernels.sgd(0.1).init(PARAMS) == optax.EmptyState()


# Restored ones.


def test_a_slot_of_another_dtype_is_cast_once_with_one_warning():
    tx = optgen.adamw(0.1, mu_dtype=jnp.bfloat16)
    _, state = tx.step(PARAMS, tx.init(PARAMS), grads=PARAMS)
    wide = state.replace(mu=jax.tree.map(lambda x: x.astype(jnp.float32), state.mu))
    with pytest.warns(UserWarning, match=r"state\.mu is float32, and not bfloat16") as caught:
        stepped, after = tx.step(PARAMS, wide, grads=PARAMS)
    assert [warning.filename for warning in caught] == [__file__]
    assert_close((stepped, after), tx.step(PARAMS, state, grads=PARAMS), rtol=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tx.step(PARAMS, after, grads=PARAMS)


@pytest.mark.parametrize("way", [lambda f: f, jax.jit], ids=["eager", "jitted"])
def test_a_warning_names_the_line_that_calls(way):
    tx = optgen.adamw(0.1, mu_dtype=jnp.bfloat16)
    state = tx.init(PARAMS)
    wide = state.replace(mu=jax.tree.map(lambda x: x.astype(jnp.float32), state.mu))
    line = inspect.currentframe().f_lineno + 2
    with pytest.warns(UserWarning, match="is cast to those of this one") as caught:
        way(tx.update)(PARAMS, wide, PARAMS)
    assert [(warning.filename, warning.lineno) for warning in caught] == [(__file__, line)]


def test_a_slot_that_has_the_dtype_of_other_parameters_keeps_it():
    tx, narrow = optgen.adamw(0.1), jax.tree.map(lambda x: x.astype(jnp.bfloat16), PARAMS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, after = tx.step(narrow, tx.init(PARAMS), grads=narrow)
    assert after.nu["w"].dtype == jnp.float32


@pytest.mark.parametrize("name", ["adamw", "adafactor"])
def test_a_checkpoint_restored_without_a_target_is_a_state_again(name, tmp_path):
    tx = getattr(optgen, name)(0.1)
    params, state = tx.step(PARAMS, tx.init(PARAMS), grads=PARAMS)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "step", {"params": params, "state": state})
        checkpointer.wait_until_finished()
        restored = checkpointer.restore(tmp_path / "step")
    expected = tx.step(params, state, grads=PARAMS)
    with pytest.raises(TreeError, match=r"is a dict, .* pass optgen\.State\(\*\*state\)"):
        tx.step(restored["params"], restored["state"], grads=PARAMS)
    again = optgen.State(**restored["state"])
    assert_close(tx.step(restored["params"], again, grads=PARAMS)[0], expected[0], rtol=0)


def test_flax_serializes_a_state():
    tx = optgen.adamw(0.1)
    _, state = tx.step(PARAMS, tx.init(PARAMS), grads=PARAMS)
    data = flax.serialization.to_bytes(state)
    assert_close(flax.serialization.from_bytes(tx.init(PARAMS), data), state, rtol=0)
    fields = flax.serialization.msgpack_restore(data)
    again = optgen.State(**fields)
    assert_close(tx.step(PARAMS, again, grads=PARAMS), tx.step(PARAMS, state, grads=PARAMS), rtol=0)
