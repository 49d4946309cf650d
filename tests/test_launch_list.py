"""Launch lists are what runs: each launch that is planned, printed and explained, as it is called.

What runs is recorded at the lowest call of each target (see ``tests.recorder``), and compared with
the plan launch by launch: the functions, the leaves, the arrays that each function reads and
writes, and their bytes. All of it is equal, but for what a plan leaves out by its own word:

- the scalars of a launch, in a short vector for each dtype that leaves are computed in;
- the padding of arrays in a TPU's memory;
- of a reduction that a GPU's programs leave in parts, all parts but one. They are recorded, are
  whole numbers of it, and are fewer than a sixty-fourth of the leaf's elements;
- the parts that tiles on a CPU leave in memory of the launch code, which is in no call;
- whatever XLA moves of what is left to it beyond each array of the function, once each way.
"""

from collections import Counter, defaultdict
from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest

import optgen
from optgen.runtime.execution.tpu import tiled
from optgen.runtime.execution.tpu.chip import GENERATIONS
from optgen.tools.workloads import HYPERPARAMETERS, tree
from optgen.zoo import STOCK
from tests.recorder import record
from tests.schedule.planning import CPU
from tests.targets import CHAIN, maxima, statistics, tangled

MACHINES = {"xla": CPU, "cpu": CPU, "triton": "h200", "tpu": "v5e"}
MODES = ("step", "update")
MOST_PARTS = 1 / 64


