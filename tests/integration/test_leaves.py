"""Leaves that are no arrays of floating-point numbers, as optax takes them."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optgen
from optgen.errors import TreeError
from optgen.runtime.execution import driver, initial
from tests.integration.training import assert_close


def same_as_optax(name, params, grads):
    """Two updates of a rule, as optax makes them; returns the last ones."""
    ours, theirs = (getattr(library, name)(0.1) for library in (optgen, optax))
    state, expected_state = ours.init(params), theirs.init(params)
    for _ in range(2):
        updates, state = ours.update(grads, state, params)
        expected, expected_state = theirs.update(grads, expected_state, params)
        for a, b in zip(jax.tree.leaves(updates), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5)
    return updates


# What has no gradient is not looked at.


def model(**others):
    return {
        "w": jnp.ones((3, 2)),
        "activation": jnp.tanh,
        "name": "mlp",
        "n": jnp.arange(3),
    } | others


@pytest.mark.parametrize("name", ["sgd", "adamw", "lamb", "adafactor"])
def test_a_parameter_without_a_gradient_may_be_anything(name):
    tx = optgen.chain(optgen.clip_by_global_norm(1.0), getattr(optgen, name)(0.1))
    whole = model(frozen=jnp.ones(5))
    arrays = {key: leaf if key == "w" else None for key, leaf in whole.items()}
    state = tx.init(arrays)
    updates, after = tx.update(arrays, state, whole)
    expected, _ = tx.update(arrays, state, arrays)
    assert_close(updates, expected, rtol=0)
    assert jax.tree.structure(after) == jax.tree.structure(state)
    stepped, _ = tx.step(whole, state, grads=arrays)
    assert all(stepped[key] is whole[key] for key in whole if key != "w")
    assert np.all(stepped["w"] != whole["w"])


def test_a_gradient_makes_it_looked_at():
    tx, whole = optgen.sgd(0.1), model()
    grads = {key: jnp.ones((3, 2)) for key in whole}
    with pytest.raises(TreeError, match=r"params at \['activation'\] is .*, not an array"):
        tx.update(grads, tx.init(None), whole)


# Numbers of Python and NumPy.


@pytest.mark.parametrize("number", [float, np.float64, np.float32, np.asarray])
@pytest.mark.parametrize("name", ["sgd", "adamw", "lion"])
def test_numbers_are_leaves(name, number):
    updates = same_as_optax(
        name, {"a": number(2.0), "b": jnp.ones(2)}, {"a": number(1.0), "b": jnp.ones(2)}
    )
    assert updates["a"].dtype == jnp.float32
    tx, params = getattr(optgen, name)(0.1), {"a": number(2.0)}
    stepped, _ = tx.step(params, tx.init(params), grads={"a": 1.0})
    assert isinstance(stepped["a"], jax.Array)


def test_numpy_arrays_of_doubles_are_float32_outside_of_x64():
    updates = same_as_optax("adamw", {"a": np.ones(2)}, {"a": np.ones(2)})
    assert updates["a"].dtype == jnp.float32
    with jax.enable_x64(True):
        updates = same_as_optax("adamw", {"a": np.ones(2)}, {"a": np.ones(2)})
        assert updates["a"].dtype == jnp.float64


# Integers.


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool"])
@pytest.mark.parametrize("name", ["sgd", "lamb", "rmsprop"])
def test_an_integer_leaf_with_a_gradient_of_zeros_has_an_update_of_zeros(name, dtype):
    params = {"w": jnp.ones(2), "n": jnp.ones(3, dtype)}
    grads = {"w": jnp.ones(2), "n": jnp.zeros(3, dtype)}
    updates = same_as_optax(name, params, grads)
    assert updates["n"].dtype == jnp.float32
    applied = optax.apply_updates(params, updates)
    assert applied["n"].dtype == dtype
    np.testing.assert_array_equal(applied["n"], params["n"])


@pytest.mark.parametrize("way", [lambda f: f, jax.jit], ids=["eager", "jitted"])
@pytest.mark.parametrize("dtype", ["int32", "bool"])
def test_gradients_of_zeros_need_no_parameters(dtype, way):
    grads = {"w": jnp.ones(3), "n": jnp.zeros(2, dtype)}
    ours, theirs = (library.sgd(0.5, momentum=0.9) for library in (optgen, optax))
    updates, _ = way(ours.update)(grads, ours.init(grads))
    expected, _ = theirs.update(grads, theirs.init(grads))
    assert_close(updates, expected, rtol=1e-6)


def test_a_gradient_of_integers_without_parameters_is_an_error():
    tx, grads = optgen.sgd(0.5), {"w": jnp.ones(3), "n": jnp.arange(2)}
    with pytest.raises(TreeError, match=r"grads at \['n'\] holds integers"):
        tx.update(grads, tx.init(grads))


@pytest.mark.parametrize("name", ["sgd", "adamw", "adafactor"])
def test_an_integer_leaf_is_not_trained(name):
    tx = optgen.chain(optgen.clip_by_global_norm(1.0), getattr(optgen, name)(0.1))
    params = {"w": jnp.ones(2), "n": jnp.arange(3), "m": 7}
    grads = jax.grad(lambda p: jnp.sum(p["w"] ** 2), allow_int=True)(params)
    assert grads["n"].dtype == jax.dtypes.float0
    state = tx.init(params)
    stepped, after = tx.step(params, state, grads=grads)
    alone, _ = tx.step({"w": params["w"]}, tx.init({"w": params["w"]}), grads={"w": grads["w"]})
    np.testing.assert_array_equal(stepped["w"], alone["w"])
    assert (stepped["n"] is params["n"], stepped["m"]) == (True, 7)
    assert all(slot["n"] is None for name, slot in getattr(after, "slots", {}).items())
    jitted, _ = jax.jit(lambda p, s, g: tx.step(p | {"m": 7}, s, grads=g | {"m": None}))(
        {key: params[key] for key in "wn"}, state, {key: grads[key] for key in "wn"}
    )
    np.testing.assert_array_equal(jitted["n"], params["n"])


# Masks.


def test_masks_of_truth_values_of_jax_and_numpy():
    params = {"w": jnp.ones(2), "b": jnp.ones(2)}
    grads = jax.tree.map(jnp.zeros_like, params)
    for true, false in ((jnp.array(True), jnp.array(False)), (np.True_, np.False_)):
        tx = optgen.adamw(0.1, weight_decay=0.5, mask={"w": true, "b": false})
        updates, _ = tx.update(grads, tx.init(params), params)
        np.testing.assert_allclose(updates["w"], -0.05, rtol=1e-6)
        np.testing.assert_array_equal(updates["b"], 0)


# The first state of many leaves.


@pytest.mark.parametrize("name", ["adamw", "adafactor", "rmsprop"])
def test_like_leaves_share_the_programs_of_their_first_state(name, monkeypatch):
    kinds = []

    def reads_values(leaf, functions):
        kinds.append(leaf.shape)
        return False

    monkeypatch.setattr(initial, "_reads_values", reads_values)
    tx, reference = getattr(optgen, name)(0.1), getattr(optax, name)(0.1)
    counts = {(130, 140): 13, (3,): 6, (): 1, (0, 2): 7}
    params = [jnp.ones(shape) for shape, count in counts.items() for _ in range(count)]
    driver._placed_init.cache_clear()
    state = tx.init(params)
    assert sorted(set(kinds)) == sorted(counts)
    assert len(kinds) == 2 * len(counts)
    updates, _ = tx.update(params, state, params)
    expected, _ = reference.update(params, reference.init(params), params)
    assert_close(updates, expected, rtol=1e-5)
    slots = jax.tree.leaves(state.slots)
    places = {slot.unsafe_buffer_pointer() for slot in slots if slot.size}
    assert len(places) == sum(slot.size > 0 for slot in slots)
