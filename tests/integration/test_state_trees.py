"""States as optax's functions over them see them, and those of trees without some leaves."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optgen
import optgen_kernels
from optgen import dsl
from optgen.zoo import STOCK
from tests.integration.training import assert_close

PARAMS = {"w": jnp.ones((256, 128)), "b": jnp.ones(3)}
SETTINGS = {"sgd": {"momentum": 0.9}, "rmsprop": {"momentum": 0.9, "centered": True}}


def stock(name):
    return getattr(optgen, name)(0.1, **SETTINGS.get(name, {}))


@pytest.mark.parametrize("name", STOCK)
def test_the_shardings_of_a_state_are_made_of_those_of_the_parameters(name):
    mesh = jax.make_mesh((1,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))
    everywhere = jax.sharding.NamedSharding(mesh, jax.P())
    shardings = {
        "w": jax.sharding.NamedSharding(mesh, jax.P("x", None)),
        "b": jax.sharding.NamedSharding(mesh, jax.P("x")),
    }
    tx = stock(name)
    state = tx.init(PARAMS)
    of_state = optax.tree_map_params(
        tx,
        lambda slot, sharding: slot if slot is None else sharding,
        state,
        shardings,
        transform_non_params=lambda _: everywhere,
        is_leaf=lambda slot: slot is None,
    )
    assert of_state.count == everywhere
    for column in of_state.slots.values():
        assert all(column[key] in (None, shardings[key]) for key in PARAMS)
    assert jax.tree.structure(of_state) == jax.tree.structure(state)


@pytest.mark.parametrize("name", STOCK)
def test_what_optax_maps_over_is_every_array_like_a_parameter(name):
    tx = stock(name)
    state = tx.init(PARAMS)
    ones = optax.tree_map_params(tx, jnp.ones_like, state)
    assert ones.count == 0
    for slot in ones.slots.values():
        assert all(np.all(np.asarray(leaf) == 1) for leaf in jax.tree.leaves(slot))


def test_optax_maps_over_the_states_of_chains():
    tx = optax.chain(optgen.clip_by_global_norm(1.0), stock("lion"))
    ours = optgen.chain(optgen.clip_by_global_norm(1.0), stock("lion"))
    for transformation in (tx, ours):
        state = transformation.init(PARAMS)
        doubled = optax.tree_map_params(transformation, lambda x: x + 2, state)
        mu = optax.tree_utils.tree_get(doubled, "mu")
        np.testing.assert_array_equal(mu["b"], np.full(3, 2.0))
        assert int(optax.tree_utils.tree_get(doubled, "count")) == 0


def test_a_mask_is_not_asked_about_a_tree_without_leaves():
    tx = optgen.adamw(0.1, mask={"w": True, "b": False})
    mapped = optax.tree_map_params(tx, lambda x: x + 1, tx.init(PARAMS))
    np.testing.assert_array_equal(mapped.nu["b"], np.ones(3))


@pytest.mark.parametrize("library", [optgen, optgen_kernels])
@pytest.mark.parametrize("name", STOCK)
def test_the_slots_do_not_depend_on_the_leaves(name, library):
    tx = getattr(library, name)(0.1)
    fields = {tx.init(tree)._fields for tree in ({}, {"b": PARAMS["b"]}, PARAMS)}
    assert len(fields) == 1


@dsl.rule
def averaged(g, p, *, learning_rate):
    """A step along the mean over the tree of past gradients' norms."""
    norm = dsl.tree_state("norm", init=3.0)
    norm.next = norm + dsl.global_norm(g)
    if p.ndim > 1:
        trace = dsl.state("trace")
        trace.next = trace + g
        g = trace.next
    return -learning_rate * g / norm.next


def test_a_slot_of_the_tree_has_its_first_value_without_leaves_too():
    tx = averaged(0.1)
    state = tx.init({})
    assert state._fields == ("count", "trace", "norm")
    assert float(state.norm) == 3.0
    _, state = tx.update({}, state)
    assert (int(state.count), float(state.norm)) == (1, 3.0)


@dsl.rule
def of_matrices(g, p, *, learning_rate):
    """Steps along rows, for leaves that have some."""
    rows, columns = p.shape
    trace = dsl.state("trace", like=dsl.mean(g, axis=1))
    trace.next = trace + dsl.mean(g, axis=1)
    return -learning_rate * g * trace.next * rows / columns