def leaf(*shape, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(shape, dtype)


AWKWARD = {
    "scalar": leaf(),
    "empty": leaf(0, 3),
    "vector": leaf(7),
    "line": leaf(640),
    "one": leaf(1, 1),
    "wide_kernel": leaf(3, 3, 128, 256),
    "tall_kernel": leaf(3, 3, 256, 128),
    "half": leaf(300, 130, dtype=jnp.bfloat16),
    "half_vector": leaf(129, dtype=jnp.bfloat16),
    "stack": leaf(12, 768, 3072),
    "tall_stack": leaf(4, 512, 256),
    "batch_innermost": leaf(256, 512, 4),
    "above_vmem": leaf(8192, 8192),
}


def params_of(name):
    return AWKWARD if name == "awkward" else tree(name)


def made(name, target):
    if name == CHAIN:
        adamw = optgen.adamw(**HYPERPARAMETERS["adamw"])
        return optgen.chain(optgen.clip_by_global_norm(1.0), adamw, target=target)
    return STOCK[name](**HYPERPARAMETERS[name], target=target)


def compare(optimizer, params, target, mode, machine=None):
    """Compares what is planned, printed and explained of a step with what runs.

    Args:
      optimizer: the name of a stock rule, or a rule with one hyperparameter.
      params: a tree of ``jax.ShapeDtypeStruct``.
      target: the name of the target.
      mode: ``step`` or ``update``.
      machine: a machine that the target serves.
    """
    machine = machine or MACHINES[target]
    tx = made(optimizer, target) if isinstance(optimizer, str) else optimizer(0.1, target=target)
    planned = tx.plan(params, machine, mode)
    assert planned.target == target
    recorded = record(tx, params, target, mode, *([machine] if target == "tpu" else []))
    check(planned, recorded)
    check_explanation(tx.explain(params, machine, mode), planned, recorded)


def check(planned, recorded):
    """Compares a plan with what was recorded, launch by launch."""
    printed = planned.as_dict()
    kernels, portable = [], defaultdict(list)
    for launch, text in zip(planned.launches, printed["launches"], strict=True):
        if launch.runs[0].kernels[0].kind == "xla":
            (run,) = launch.runs
            portable[run.leaf].append((launch, text))
        else:
            kernels.append((launch, text))
    for (launch, text), call in zip(kernels, recorded.calls, strict=True):
        check_launch(launch, text, call.parts, planned.leaves)
    assert portable.keys() == recorded.portable.keys()
    for place, parts in recorded.portable.items():
        for (launch, text), part in zip(portable[place], parts, strict=True):
            check_launch(launch, text, [part], planned.leaves)
    assert printed["bytes"] == sum(
        sum(x[way].values()) for x in printed["launches"] for way in ("reads", "writes")
    )


def check_launch(launch, text, parts, leaves):
    """Compares a launch, and how it is printed, with the parts that were recorded."""
    of_leaf = defaultdict(list)
    for part in parts:
        of_leaf[part.leaf].append(part)
    assert sorted(of_leaf) == sorted(run.leaf for run in launch.runs)
    total = {"reads": Counter(), "writes": Counter()}
    for run, printed in zip(launch.runs, text["runs"], strict=True):
        moved = check_run(run, leaves[run.leaf], of_leaf[run.leaf])
        assert printed["leaf"] == run.leaf
        assert printed["functions"] == [f for part in of_leaf[run.leaf] for f in part.functions]
        for way in ("reads", "writes"):
            assert Counter(printed[way]) == moved[way], (way, run)
            total[way] += moved[way]
        if not run.resident:
            check_operands(printed["operands"], of_leaf[run.leaf])
    assert {way: Counter(text[way]) for way in total} == total


def check_run(run, leaf, parts):
    """Compares the arrays of a run with their operands; returns bytes, by way and by name."""
    groups = [run.kernels] if run.resident else [(kernel,) for kernel in run.kernels]
    moved = {"reads": Counter(), "writes": Counter()}
    for kernels, part in zip(groups, parts, strict=True):
        assert part.functions == [kernel.function for kernel in kernels]
        operands = {x.name: (x, kernel) for kernel in kernels for x in leaf.operands(kernel)}
        for way, counter in moved.items():
            for name, array in getattr(part, way).items():
                x, kernel = operands[name]
                assert array.dtype == x.dtype
                elements = leaf.layout(kernel).elements(x.axes)
                if x.buffer.combine is not None and array.elements != elements:
                    assert array.elements % elements == 0
                    assert array.elements < MOST_PARTS * leaf.size
                else:
                    assert array.elements == elements, (name, array)
                counter[name] += elements * jnp.dtype(array.dtype).itemsize
    return moved


def check_operands(printed, parts):
    """Compares the operands of functions that keep nothing on chip between them."""
    for operands, part in zip(printed, parts, strict=True):
        assert {n for n, access in operands.items() if access != "write"} == part.reads.keys()
        assert {n for n, access in operands.items() if access != "read"} == part.writes.keys()


def check_explanation(explanation, planned, recorded):
    """Compares an explanation, which has like runs of a launch in one stage, with what ran."""
    text, leaves, moved = str(explanation), Counter(), Counter()
    for stage in explanation.stages:
        leaves[stage.functions] += stage.leaves
        moved[stage.functions] += round(stage.bytes_per_parameter * planned.parameters)
        assert f" {', '.join(stage.functions)}: {stage.leaves:,} lea" in text
        for label, arrays in (("reads", stage.reads), ("writes", stage.writes)):
            assert arrays.keys() <= set(stage.operands)
            assert not arrays or f"{label:7} {next(iter(arrays))} " in text
    ran, bytes_ = Counter(), Counter()
    for launch in planned.as_dict()["launches"]:
        for run in launch["runs"]:
            functions = tuple(run["functions"])
            ran[functions] += 1
            bytes_[functions] += sum((*run["reads"].values(), *run["writes"].values()))
    assert leaves == ran
    assert moved == bytes_
    portable = sum(map(len, recorded.portable.values()))
    assert explanation.launches == len(recorded.calls) + portable


QUICK = ("adamw", "adafactor", "lamb", CHAIN)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("target", MACHINES)
@pytest.mark.parametrize("name", QUICK)
def test_awkward_leaves(name, target, mode):
    compare(name, AWKWARD, target, mode)


@pytest.mark.parametrize("target", MACHINES)
@pytest.mark.parametrize("name", ["adafactor", CHAIN])
def test_gpt2_small(name, target):
    compare(name, tree("gpt2-small"), target, "step")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("target", MACHINES)
@pytest.mark.parametrize("rule", [tangled, statistics, maxima], ids=lambda x: x.name)
def test_rules_with_small_slots_and_several_reductions(rule, target, mode):
    shapes = {"matrix": (500, 300), "large": (8192, 8192), "column": (700, 1), "none": (0, 5)}
    params = {name: leaf(*shape) for name, shape in shapes.items()}
    compare(rule, params | {"half": leaf(300, 40, dtype=jnp.bfloat16)}, target, mode)


@pytest.mark.parametrize("name", QUICK)
def test_leaves_that_a_smaller_chip_does_not_hold(name):
    compare(name, AWKWARD, "tpu", "step", "v4")


@pytest.mark.parametrize("target", ["cpu", "triton"])
@pytest.mark.parametrize("name", ["adamw", CHAIN])
def test_more_leaves_than_one_launch_can_take(name, target):
    leaves = [leaf(3)] * 600
    compare(name, leaves, target, "step")
    planned = made(name, target).plan(leaves, MACHINES[target])
    assert len(planned.launches) > len({launch.phase for launch in planned.launches})


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("target", MACHINES)
@pytest.mark.parametrize("params", ["awkward", "gpt2-small", "resnet50"])
@pytest.mark.parametrize("name", [*STOCK, CHAIN])
def test_every_stock_rule(name, params, target, mode):
    compare(name, params_of(params), target, mode)


@pytest.mark.slow
@pytest.mark.parametrize("chip", GENERATIONS)
@pytest.mark.parametrize("params", ["awkward", "gpt2-small", "resnet50"])
@pytest.mark.parametrize("name", QUICK)
def test_every_generation_of_tpus(name, params, chip):
    compare(name, params_of(params), "tpu", "step", chip)


# What would not be so, is found.


def without_a_launch(launches):
    return launches[:-1]


def without_a_leaf(launches):
    return change_last(launches, lambda launch: replace(launch, runs=launch.runs[:-1]))


def in_another_order(launches):
    return launches[::-1]


def on_chip(launches):
    def change(launch):
        return replace(launch, runs=tuple(replace(run, resident=True) for run in launch.runs))

    return change_last(launches, change)


def without_a_function(launches):
    def change(launch):
        run = launch.runs[0]
        return replace(launch, runs=(replace(run, kernels=run.kernels[:-1]), *launch.runs[1:]))

    return change_last(launches, change)


def change_last(launches, change):
    return (*launches[:-1], change(launches[-1]))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (CHAIN, without_a_launch),
        (CHAIN, in_another_order),
        ("adafactor", without_a_leaf),
        ("adafactor", without_a_function),
        ("adafactor", on_chip),
    ],
)
def test_a_list_of_other_launches_is_refused(name, change):
    params = {"matrix": leaf(512, 256), "vector": leaf(640)}
    tx = made(name, "cpu")
    planned, recorded = tx.plan(params, CPU), record(tx, params, "cpu", "step")
    check(planned, recorded)
    with pytest.raises((AssertionError, ValueError)):
        check(replace(planned, launches=change(planned.launches)), recorded)


def test_an_array_that_is_brought_twice_is_noticed(monkeypatch):
    """A leaf that stays on chip is said to be read once; here each sweep reads it."""
    from jax.experimental import pallas as pl

    def in_every_sweep(sweeps, k):
        return pl.BlockSpec(sweeps.work.frame.tile, lambda sweep, *ids: ids)

    params = {"matrix": leaf(1024, 1024)}
    compare("adafactor", params, "tpu", "step")
    monkeypatch.setattr(tiled, "_tiles", in_every_sweep)
    with pytest.raises(AssertionError, match="is brought more than once"):
        compare("adafactor", params, "tpu", "step")
