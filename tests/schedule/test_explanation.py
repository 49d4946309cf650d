"""Explanations of launch lists; their text is in ``tests/test_explain.py``."""

import json
from dataclasses import replace

import pytest

from optgen.ir.evaluate import Dtypes
from optgen.runtime.execution.targets import machine
from optgen.runtime.vocabulary.launches import launch_traffic
from optgen.schedule.explanation import explain
from tests.schedule import rules
from tests.schedule.planning import CPU, ON_CHIP, Leaf, plan

H200 = machine("h200")


def explained(program, *shapes, on="h200", dtypes=None):
    leaves = [Leaf(str(i), shape, dtypes or Dtypes()) for i, shape in enumerate(shapes)]
    return explain(plan([program], leaves, on).plan)


def test_attributes():
    e = explained(rules.lamb(), (4096, 4096))
    assert e.bytes_per_parameter == pytest.approx(40, abs=1e-3)
    assert e.least_bytes_per_parameter == 28
    assert e.launches == 2
    assert e.scratch_bytes == 8
    assert e.floor_seconds == pytest.approx(40 * 4096**2 / H200.bandwidth + 2 * H200.launch_cost)
    assert e.share_of_roofline == pytest.approx(28 * 4096**2 / H200.bandwidth / e.floor_seconds)
    first, second = e.stages
    assert {name: round(n) for name, n in first.reads.items()} == {"g": 4, "p": 4, "mu": 4, "nu": 4}
    assert first.partial == {"p_square_sum": "sum", "sum": "sum"}
    assert second.writes == {"p": 4}
    json.dumps(e.as_dict() | {"machine": None})


@pytest.mark.parametrize("on", ["h200", CPU, ON_CHIP], ids=lambda m: getattr(m, "name", m))
@pytest.mark.parametrize(
    "program",
    [rules.lamb(clip_after=True), rules.adafactor(2, 0, 1, clip=True), rules.sm3(2)],
    ids=lambda p: p.name,
)
def test_stages_add_up(program, on):
    p = plan([program], [Leaf(str(i), shape) for i, shape in enumerate([(5, 7), (8, 6)])], on).plan
    e = explain(p)
    moved = sum(stage.bytes_per_parameter for stage in e.stages)
    assert moved == pytest.approx(e.bytes_per_parameter)
    assert sum(stage.launches for stage in e.stages) == e.launches == p.launch_count
    written = [name for stage in e.stages for name in stage.writes]
    assert set(written) >= {"p"}
    for number, launch in enumerate(p.launches, 1):
        traffic = launch_traffic(launch, p.leaves)
        stages = [stage for stage in e.stages if stage.launch == number]
        assert {name for s in stages for name in s.reads} == set(traffic.reads)
        assert {name for s in stages for name in s.writes} == set(traffic.writes)
        assert {f for s in stages for f in s.functions} == set(launch.functions)


def test_kernels_of_one_run_say_what_they_keep_and_leave_in_parts():
    program = rules.lamb(clip_after=True)
    first, _ = explained(program, (64, 64), on=CPU).stages
    assert first.functions == ("lamb_sweep", "lamb_statistics")
    assert first.kind == "sweep"
    assert first.temporaries == ("temporary",)
    assert first.partial == {"p_square_sum": "sum", "sum": "sum", "total": "sum"}
    assert len(set(first.operands)) == len(first.operands)


def test_what_stays_on_chip_is_no_temporary():
    e = explained(rules.adafactor(2, 0, 1), (64, 64), on=ON_CHIP)
    (stage,) = e.stages
    assert (stage.kind, stage.view) == ("resident", "matrix")
    assert stage.temporaries == ()
    assert e.scratch_bytes == 0
    crossing, _ = explained(rules.lamb(clip_after=True), (64, 64), on=ON_CHIP).stages
    assert crossing.temporaries == ("temporary",)


def test_views():
    programs = [rules.adamw(), rules.adafactor(2, 0, 1), rules.adafactor(3, 1, 2)]
    shapes = [(7,), (4, 5), (2, 4, 5)]
    leaves = [Leaf(str(s), s, program=i) for i, s in enumerate(shapes)]
    stages = explain(plan(programs, leaves).plan).stages
    assert {(s.functions[0].split("_")[0], s.view) for s in stages} == {
        ("adamw", "flat"),
        ("adafactor", "matrix"),
        ("adafactor", "batched"),
    }


def test_leaves_that_are_left_to_xla_for_one_reason_are_one_stage_of_a_phase():
    leaves = [Leaf(str(i), (2, 3, 4, 2 + i), program=1) for i in range(3)] + [Leaf("b", (3,))]
    e = explain(plan([rules.adamw(), rules.sm3(4)], leaves).plan)
    xla, kernels = e.stages
    assert (xla.leaves, xla.launches, xla.kind, xla.view) == (3, 3, "xla", None)
    assert "4 groups of axes" in xla.why_xla
    assert (kernels.leaves, kernels.launches) == (1, 1)
    assert "3 leaves; left to xla: it keeps or reduces 4 groups" in str(e)


def test_a_launch_that_xla_computes_for_many_leaves_is_one_for_each():
    """A target may leave finalizing to XLA, of the leaves of one launch together."""
    p = plan([rules.novograd()], [Leaf("a", (4,)), Leaf("b", (5,))]).plan
    sweep, finalize, last = p.launches
    by_xla = replace(p, launches=(sweep, replace(finalize, reason="it is small"), last))
    e = explain(by_xla)
    assert by_xla.launch_count == e.launches == sum(s.launches for s in e.stages) == 4
    assert by_xla.bytes == p.bytes


def test_another_machine_for_the_floor():
    a100 = machine("a100")
    e = explained(rules.adamw(), (1000,), on="a100")
    assert e.machine is a100
    assert e.floor_seconds == 28_000 / a100.bandwidth + a100.launch_cost
    assert "On NVIDIA A100 80 GB SXM (2,039 GB/s)" in str(e)


def test_nothing():
    e = explain(plan([], []).plan)
    assert (e.stages, e.share_of_roofline, e.launches) == ((), 1.0, 0)
    assert str(e).startswith("A step of 0 leaves (0 parameters) moves 0.00 bytes")
