"""The dtypes of updates beside optax's, for every mix of parameters and gradients."""

import itertools

import jax
import jax.numpy as jnp
import optax
import pytest

import optgen
import optgen_kernels
from optgen import dsl

DTYPES = ("float32", "bfloat16", "float16")

CASES = [
    ("sgd", {}),
    ("sgd", {"momentum": 0.9}),
    ("sgd", {"momentum": 0.9, "nesterov": True}),
    ("sgd", {"momentum": 0.9, "accumulator_dtype": "float32"}),
    ("adam", {}),
    ("adam", {"mu_dtype": "bfloat16"}),
    ("adam", {"mu_dtype": "float32"}),
    ("adamw", {}),
    ("amsgrad", {}),
    ("nadam", {}),
    ("nadamw", {}),
    ("lion", {}),
    ("lion", {"mu_dtype": "float32"}),
    ("adafactor", {}),
    ("adafactor", {"momentum": 0.9}),
    ("adafactor", {"min_dim_size_to_factor": 2}),
    ("adafactor", {"min_dim_size_to_factor": 2, "multiply_by_parameter_scale": False,
                   "clipping_threshold": None}),
    ("lamb", {}),
    ("lars", {}),
    ("rmsprop", {}),
    ("rmsprop", {"momentum": 0.9, "centered": True}),
    ("adagrad", {}),
]  # fmt: skip


def dtypes_of_updates(tx, pairs):
    params = {f"{p} {g}": jnp.ones((4, 4), p) for p, g in pairs}
    grads = {f"{p} {g}": jnp.ones((4, 4), g) for p, g in pairs}
    updates, _ = tx.update(grads, tx.init(params), params)
    return {name: leaf.dtype.name for name, leaf in updates.items()}


def compared(name, settings, dtypes):
    pairs = list(itertools.product(dtypes, repeat=2))
    ours, theirs = (getattr(library, name)(0.1, **settings) for library in (optgen, optax))
    assert dtypes_of_updates(ours, pairs) == dtypes_of_updates(theirs, pairs)


@pytest.mark.parametrize(("name", "settings"), CASES, ids=str)
def test_updates_have_the_dtypes_that_they_have_in_optax(name, settings, monkeypatch):
    monkeypatch.setenv("OPTGEN_TARGET", "xla")
    compared(name, settings, DTYPES)


@pytest.mark.parametrize("name", ["sgd", "adamw", "lamb"])
def test_on_each_target(name, each_target):
    compared(name, {}, DTYPES)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "settings"), CASES, ids=str)
def test_beside_float64_too(name, settings, monkeypatch):
    monkeypatch.setenv("OPTGEN_TARGET", "xla")
    with jax.enable_x64(True):
        compared(name, settings, (*DTYPES, "float64"))


def test_a_packaged_rule_has_them_too():
    pairs = list(itertools.product(DTYPES, repeat=2))
    ours, theirs = (library.adamw(0.1) for library in (optgen_kernels, optax))
    assert dtypes_of_updates(ours, pairs) == dtypes_of_updates(theirs, pairs)


@pytest.mark.parametrize("part", ["scale_by_adam", "scale_by_rms", "scale_by_lion"])
def test_without_parameters_those_of_the_slots_count(part):
    params, grads = jnp.ones((4, 4)), jnp.ones((4, 4), jnp.bfloat16)
    for library in (optgen, optax):
        tx = getattr(library, part)()
        updates, _ = tx.update(grads, tx.init(params))
        assert updates.dtype == jnp.float32


@dsl.rule
def cautious(g, p, *, learning_rate):
    """Steps where the gradient and the parameter have one sign."""
    mean = dsl.state("mean", like=p, dtype="float32")
    mean.next = 0.5 * mean + 0.5 * g
    return -learning_rate * g * (g * p * mean.next > 0)


def test_what_only_decides_has_no_say():
    tx, params, grads = cautious(0.1), jnp.ones(3), jnp.ones(3, jnp.bfloat16)
    updates, _ = tx.update(grads, tx.init(params), params)
    assert updates.dtype == jnp.bfloat16
