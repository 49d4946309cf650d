"""Plans of whole trees: launches, the bytes of all, time to plan, and what is printed."""

import json
import time
from dataclasses import replace

import jax
import pytest

from optgen.errors import IRError, PlanError
from optgen.ir.evaluate import Dtypes
from optgen.ir.node import node
from optgen.ir.program import Program
from optgen.runtime.execution.targets import machine
from optgen.runtime.vocabulary.launches import Limits
from optgen.runtime.vocabulary.leaf import factored_axes
from optgen.schedule import LeafProgram, schedule
from optgen.tools.workloads import models
from tests.schedule import rules
from tests.schedule.planning import CPU, ON_CHIP, Leaf, plan
from tests.schedule.running import WIDE, assert_same

H200 = machine("h200")


def shapes(tree):
    return jax.tree.leaves(tree, is_leaf=lambda x: isinstance(x, tuple))


def leaves(tree):
    return [Leaf(f"leaf {i}", shape) for i, shape in enumerate(shapes(tree))]


def leaves_of(launch):
    return tuple(run.leaf for run in launch.runs)


def adafactor_tree(tree, min_dim=128):
    """One program for each kind of factored leaf, as tracing the rule would give."""
    programs = {None: rules.adafactor_unfactored()}
    placed = []
    for leaf in leaves(tree):
        axes = factored_axes(leaf.shape, min_dim)
        key = axes and (len(leaf.shape), *axes)
        if key not in programs:
            programs[key] = rules.adafactor(*key)
        placed.append(replace(leaf, program=list(programs).index(key)))
    return list(programs.values()), placed


@pytest.mark.parametrize(
    ("program", "launches", "bytes_"),
    [
        (rules.adamw(), 1, 28),
        (rules.lion(), 1, 20),
        (rules.adamw(clip=True), 2, 32),
        (rules.lamb(), 2, 40),
    ],
    ids=lambda x: getattr(x, "name", x),
)
@pytest.mark.parametrize("tree", [models.gpt2_small, models.resnet50, models.llama3_8b])
def test_a_tree_of_hundreds_of_leaves_costs_a_handful_of_launches(tree, program, launches, bytes_):
    p = plan([program], leaves(tree())).plan
    assert p.launch_count == launches
    assert p.phases == len(program.phases)
    assert p.bytes_per_parameter == pytest.approx(bytes_, abs=1e-3)


def test_adafactor_on_gpt2():
    programs, placed = adafactor_tree(models.gpt2_small())
    p = plan(programs, placed).plan
    assert p.launch_count == 4
    assert p.bytes_per_parameter < 24.2
    assert plan(programs, placed, CPU).plan.launch_count == 1
    on_chip = plan(programs, placed, ON_CHIP).plan
    assert on_chip.bytes_per_parameter < 12.1
    assert on_chip.bytes >= on_chip.least_bytes


def test_planning_takes_milliseconds():
    programs, placed = adafactor_tree(models.resnet50())
    programs = [*programs, rules.lamb(clip_after=True)]
    placed = [*placed, Leaf("another", (7, 7), program=len(programs) - 1)]
    for program in programs:  # names make a program a new one: nothing of it is cached
        fresh = {program.update.outputs[0].args[0]: f"test {time.perf_counter()}"}
        programs = [
            LeafProgram(replace(p.update, names=fresh), p.partials) if p is program else p
            for p in programs
        ]
    start = time.process_time()
    plan(programs, placed)
    assert time.process_time() - start < 0.5  # tens of milliseconds where nothing else runs
    start = time.process_time()
    assert plan(programs, placed).plan.bytes
    assert time.process_time() - start < 0.2


def test_leaves_with_other_dtypes_share_launches_and_not_functions():
    mixed = [Leaf("a", (3,)), Leaf("b", (4,), WIDE), Leaf("c", (5,))]
    planned = plan([rules.adamw()], mixed)
    (launch,) = planned.launches
    assert leaves_of(launch) == (0, 1, 2)
    a, b, c = [run.kernels[0].function for run in launch.runs]
    assert a == c != b
    assert len(launch.functions) == 2
    assert_same(planned)


def test_different_programs_share_the_functions_that_they_have_in_common():
    programs = [rules.adamw(clip=True), rules.adafactor(2, 0, 1, clip=True)]
    placed = [Leaf("a", (3,)), Leaf("b", (4, 5), program=1)]
    planned = plan(programs, placed)
    first, *others = planned.launches
    assert leaves_of(first) == (0, 1)
    assert len(first.functions) == 1
    assert [len(x.functions) for x in others] == [2, 1, 1, 1]
    assert [leaves_of(x) for x in others] == [(0, 1), (1,), (1,), (1,)]
    assert_same(planned)


def test_leaves_of_different_ranks_share_functions():
    programs = [rules.adafactor(3, 1, 2), rules.adafactor(4, 2, 3), rules.adafactor(3, 2, 1)]
    placed = [
        Leaf("a", (2, 4, 5)),
        Leaf("b", (3, 2, 4, 6), program=1),
        Leaf("c", (2, 5, 4), program=2),
    ]
    planned = plan(programs, placed)
    assert [leaves_of(x) for x in planned.launches] == [(0, 1, 2)] * 4
    assert [len(x.functions) for x in planned.launches] == [1] * 4
    assert_same(planned)


