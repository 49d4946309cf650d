"""The stock rules follow optax: the same trajectory, from the same gradients, to rounding."""

import inspect

import jax
import jax.numpy as jnp
import optax
import pytest

import optgen
from optgen.runtime.vocabulary.hyper import dtype_name
from optgen.zoo import ATOMS, STOCK
from tests.zoo import cases, trajectories

# The largest relative difference that there may be; `trajectories.distance` says of what.
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
# Two float32 values that differ in their last bit may round to neighbours in bf16.
STORED = {"bfloat16": 2.0**-7, "float16": 2.0**-10, "float32": 1e-5, "float64": 1e-12}


def make(case):
    ours = getattr(optgen, case.rule)(**case.settings, target="xla")
    theirs = getattr(optax, case.rule)(**case.settings)
    return ours, trajectories.widened(theirs)


def assert_follows(case, steps, dtype, *ways):
    with jax.enable_x64(dtype == "float64"):
        ours, theirs = make(case)
        each = [(theirs, trajectories.updating), *((ours, way) for way in ways)]
        reference, *runs = trajectories.run(each, steps, dtype)
        excess = {}
        for way, found in zip(ways, runs, strict=True):
            if found.state != optax.EmptyState():
                assert int(found.state.count) == steps
            for leaf, far in trajectories.distances(found.params, reference.params).items():
                excess[f"{way.__name__}: params{leaf}"] = far / TOLERANCE[dtype]
            for (slot, leaf), far in trajectories.state_distances(
                found.state, reference.state
            ).items():
                stored = str(found.state.slots[slot][leaf].dtype)
                allowed = max(STORED[stored], TOLERANCE[dtype])
                excess[f"{way.__name__}: state.{slot}[{leaf}]"] = far / allowed
    wrong = {where: far for where, far in excess.items() if not far <= 1}
    assert not wrong, f"times as far as allowed: {wrong}"


@pytest.mark.parametrize("case", cases.STOCK, ids=str)
def test_an_optimizer_follows_optax_for_200_steps(case):
    assert_follows(case, 200, "float32", trajectories.updating, trajectories.stepping)


@pytest.mark.parametrize("case", cases.STOCK, ids=str)
def test_an_optimizer_follows_optax_in_float64(case):
    assert_follows(case, 200, "float64", trajectories.stepping)


@pytest.mark.parametrize("case", cases.ATOMS, ids=str)
def test_an_atom_follows_optax(case):
    assert_follows(case, 20, "float64", trajectories.updating)


@pytest.mark.parametrize("name", [*STOCK, *ATOMS])
def test_every_rule_is_in_the_table(name):
    assert any(case.rule == name for case in (*cases.STOCK, *cases.ATOMS))


@pytest.mark.parametrize("name", [*STOCK, *ATOMS])
def test_arguments_and_defaults_are_those_of_optax(name):
    theirs = dict(inspect.signature(getattr(optax, name)).parameters)
    theirs.pop("decay_rate_fn", None)
    ours = dict(inspect.signature(getattr(optgen, name)).parameters)
    assert ours.pop("target").default == "auto"
    assert list(ours) == list(theirs)
    for argument, parameter in theirs.items():
        default = parameter.default
        if "dtype" in argument and default is not None:
            assert dtype_name(ours[argument].default) == dtype_name(default)
        else:
            assert ours[argument].default == default


@pytest.mark.parametrize("name", STOCK)
def test_docstrings_name_the_paper_and_every_hyperparameter(name):
    first, _, rest = inspect.getdoc(STOCK[name]).partition("\n")
    assert any(year in first for year in map(str, range(1951, 2030)))
    for hyperparameter in STOCK[name].hyperparameters:
        assert f"\n  {hyperparameter.name}: " in rest


def test_a_narrow_first_moment_is_closer_to_a_wide_one_than_optax_is():
    wide, narrow = optax.adam(2e-3), {"learning_rate": 2e-3, "mu_dtype": jnp.bfloat16}
    each = (wide, optax.adam(**narrow), optgen.adam(**narrow, target="xla"))
    exact, theirs, ours = trajectories.run(
        [(tx, trajectories.updating) for tx in each], 200, "float32"
    )
    assert ours.state.mu["matrix"].dtype == theirs.state[0].mu["matrix"].dtype == jnp.bfloat16

    def far(run):
        return trajectories.distance(run.params["matrix"], exact.params["matrix"])

    assert far(ours) < far(theirs) / 2
