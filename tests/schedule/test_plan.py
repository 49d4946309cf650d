"""Plans of whole trees: buckets, launches, time to plan, and what is printed."""

import json
import time
from dataclasses import replace

import jax
import pytest

from optgen.errors import IRError, PlanError
from optgen.ir.evaluate import Dtypes
from optgen.ir.node import node
from optgen.ir.program import Program
from optgen.runtime.vocabulary.leaf import factored_axes
from optgen.schedule import Leaf, LeafProgram, machine, plan
from optgen.tools.workloads import models
from tests.schedule import rules
from tests.schedule.running import WIDE, assert_same

H200 = machine("h200")


def shapes(tree):
    return jax.tree.leaves(tree, is_leaf=lambda x: isinstance(x, tuple))


def leaves(tree):
    return [Leaf(f"leaf {i}", shape) for i, shape in enumerate(shapes(tree))]


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
    p = plan([program], leaves(tree()), H200)
    assert p.launch_count == launches
    assert p.bytes_per_parameter == pytest.approx(bytes_, abs=1e-3)


def test_adafactor_on_gpt2():
    programs, placed = adafactor_tree(models.gpt2_small())
    p = plan(programs, placed, H200)
    assert p.launch_count == 4
    assert p.bytes_per_parameter < 24.2
    on_chip = plan(programs, placed, machine("v5e"))
    assert on_chip.bytes_per_parameter < 17


def test_lamb_on_gpt2_where_all_but_the_embedding_stays_on_chip():
    p = plan([rules.lamb()], leaves(models.gpt2_small()), machine("v5e"))
    assert p.bytes_per_parameter < 34
    kinds = [x.kernel.kind for x in p.launches]
    assert kinds.count("sweep") == 2  # of the embedding
    # Each matrix by itself, and all vectors together.
    assert kinds.count("resident") == len(kinds) - 2 == 4 * 12 + 1 + 1


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
    plan(programs, placed, H200)
    assert time.process_time() - start < 0.5  # tens of milliseconds where nothing else runs
    start = time.process_time()
    plan(programs, placed, H200)
    assert time.process_time() - start < 0.1


def test_leaves_with_other_dtypes_have_launches_of_their_own():
    mixed = [Leaf("a", (3,)), Leaf("b", (4,), WIDE), Leaf("c", (5,))]
    p = plan([rules.adamw()], mixed, H200)
    assert [(x.leaves, x.dtypes) for x in p.launches] == [((0, 2), Dtypes()), ((1,), WIDE)]


def test_different_programs_share_the_launches_that_they_have_in_common():
    programs = [rules.adamw(clip=True), rules.adafactor(2, 0, 1, clip=True)]
    placed = [Leaf("a", (3,)), Leaf("b", (4, 5), program=1)]
    p = plan(programs, placed, H200)
    assert p.launches[0].leaves == (0, 1)
    assert [x.leaves for x in p.launches[1:]].count((1,)) == 4
    assert_same(p)


def test_leaves_of_different_ranks_share_launches():
    programs = [rules.adafactor(3, 1, 2), rules.adafactor(4, 2, 3)]
    placed = [Leaf("a", (2, 4, 5)), Leaf("b", (3, 2, 4, 6), program=1)]
    p = plan(programs, placed, H200)
    assert [x.leaves for x in p.launches] == [(0, 1)] * 4
    assert_same(p)


def test_a_bucket_is_split_where_one_launch_cannot_take_all_operands():
    few = replace(H200, max_operands=9)
    p = plan([rules.adamw()], [Leaf(str(i), (i,), WIDE) for i in range(5)], few)
    assert [x.leaves for x in p.launches] == [(0, 1), (2, 3), (4,)]
    assert_same(p)


def test_a_gpu_runs_all_kernels_at_a_point_in_one_launch():
    programs, placed = adafactor_tree(models.gpt2_small())
    mixed = plan(programs, placed, H200)
    apart = plan(programs, placed, replace(H200, mixes_kernels=False))
    assert (mixed.launch_count, apart.launch_count) == (4, 10)
    assert [replace(x, joined=False) for x in mixed.launches] == list(apart.launches)
    assert mixed.bytes == apart.bytes
    assert not mixed.launches[0].joined
    assert mixed.launches[1].joined
    assert "in the launch before" in str(mixed)
    dtypes = [Leaf("a", (3,)), Leaf("b", (4,), WIDE)]
    assert plan([rules.adamw()], dtypes, H200).launch_count == 1