def test_a_launch_is_split_where_it_cannot_take_all_operands():
    # Every operand is passed twice.
    few = replace(H200, limits=Limits(operands=16))
    planned = plan([rules.adamw()], [Leaf(str(i), (i,), WIDE) for i in range(1, 6)], few)
    assert [leaves_of(x) for x in planned.launches] == [(0, 1), (2, 3), (4,)]
    assert_same(planned)


def test_kernels_at_a_point_share_launches_as_far_as_their_operands_fit():
    programs, placed = adafactor_tree(models.gpt2_small())
    few = replace(H200, limits=Limits(operands=600))
    split, whole = (plan(programs, placed, on).plan for on in (few, H200))
    assert whole.launch_count < split.launch_count < 10
    assert split.bytes == whole.bytes


def test_what_is_left_to_xla_is_in_no_launch_with_others():
    planned = plan(
        [rules.adamw(), rules.sm3(4)], [Leaf("a", (2, 3, 2, 4), program=1), Leaf("b", (3,))]
    )
    kinds = [{k.kind for run in x.runs for k in run.kernels} for x in planned.launches]
    assert kinds == [{"xla"}, {"sweep"}]
    assert [x.by_xla for x in planned.launches] == [True, False]
    assert "4 groups of axes" in planned.launches[0].reason
    assert_same(planned)


def test_leaves_without_elements_are_left_to_xla():
    planned = plan([rules.lamb()], [Leaf("a", (0, 3)), Leaf("b", (3,))])
    assert [(x.reason, leaves_of(x)) for x in planned.launches] == [
        ("it has no elements", (0,)),
        ("", (1,)),
        ("", (1,)),
    ]


def test_an_empty_tree():
    p = plan([], []).plan
    assert (p.launches, p.bytes_per_parameter, p.floor_seconds) == ((), 0.0, 0.0)
    assert p.phases == 1


def test_leaves_without_elements_move_no_large_array():
    p = plan([rules.adamw()], [Leaf("empty", (0, 3))]).plan
    assert p.bytes == 0
    assert p.bytes_per_parameter == 0.0


@pytest.mark.parametrize("name", ["h200", "a100"])
def test_the_floor_is_bytes_over_bandwidth_and_launches(name):
    p = plan([rules.adamw()], [Leaf("leaf", (1000,))], name).plan
    on = machine(name)
    assert p.floor_seconds == 28_000 / on.bandwidth + on.launch_cost


def test_json():
    p = plan(
        [rules.sm3(4), rules.adamw()], [Leaf("a", (2, 2, 2, 2)), Leaf("b", (3,), program=1)]
    ).plan
    again = json.loads(json.dumps(p.as_dict()))
    xla, sweep = again["launches"]
    assert "it keeps or reduces 4 groups" in xla["reason"]
    assert xla["runs"][0]["leaf"] == 0
    moved = {
        "reads": {"g": 12, "p": 12, "mu": 12, "nu": 12},
        "writes": {"p": 12, "mu": 12, "nu": 12},
    }
    (run,) = sweep["runs"]
    assert run == moved | {
        "leaf": 1,
        "functions": ["adamw_step"],
        "operands": [{"g": "read", "p": "update", "mu": "update", "nu": "update"}],
        "resident": False,
    }
    assert {way: sweep[way] for way in moved} == moved
    assert again["bytes"] == p.bytes
    assert again["leaves"][1] == {"name": "b", "shape": [3], "dtypes": ["float32"] * 3}
    assert (again["mode"], again["target"], again["machine"]) == ("step", "triton", "h200")


def test_programs_with_the_wrong_effects():
    def scheduled(program, mode="step"):
        return schedule(program, 0, mode, Dtypes())

    with pytest.raises(
        PlanError, match="a plan of mode 'update' needs programs that store 'update'"
    ):
        scheduled(rules.adamw(), "update")
    both = Program("both", rules.adamw().update.outputs + rules.adamw("update").update.outputs[-1:])
    with pytest.raises(PlanError, match="store 'p' and not 'update'"):
        scheduled(LeafProgram(both))
    with pytest.raises(PlanError, match="may only emit"):
        scheduled(LeafProgram(rules.adamw().update, (rules.lion().update,)))
    ranks = LeafProgram(rules.sm3(2).update, (replace(rules.adamw(clip=True).partials[0], rank=3),))
    with pytest.raises(PlanError, match=r"leaves of ranks \[2, 3\]"):
        scheduled(ranks)


def test_programs_that_are_no_kernel_bodies():
    lr = node("hyper", rules.REAL_SCALAR, attr="lr")
    rule = rules.Rule()
    rule.result(rule("mul", lr, rule.gradient()))
    with pytest.raises(IRError, match="is not legal at this stage"):
        schedule(rule.program("rule"), 0, "step", Dtypes())
