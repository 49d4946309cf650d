"""Launches of the ``cpu`` target: which leaves they take, and the one custom call of each."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optgen
from optgen.compile import compile_tree
from optgen.runtime.execution.cpu import executor
from optgen.runtime.execution.cpu.order import kernel_places, scalar_places
from optgen.runtime.execution.targets import machine
from tests.targets import CHAIN, make, statistics


@pytest.fixture
def calls(monkeypatch):
    """Arguments of the custom calls of a step, collected while it is traced."""
    recorded = []

    def record(key, plan, arguments, results, aliases):
        recorded.append((list(plan), list(arguments), list(results), dict(aliases)))
        return [jnp.zeros(result.shape, result.dtype) for result in results]

    monkeypatch.setattr(executor, "call", record)
    return recorded


def trace(tx, params):
    state = jax.eval_shape(tx.init, params)
    jax.clear_caches()
    jax.jit(lambda p, s, g: tx.step(p, s, grads=g)).lower(params, state, params)


def leaf(*shape, dtype="float32"):
    return jax.ShapeDtypeStruct(shape, dtype)


def read(plan, kernels):
    """The scalars, and for each leaf its dimensions and its kernels with their operands."""
    numbers = iter(plan)
    scalars = [next(numbers) for _ in range(2)]
    scalars += [next(numbers) for _ in range(scalars[0])]
    leaves = []
    for _ in range(next(numbers)):
        dimensions = next(numbers)
        extents = [next(numbers) for _ in range(dimensions)]
        order = [next(numbers) for _ in range(dimensions)]
        runs = []
        for _ in range(next(numbers)):
            kernel = kernels[next(numbers)]
            runs.append((kernel.function, {x.name: next(numbers) for x in kernel.operands}))
        leaves.append((extents, order, runs))
    assert next(numbers, None) is None
    return scalars, leaves


def test_a_call_is_given_what_its_launch_says(calls):
    params = {"columns": leaf(200, 129), "rows": leaf(3, 129, 200), "whole": leaf(7)}
    tx = make("adafactor", "cpu")
    plan = tx.plan(params, machine("here"))
    (launch,) = plan.launches
    sequences = list(dict.fromkeys(x.sequence for x in plan.leaves))
    trace(tx, params)
    (numbers, arguments, results, aliases), *_ = calls
    by_name = {k.function: k for s in sequences for k in s.kernels}
    kernel_numbers, scalar_numbers = places(tx, params)
    kernels = {number: by_name.get(name) for name, number in kernel_numbers.items()}
    scalars, leaves = read(numbers, kernels)
    names = list(scalar_numbers)
    used = {name for run in launch.runs for k in run.kernels for name in k.scalars}
    assert {names[place] for place in scalars[2:]} == used
    assert arguments[0].shape == (len(used),)
    assert [[name for name, _ in runs] for _, _, runs in leaves] == [
        [k.function for k in run.kernels] for run in launch.runs
    ]
    assert [(extents, order) for extents, order, _ in leaves] == [
        ([1, 129, 200], [0, 2, 1]),  # the mathematics' rows are innermost in memory
        ([3, 129, 200], [0, 1, 2]),
        ([7], [0]),
    ]
    _, _, runs = leaves[0]
    (_, first), (_, finalize), (_, _), (_, step) = runs
    assert finalize["v_row"] == step["v_row"] < 0  # a result, from its update on
    assert first["square_row_sums"] == finalize["square_row_sums"] < 0
    assert first["g"] == step["g"] > 0
    assert first["p"] == step["p"] == -1 - aliases[argument_of(aliases, step["p"])]
    assert results[-1 - step["p"]].shape == (200, 129)


def argument_of(aliases, number):
    (argument,) = (a for a, result in aliases.items() if result == -1 - number)
    return argument


def places(tx, params):
    """The places of kernels and of scalars in the library of a tree."""
    module = compile_tree(tx.instance.composition, tx.trees.specs(params), "cpu").module
    sequences = module.kernels["cpu"].sequences
    return kernel_places(sequences), scalar_places(sequences)


def test_a_phase_is_one_call_and_contributions_are_numbers(calls):
    params = {"w": leaf(30, 40), "b": leaf(5)}
    trace(statistics(0.1, target="cpu"), params)
    assert len(calls) == 2
    contributed = [result.shape for result in calls[0][2]]
    assert contributed.count(()) >= 2  # the contribution of each leaf, beside its own statistics


def test_what_no_kernels_serve_is_no_part_of_a_call(calls):
    params = {"empty": leaf(0, 3), "batch_inside": leaf(129, 130, 3), "served": leaf(130, 140)}
    tx = make("adafactor", "cpu")
    reasons = [launch.reason for launch in tx.plan(params).launches if launch.by_xla]
    assert sorted(reasons) == [
        "it has no elements",
        "its rows and columns are not innermost in memory",
    ]
    trace(tx, params)
    assert [shape.shape for shape in calls[0][2]].count((130, 140)) == 1
    assert not any(a.shape in ((0, 3), (129, 130, 3)) for a in calls[0][1])


def test_scalars_are_in_double_beside_float64():
    with jax.enable_x64(True):
        params = {"wide": jnp.ones(5, jnp.float64), "narrow": jnp.ones(5, jnp.float32)}
        native, portable = (optgen.adam(0.1, b1=1 / 3, target=t) for t in ("cpu", "xla"))
        got = native.step(params, native.init(params), grads=params)[0]
        wanted = portable.step(params, portable.init(params), grads=params)[0]
    np.testing.assert_allclose(got["wide"], wanted["wide"], rtol=1e-15)
    np.testing.assert_allclose(got["narrow"], wanted["narrow"], rtol=1e-6)


def test_a_tree_reduction_of_kernels_and_of_empty_leaves():
    params = {"w": jnp.ones((30, 40)), "empty": jnp.ones((0, 3)), "b": jnp.ones(())}
    native, portable = make(CHAIN, "cpu"), make(CHAIN, "xla")
    got = native.step(params, native.init(params), grads=params)[0]
    wanted = portable.step(params, portable.init(params), grads=params)[0]
    for name in params:
        np.testing.assert_allclose(got[name], wanted[name], rtol=1e-6)