def test_a_rule_that_refuses_most_leaves_has_the_slots_of_the_others():
    assert of_matrices(0.1).init({})._fields == ("count", "trace")


def test_a_state_without_the_slots_that_no_leaf_has_is_taken():
    tx, params = optgen.adafactor(0.1), {"b": PARAMS["b"]}
    state = tx.init(params)
    assert state.v_row == {"b": None}
    older = type(state)(state.count, v=state.v)
    assert_close(tx.step(params, older, grads=params), tx.step(params, state, grads=params))
    with pytest.raises(optgen.errors.TreeError, match="it has the slots v,"):
        tx.step(PARAMS, older, grads=PARAMS)


# Leaves of a kind of their own.


def kept_where(condition):
    """A rule that keeps a trace of some leaves alone."""

    @dsl.rule
    def partly(g, p, *, learning_rate):
        if condition(p):
            trace = dsl.state("trace")
            trace.next = trace + g
            g = trace.next
        return -learning_rate * g

    return partly(0.5)


@pytest.mark.parametrize(
    ("condition", "leaf"),
    [
        (lambda p: p.ndim == 3, jnp.ones((2, 3, 4))),
        (lambda p: p.ndim == 5, jnp.ones((1, 2, 1, 2, 3))),
        (lambda p: p.dtype == "float16", jnp.ones(4, jnp.float16)),
        (lambda p: p.ndim == 2 and p.shape[0] == 5, jnp.ones((5, 2))),
    ],
    ids=["3-D", "5-D", "float16", "5 rows"],
)
def test_a_leaf_without_a_gradient_keeps_the_slot_that_it_alone_has(condition, leaf):
    tx = kept_where(condition)
    params = {"own": leaf, "b": jnp.ones(3)}
    _, state = tx.update(params, tx.init(params), params)
    updates, after = jax.jit(tx.update)(params | {"own": None}, state, params)
    np.testing.assert_allclose(updates["b"], -0.5 * np.ones(3))
    assert jax.tree.structure(after) == jax.tree.structure(state)
    np.testing.assert_array_equal(after.trace["own"], np.ones(leaf.shape))
    updates, _ = tx.update(params, after, params)
    np.testing.assert_allclose(updates["own"], -np.ones(leaf.shape))


def test_slots_of_another_optimizer_are_not_carried():
    tx, params = optgen.sgd(0.1, momentum=0.9), {"b": PARAMS["b"]}
    state = optgen.State(jnp.int32(0), trace=params, mu=params)
    with pytest.raises(optgen.errors.TreeError, match="the state is of another optimizer"):
        tx.update(params, state, params)


@dsl.rule
def counted(g, p, *, learning_rate):
    """Smaller steps for each matrix as time goes by."""
    return -learning_rate * g / dsl.step() if p.ndim == 2 else -learning_rate * g


@dsl.rule
def normed(g, p, *, learning_rate):
    """Steps of matrices along the norm of the last ones."""
    if p.ndim != 2:
        return -learning_rate * g
    norm = dsl.tree_state("norm", init=2.0)
    norm.next = dsl.global_norm(g)
    return -learning_rate * g / norm


@dsl.rule
def traced_without_mask(g, p, *, learning_rate, mask: dsl.Mask = None):
    """Momentum where there is no mask."""
    if mask is None:
        trace = dsl.state("trace")
        trace.next = trace + g
        g = trace.next
    return -learning_rate * g


@pytest.mark.parametrize("rule", [counted, normed, traced_without_mask, averaged])
@pytest.mark.parametrize("params", [PARAMS, {"b": PARAMS["b"]}], ids=["all", "vector"])
def test_optax_maps_over_the_state_of_rules_that_keep_something_for_some_leaves(rule, params):
    tx = rule(0.1)
    state = tx.init(params)
    assert state.count == 0
    doubled = optax.tree_map_params(tx, lambda x: x + 1, state)
    assert jax.tree.structure(doubled) == jax.tree.structure(state)
    assert doubled.count == 0
    for name, slot in state.slots.items():
        change = 0 if name == "norm" else 1
        expected = jax.tree.map(lambda x, change=change: x + change, slot)
        assert_close(doubled.slots[name], expected, rtol=0)
