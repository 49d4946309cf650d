"""Calls of launches, against the launch list that explain reads."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optgen
from optgen.runtime.execution import driver
from optgen.runtime.execution.listing import unrun_step
from optgen.runtime.execution.targets import TARGETS
from optgen.runtime.execution.triton import inspection
from optgen.runtime.execution.triton.launcher import TritonExecutor
from optgen.runtime.execution.triton.launches import LIMITS, launches
from optgen.runtime.vocabulary.launches import launch_traffic
from optgen.runtime.vocabulary.machine import Limits
from optgen.zoo import STOCK
from tests.runtime.triton.machine_code import shaped
from tests.targets import CHAIN, make

pytest.importorskip("triton")

SHAPES = {
    "scalar": (),
    "empty": (0, 3),
    "vector": (4099,),
    "wide": (256, 512),
    "tall": (512, 256),
    "odd": (129, 131),
    "kernel": (3, 3, 128, 256),
    "transposed": (3, 3, 256, 128),
}


class Calls(inspection.Recorder):
    """Keeps what each call was given; compiles nothing."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def call(self, kernels, sections, inputs, names, outputs, aliases, options):
        arrays = dict(zip(names, inputs, strict=True))
        self.calls.append((sections, arrays, outputs, {names[i] for i in aliases}))
        return [jnp.zeros(x.shape, x.dtype) for x in outputs.values()]


def recorded(tx, params):
    """The calls of a step."""
    module, placements = tx.trees.resolve(tx.trees.specs(params))
    known = driver.evaluate_hyperparameters(tx.instance.scalars, jnp.int32(0))
    leaves = jax.tree.leaves(params)
    step = unrun_step(TARGETS["triton"], module, placements, leaves, known)
    calls = Calls()
    jax.eval_shape(step.executed_by(TritonExecutor(step.kernels, calls.call)), leaves)
    return calls.calls


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", [*sorted(STOCK), CHAIN])
def test_each_launch_is_one_call_of_its_functions_on_its_leaves(name, dtype, monkeypatch):
    monkeypatch.setenv("OPTGEN_INTERPRET", "1")
    params = shaped(SHAPES, dtype)
    tx = make(name, "triton")
    plan = tx.plan(params, "h200")
    listed = [launch for launch in plan.launches if not launch.by_xla]
    calls = recorded(tx, params)
    assert len(calls) == len(listed) <= plan.launch_count
    for (sections, arrays, outputs, updated), launch in zip(calls, listed, strict=True):
        assert {section.function for section in sections} == set(launch.functions)
        assert sum(len(section.rows) for section in sections) == len(launch.runs)
        moved = launch_traffic(launch, plan.leaves)
        large = {x.name for run in launch.runs for k in run.kernels for x in k.operands if x.large}

        def size(given, of=large):
            named = {n: x for n, x in given.items() if n.rsplit("_", 2)[0] in of}
            return sum(int(np.prod(x.shape)) * x.dtype.itemsize for x in named.values())

        fresh = {n: x for n, x in outputs.items() if not n.endswith("_new")}
        new = {n.removesuffix("_new"): x for n, x in outputs.items() if n.endswith("_new")}
        assert set(new) == updated
        assert size(arrays) == sum(moved.reads[n] for n in large)
        assert size(fresh) + size(new) == sum(moved.writes[n] for n in large)


def test_matrices_are_apart_by_their_place_in_memory(monkeypatch):
    """Those whose rows are innermost, those whose columns are, and those that are not aligned."""
    monkeypatch.setenv("OPTGEN_INTERPRET", "1")
    matrices = ("wide", "tall", "odd", "kernel", "transposed")
    params = shaped({name: SHAPES[name] for name in matrices}, "float32")
    tx = optgen.adafactor(1e-3, target="triton")
    sections, *_ = recorded(tx, params)[0]
    assert {s.function for s in sections} == {"leaf_statistics"}
    apart = {(s.constants["ROWS_INNERMOST"], len(s.rows)) for s in sections}
    assert apart == {(0, 2), (1, 2), (0, 1)}


def test_a_launch_has_no_more_operands_than_the_limit():
    """jax_triton 0.3 passes twice what is updated in place: each operand counts as two."""
    params = shaped({f"leaf{i:04}": (8,) for i in range(1100)}, "float32")
    plan = optgen.adamw(1e-3, target="triton").plan(params, "h200")
    for limits in (LIMITS, Limits(operands=80), Limits(operands=1), Limits()):
        parts = launches(plan.leaves, limits)
        assert [run.leaf for launch in parts for run in launch.runs] == list(range(1100))
        for launch in parts:
            operands = sum(2 * len(run.kernels[0].operands) for run in launch.runs)
            assert limits.operands is None or operands <= max(limits.operands, 8)


def test_scalars_are_in_the_precision_of_the_leaves_that_read_them(monkeypatch):
    monkeypatch.setenv("OPTGEN_INTERPRET", "1")
    with jax.enable_x64(True):
        params = {
            "a": shaped({"x": (8,)}, "float32")["x"],
            "b": shaped({"x": (8,)}, "float64")["x"],
        }
        ((sections, arrays, *_),) = recorded(optgen.adamw(1e-3, target="triton"), params)
    named = {n: x.dtype.name for n, x in arrays.items() if n.startswith("scalars")}
    assert named == {"scalars_float32": "float32", "scalars_float64": "float64"}
    assert {section.scalars for section in sections} == set(named)
