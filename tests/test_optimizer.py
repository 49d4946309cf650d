"""Optimizers on trees and hyperparameters of all kinds."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optgen
from optgen.errors import TreeError


def tree(**leaves):
    return {name: jnp.asarray(leaf, jnp.float32) for name, leaf in leaves.items()}


def steps(tx, params, grads, count=1):
    """The parameters and the state after some fused steps with the same gradients."""
    state = tx.init(params)
    for _ in range(count):
        params, state = tx.step(params, state, grads=grads)
    return params, state


# Trees.


@pytest.mark.parametrize("absent", [None, optax.MaskedNode()])
def test_absent_leaves_stay_absent(absent):
    params = {**tree(w=np.ones(3)), "absent": absent}
    tx = optgen.chain(optgen.clip_by_global_norm(1.0), optgen.adamw(0.1))
    state = tx.init(params)
    updates, state = tx.update(params, state, params)
    after, state = tx.step(params, state, grads=params)
    for found in (updates, after, state.mu, state.nu):
        assert found["absent"] == absent
        assert found["w"].shape == (3,)


@pytest.mark.parametrize("absent", [None, optax.MaskedNode()])
def test_a_leaf_without_a_gradient_is_left_alone(absent):
    tx = optgen.chain(optgen.clip_by_global_norm(1.0), optgen.adamw(0.1))
    params = tree(w=[1.0, 2.0], frozen=[3.0])
    params, state = steps(tx, params, params, 2)
    grads = {"w": params["w"], "frozen": absent}

    updates, after = tx.update(grads, state, params)
    assert updates["frozen"] == absent
    stepped, _ = tx.step(params, state, grads=grads)
    np.testing.assert_array_equal(stepped["frozen"], params["frozen"])
    assert np.all(stepped["w"] != params["w"])
    for slot in ("mu", "nu"):
        np.testing.assert_array_equal(after.slots[slot]["frozen"], state.slots[slot]["frozen"])
    assert int(after.count) == 3

    # It counts for nothing in a reduction over the tree either: as if it were not there.
    alone, _ = tx.step(
        {"w": params["w"]},
        jax.tree.map(lambda leaf: leaf, state).replace(
            mu={"w": state.mu["w"]}, nu={"w": state.nu["w"]}
        ),
        grads={"w": grads["w"]},
    )
    np.testing.assert_array_equal(stepped["w"], alone["w"])


def test_a_gradient_of_none_needs_the_parameters():
    tx = optgen.sgd(0.1, momentum=0.9)
    params = tree(w=[1.0], frozen=[3.0])
    with pytest.raises(TreeError, match="Where a gradient is None, pass the parameters"):
        tx.update({"w": params["w"], "frozen": None}, tx.init(params))


@pytest.mark.parametrize("params", [{}, (), None, {"a": None}], ids=str)
def test_trees_of_nothing(params):
    tx = optgen.chain(optgen.clip_by_global_norm(1.0), optgen.adamw(0.1))
    state = tx.init(params)
    updates, state = tx.update(params, state, params)
    assert updates == params
    assert int(state.count) == 1


def test_any_pytree_of_any_arrays():
    params = [np.ones((2, 0), np.float32), (np.float32(1.0), {"x": np.ones(3, np.float32)})]
    tx = optgen.lamb(0.1, weight_decay=0.1)
    after, state = steps(tx, params, params, 2)
    assert jax.tree.structure(after) == jax.tree.structure(params)
    assert jax.tree.map(np.shape, after) == jax.tree.map(np.shape, params)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves((after, state)))
    alone, _ = steps(tx, jnp.ones(3), jnp.ones(3), 2)
    np.testing.assert_array_equal(after[1][1]["x"], alone)


@pytest.mark.parametrize("x64", [False, True])
def test_leaves_of_several_dtypes_each_keep_theirs(x64):
    with jax.enable_x64(x64):
        dtypes = ["bfloat16", "float16", "float32", *(["float64"] if x64 else [])]
        values = np.linspace(-1, 1, 7)
        params = {dtype: jnp.asarray(values, dtype) for dtype in dtypes}
        tx = optgen.chain(optgen.clip_by_global_norm(1.0), optgen.adamw(0.1, weight_decay=0.1))
        state = tx.init(params)
        updates, _ = tx.update(params, state, params)
        after, state = tx.step(params, state, grads=params)
        for found in (updates, after, state.mu, state.nu):
            assert {name: leaf.dtype.name for name, leaf in found.items()} == dict(
                zip(dtypes, dtypes, strict=True)
            )

        # The arithmetic is that of float32, rounded once at the end.
        wide = {name: leaf.astype("float32") for name, leaf in params.items() if name != "float64"}
        wide |= {name: leaf for name, leaf in params.items() if name == "float64"}
        expected, _ = tx.step(wide, tx.init(wide), grads=wide)
        for name in dtypes:
            rounded = np.asarray(expected[name].astype(name), np.float64)
            np.testing.assert_array_equal(np.asarray(after[name], np.float64), rounded)
        if x64:
            exact = float(
                np.abs(np.asarray(after["float64"]) - np.asarray(expected["float32"])).max()
            )
            assert 0 < exact < 1e-6


def test_step_rounds_once_where_update_and_apply_round_twice():
    params, grads = jnp.bfloat16([1.0]), jnp.bfloat16([1.0])
    tx = optgen.sgd(0.00389)  # half a unit in the last place below 1, less a little
    stepped, _ = tx.step(params, tx.init(params), grads=grads)
    exact = np.float32(1) - np.float32(0.00389)
    np.testing.assert_array_equal(stepped, jnp.bfloat16([exact]))


def test_gradients_may_be_wider_than_the_parameters():
    params = {"w": jnp.ones(3, jnp.bfloat16)}
    grads = {"w": jnp.full(3, 1 / 3, jnp.float32)}
    tx = optgen.adam(0.1)
    state = tx.init(params)
    updates, after = tx.update(grads, state, params)
    assert updates["w"].dtype == jnp.float32
    stepped, _ = tx.step(params, state, grads=grads)
    assert stepped["w"].dtype == after.mu["w"].dtype == jnp.bfloat16


def test_the_count_stops_at_the_largest_int32():
    tx, params = optgen.adam(0.1), jnp.ones(3)
    last = jnp.int32(np.iinfo(np.int32).max)
    state = tx.init(params).replace(count=last)
    after, state = tx.step(params, state, grads=params)
    assert state.count == last
    assert np.all(np.isfinite(after))


# Hyperparameters.


def test_schedules_are_called_with_the_count_from_zero():
    tx = optgen.sgd(lambda count: 10.0 ** -count.astype(jnp.float32))
    params, state = jnp.zeros(1), tx.init(jnp.zeros(1))
    seen = []
    for _ in range(3):
        updates, state = tx.update(jnp.ones(1), state, params)
        seen.append(float(-updates[0]))
    np.testing.assert_allclose(seen, [1.0, 0.1, 0.01], rtol=1e-6)


@pytest.mark.parametrize("number", [float, np.float64, np.float32, jnp.float32, jnp.bfloat16])
def test_hyperparameters_are_numbers_of_any_kind(number):
    tx = optgen.sgd(number(0.5), momentum=number(0.25))
    params, _ = steps(tx, jnp.zeros(2), jnp.ones(2), 2)
    np.testing.assert_array_equal(params, -0.5 - 0.5 * 1.25)


def test_hyperparameters_by_position_are_those_of_optax():
    ours = optgen.adamw(0.1, 0.8, 0.9, 1e-4, 1e-5, jnp.bfloat16, 0.1, {"w": True})
    named = optgen.adamw(
        0.1, b1=0.8, b2=0.9, eps=1e-4, eps_root=1e-5, mu_dtype=jnp.bfloat16, weight_decay=0.1,
        mask={"w": True},
    )  # fmt: skip
    params = tree(w=[1.0, 2.0])
    found, expected = steps(ours, params, params), steps(named, params, params)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_float64_slot_is_float32_where_there_is_no_float64():
    state = optgen.adam(0.1, mu_dtype="float64").init(jnp.ones(2))
    assert state.mu.dtype == jnp.float32


MASKS = {
    "none": None,
    "true": True,
    "false": False,
    "tree": {"dense": {"w": True, "b": False}, "scale": True},
    "prefix": {"dense": False, "scale": True},
    "function": lambda params: jax.tree.map(lambda leaf: leaf.ndim > 0, params),
    "function of a prefix": lambda params: {"dense": True, "scale": False},
}


@pytest.mark.parametrize("mask", MASKS)
def test_masks_say_what_they_say_to_optax(mask):
    params = {"dense": tree(w=[1.0, 2.0], b=3.0), "scale": jnp.float32(4.0)}
    grads = jax.tree.map(jnp.zeros_like, params)
    found, _ = optgen.adamw(0.1, weight_decay=0.5, mask=MASKS[mask]).step(
        params, optgen.adamw(0.1).init(params), grads=grads
    )
    theirs = optax.adamw(0.1, weight_decay=0.5, mask=MASKS[mask])
    updates, _ = theirs.update(grads, theirs.init(params), params)
    expected = optax.apply_updates(params, updates)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
