"""An optimizer of optgen stands wherever optax's own does."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optgen
from tests.integration.training import assert_close, loss, parameters, train


def adamw(library, **settings):
    return library.adamw(**{"learning_rate": 0.02, "weight_decay": 0.1, **settings})


def by_kind(tree):
    return jax.tree.map(lambda leaf: "matrix" if jnp.ndim(leaf) > 1 else "rest", tree)


def only_matrices(tree):
    return jax.tree.map(lambda leaf: leaf.ndim > 1, tree)


FROZEN_BIAS = {"dense": {"kernel": True, "bias": False}, "scale": True}

WRAPPERS = {
    "chain": lambda library: optax.chain(
        optax.clip_by_global_norm(0.1), adamw(library), optax.ema(0.9)
    ),
    "chain of both": lambda library: optax.chain(library.clip(0.01), library.lamb(0.02)),
    "masked": lambda library: optax.masked(adamw(library), FROZEN_BIAS),
    "masked by a function": lambda library: optax.masked(adamw(library), only_matrices),
    "multi_transform": lambda library: optax.multi_transform(
        {"matrix": adamw(library), "rest": library.sgd(0.1, momentum=0.9)}, by_kind
    ),
    "partition with frozen leaves": lambda library: optax.partition(
        {"matrix": adamw(library), "rest": optax.set_to_zero()}, by_kind
    ),
    "MultiSteps": lambda library: optax.MultiSteps(adamw(library), 2),
    "MultiSteps with a schedule": lambda library: optax.MultiSteps(
        adamw(library, learning_rate=optax.linear_schedule(0.1, 0.0, 3)), 2
    ).gradient_transformation(),
    "apply_if_finite": lambda library: optax.apply_if_finite(adamw(library), 3),
    "conditionally_mask": lambda library: optax.transforms.conditionally_mask(
        adamw(library), lambda step: step > 1
    ),
    "inject_hyperparams": lambda library: optax.inject_hyperparams(library.adamw)(
        learning_rate=optax.linear_schedule(0.1, 0.0, 4), b1=0.8, mask=FROZEN_BIAS
    ),
    "inject_hyperparams of an int": lambda library: optax.inject_hyperparams(
        library.adafactor, static_args=("min_dim_size_to_factor", "dtype_momentum")
    )(0.02, min_dim_size_to_factor=2),
    "inject_hyperparams in a dtype": lambda library: optax.inject_hyperparams(
        library.adamw, hyperparam_dtype=jnp.float32
    )(learning_rate=0.02, weight_decay=0.1),
    "schedule_free": lambda library: optax.contrib.schedule_free(
        library.adamw(0.02, b1=0.0), 0.02, b1=0.9
    ),
    "lookahead of nothing": lambda library: optax.with_extra_args_support(adamw(library)),
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_inside_optax_wrappers(wrapper):
    ours, theirs = (train(WRAPPERS[wrapper](library))[0] for library in (optgen, optax))
    assert_close(ours, theirs)


def test_it_is_a_gradient_transformation_with_extra_args():
    tx = adamw(optgen)
    assert isinstance(tx, optax.GradientTransformationExtraArgs)
    init, update = tx
    assert optax.with_extra_args_support(tx) is tx
    params = parameters()
    updates, _ = update(params, init(params), params)
    assert jax.tree.structure(updates) == jax.tree.structure(params)


def test_extra_arguments_are_ignored():
    assert_close(train(adamw(optgen), value=3.0, anything=None)[0], train(adamw(optgen))[0], rtol=0)


def test_apply_if_finite_keeps_the_state_of_a_step_that_was_not():
    tx, params = optax.apply_if_finite(adamw(optgen), 3), parameters()
    grads = jax.grad(loss)(params)
    _, state = tx.update(grads, tx.init(params), params)
    broken = jax.tree.map(lambda g: g * jnp.nan, grads)
    updates, after = tx.update(broken, state, params)
    assert not any(jnp.any(u) for u in jax.tree.leaves(updates))
    assert_close(after.inner_state, state.inner_state, rtol=0)
    assert int(after.total_notfinite) == 1


def test_injected_hyperparameters_can_be_set_in_the_state():
    params, grads = jnp.ones(3), jnp.ones(3)
    tx = optax.inject_hyperparams(optgen.sgd)(learning_rate=0.5)
    state = tx.init(params)
    state.hyperparams["learning_rate"] = jnp.float32(0.25)
    updates, _ = tx.update(grads, state, params)
    np.testing.assert_array_equal(updates, -0.25)


def test_an_injected_static_hyperparameter_names_the_remedy():
    tx = optax.inject_hyperparams(optgen.adafactor)(learning_rate=0.1)
    with pytest.raises(optgen.errors.HyperparameterError, match="name it in static_args"):
        tx.init(jnp.ones(3))


def test_tree_get_and_tree_set_find_slots():
    tx = optax.chain(optax.clip(1.0), adamw(optgen))
    _, state = train(tx)
    mu = optax.tree_utils.tree_get(state, "mu")
    assert_close(mu, state[1].mu, rtol=0)
    assert int(optax.tree_utils.tree_get(state, "count")) == 5
    zeroed = optax.tree_utils.tree_set(state, mu=jax.tree.map(jnp.zeros_like, mu))
    assert not any(jnp.any(leaf) for leaf in jax.tree.leaves(zeroed[1].mu))
    assert_close(zeroed[1].nu, state[1].nu, rtol=0)


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop", "adagrad", "amsgrad", "nadam"])
def test_parameters_may_be_left_out_where_the_rule_does_not_read_them(name):
    params = parameters()
    grads = jax.grad(loss)(params)
    ours, theirs = getattr(optgen, name)(0.1), getattr(optax, name)(0.1)
    found, _ = ours.update(grads, ours.init(params))
    expected, _ = theirs.update(grads, theirs.init(params))
    assert_close(found, expected)


@pytest.mark.parametrize("name", ["adamw", "lamb", "lars", "lion", "adafactor"])
def test_parameters_must_be_passed_where_the_rule_reads_them(name):
    params = parameters()
    tx = getattr(optgen, name)(0.1)
    with pytest.raises(optgen.errors.TreeError, match=f"{name} reads the parameters"):
        tx.update(params, tx.init(params))


def test_a_chain_of_optgen_is_the_chain_of_optax():
    def chained(library):
        return library.chain(
            library.clip_by_global_norm(0.1), library.trace(0.9), library.adamw(0.02)
        )

    ours, theirs = train(chained(optgen))[0], train(chained(optax))[0]
    assert_close(ours, theirs)
