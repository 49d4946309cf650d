"""The fused step: the order of its arguments, and what it updates in place."""

import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optgen
from tests.integration.training import assert_close, loss, parameters

STOCK = {
    "sgd": {"momentum": 0.9},
    "adamw": {},
    "rmsprop": {},
    "adafactor": {"min_dim_size_to_factor": 2},
    "lamb": {},
}


def optimizer(name):
    return getattr(optgen, name)(0.02, **STOCK[name])


def begun(tx):
    """Parameters, a state and gradients, no two of which share a buffer."""
    params = jax.tree.map(jnp.array, parameters())
    return params, tx.init(params), jax.grad(loss)(params)


def donated(tx, params, state, grads):
    jitted = jax.jit(tx.step, donate_argnums=(0, 1))
    return jitted.lower(params, state, grads=grads).compile()


def test_the_order_of_its_arguments_is_that_of_its_results():
    tx = optgen.adamw(0.1)
    names = list(inspect.signature(tx.step).parameters.values())
    assert [x.name for x in names[:2]] == ["params", "state"]
    kinds = {x.name: x.kind for x in names}
    assert kinds["grads"] == kinds["donate"] == inspect.Parameter.KEYWORD_ONLY


def test_the_order_of_update_is_an_error_even_where_the_trees_would_fit():
    tx = optgen.adamw(0.1)
    params, state, grads = begun(tx)
    with pytest.raises(TypeError, match=r"params, state = tx\.step\(params, state, grads=grads\)"):
        tx.step(grads, state, params)
    with pytest.raises(TypeError, match=r"params, state = tx\.step\(params, state, grads=grads\)"):
        jax.jit(tx.step)(grads, state, params)
    with pytest.raises(TypeError, match=r"params, state = tx\.step\(params, state, grads=grads\)"):
        tx.step(params, state)


def test_extra_arguments_are_ignored_as_those_of_update_are():
    tx = optgen.adamw(0.1)
    params, state, grads = begun(tx)
    expected = tx.step(params, state, grads=grads)
    assert_close(tx.step(params, state, grads=grads, value=3.0), expected, rtol=0)


@pytest.mark.parametrize("name", STOCK)
def test_every_leaf_of_the_one_line_step_is_aliased_and_none_copied(name, each_target):
    tx = optimizer(name)
    params, state, grads = begun(tx)
    compiled = donated(tx, params, state, grads)
    leaves = jax.tree.leaves((params, state))
    assert compiled.memory_analysis().alias_size_in_bytes == sum(x.nbytes for x in leaves)
    header = compiled.as_text().splitlines()[0]
    aliases = re.findall(r"\{(\d*)\}: \((\d+), \{\}, \w+-alias\)", header)
    assert sorted(int(result or 0) for result, _ in aliases) == list(range(len(leaves)))
    assert all(int(result or 0) == int(argument) for result, argument in aliases)
    copied = re.findall(r"= \w+\[\d[\d,]*\]\S* copy\(", compiled.as_text())
    assert not copied


@pytest.mark.parametrize("name", STOCK)
def test_donation_outside_jit_updates_where_the_arrays_are(name, each_target):
    tx = optimizer(name)
    params, state, grads = begun(tx)
    expected = jax.tree.map(jnp.array, (params, state))
    for _ in range(2):  # the second time with the arrays that the first one returned
        expected = tx.step(*expected, grads=grads)
        leaves = jax.tree.leaves((params, state))
        places = [leaf.unsafe_buffer_pointer() for leaf in leaves]
        params, state = tx.step(params, state, grads=grads, donate=True)
        assert all(leaf.is_deleted() for leaf in leaves)
        results = jax.tree.leaves((params, state))
        assert [leaf.unsafe_buffer_pointer() for leaf in results] == places
        assert_close((params, state), expected, rtol=1e-6)
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(grads))


def test_donation_changes_nothing_where_the_step_is_traced():
    tx = optgen.adamw(0.1)
    params, state, grads = begun(tx)

    def total(params):
        after, _ = tx.step(params, state, grads=grads, donate=True)
        return sum(
            jnp.sum(a * p) for a, p in zip(*map(jax.tree.leaves, (after, params)), strict=True)
        )

    gradient = jax.grad(total)(params)
    jitted, _ = jax.jit(lambda p, s: tx.step(p, s, grads=grads, donate=True))(params, state)
    assert_close(jitted, tx.step(params, state, grads=grads)[0], rtol=1e-6)
    assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves(gradient))
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves((params, state, grads)))


@pytest.mark.parametrize("donate", [False, True])
def test_donation_that_is_traced_itself_changes_nothing(donate):
    tx = optgen.adamw(0.1)
    params, state, grads = begun(tx)
    jitted, _ = jax.jit(tx.step)(params, state, grads=grads, donate=donate)
    assert_close(jitted, tx.step(params, state, grads=grads)[0], rtol=1e-6)
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves((params, state, grads)))