def test_launches_are_mixed_as_far_as_their_operands_fit():
    programs, placed = adafactor_tree(models.gpt2_small())
    few = replace(H200, max_operands=600)
    assert 4 < plan(programs, placed, few).launch_count < 10


def test_what_is_left_to_xla_is_in_no_launch_with_others():
    p = plan(
        [rules.adamw(), rules.sm3(3)], [Leaf("a", (2, 3, 4), program=1), Leaf("b", (3,))], H200
    )
    assert not [x for x in p.launches if x.joined and x.kernel.kind == "xla"]


def test_an_empty_tree():
    p = plan([], [], H200)
    assert (p.launches, p.bytes_per_parameter, p.floor_seconds()) == ((), 0.0, 0.0)
    assert p.phases == 1


def test_leaves_without_elements_move_no_large_array():
    p = plan([rules.adamw()], [Leaf("empty", (0, 3))], H200)
    assert p.bytes == 0
    assert p.bytes_per_parameter == 0.0


def test_the_floor_is_bytes_over_bandwidth_and_launches():
    p = plan([rules.adamw()], [Leaf("leaf", (1000,))], H200)
    assert p.floor_seconds() == 28_000 / H200.bandwidth + H200.launch_cost
    v5e = machine("v5e")
    assert p.floor_seconds(v5e) == 28_000 / v5e.bandwidth + v5e.launch_cost


def test_text_and_json():
    p = plan(
        [rules.sm3(4), rules.adamw()], [Leaf("a", (2, 2, 2, 2)), Leaf("b", (3,), program=1)], H200
    )
    text = str(p)
    assert "plan of a step of 2 leaves for NVIDIA H200 SXM" in text
    assert "sweep, flat, leaves 1" in text
    assert "left to xla: it keeps or reduces 4 groups" in text
    assert "in-out mu : param[*] (leaf)" in text
    again = json.loads(json.dumps(p.as_dict()))
    assert [launch["kind"] for launch in again["launches"]] == ["xla", "sweep", "xla"]
    assert again["bytes"] == p.bytes
    assert again["launches"][1]["reads"] == {"g": 12, "p": 12, "mu": 12, "nu": 12}


def test_many_leaves_are_printed_as_ranges():
    p = plan([rules.adamw()], [Leaf(str(i), (2,)) for i in range(7)], H200)
    assert "leaves 0-6" in str(p)


def test_a_program_for_another_rank():
    with pytest.raises(PlanError) as raised:
        plan([rules.adafactor(2, 0, 1)], [Leaf("['w']", (3,))], H200)
    assert str(raised.value) == (
        "leaf \"['w']\" has the shape (3,), and its program 'adafactor' is for leaves of rank 2"
    )


def test_programs_with_the_wrong_effects():
    with pytest.raises(
        PlanError, match="a plan of mode 'update' needs programs that store 'update'"
    ):
        plan([rules.adamw()], [], H200, "update")
    both = Program("both", rules.adamw().update.outputs + rules.adamw("update").update.outputs[-1:])
    with pytest.raises(PlanError, match="store 'p' and not 'update'"):
        plan([LeafProgram(both)], [], H200)
    with pytest.raises(PlanError, match="may only emit"):
        plan([LeafProgram(rules.adamw().update, (rules.lion().update,))], [], H200)
    ranks = LeafProgram(rules.sm3(2).update, (replace(rules.adamw(clip=True).partials[0], rank=3),))
    with pytest.raises(PlanError, match=r"leaves of ranks \[2, 3\]"):
        plan([ranks], [], H200)


def test_programs_that_are_no_kernel_bodies():
    lr = node("hyper", rules.REAL_SCALAR, attr="lr")
    rule = rules.Rule()
    rule.result(rule("mul", lr, rule.gradient()))
    with pytest.raises(IRError, match="is not legal at this stage"):
        plan([rule.program("rule")], [], H200)
