"""Stages of leaf programs: the work of each step, and their order."""

from dataclasses import replace

import pytest

from optgen.ir.build import cast
from optgen.ir.evaluate import Dtypes
from optgen.ir.legality import KERNEL, check
from optgen.ir.types import GRAD, PARAM, REAL
from optgen.schedule import LeafProgram
from optgen.schedule.graph import holds_exactly, same_value
from optgen.schedule.levels import levels
from optgen.schedule.stages import steps
from tests.schedule import rules
from tests.schedule.rules import Rule, scalar

FLOAT32 = Dtypes()


def effects(step):
    return [(e.op, e.attr) for e in step.body.outputs]


def loads(step):
    return {n.attr for n in step.body.find("load")}


def test_levels_of_adafactor():
    program = rules.adafactor(2, 0, 1, clip=True)
    found = levels(program)
    assert found.first == (0, 1, 4)
    assert [found.phase_of_stage(s) for s in range(4)] == [0, 1, 1, 1]


def test_every_body_is_a_legal_kernel_body():
    for program in (rules.adafactor(3, 0, 2), rules.sm3(2, True), rules.lamb(clip_after=True)):
        for step in steps(program, FLOAT32):
            check(step.body, KERNEL)


def test_the_steps_of_adafactor():
    sweep, finalize, clip, last = steps(rules.adafactor(2, 0, 1), FLOAT32)
    names = ["row_sums", "column_sums", "p_square_sum"]
    assert sorted(effects(sweep)) == sorted(("store", name) for name in names)
    assert [name for _, name in effects(finalize)] == ["v_row", "v_col", "sum"]
    assert loads(clip) & {"v_row", "v_col", "g", "p"} == {"v_row", "v_col", "g"}
    assert effects(last) == [("store", "p")]
    assert sweep.statistics >= {name for _, name in effects(sweep)}


def test_a_small_slot_waits_where_its_old_value_is_still_read():
    first, second, finalize = steps(rules.sm3(2, clip_by_block=True), FLOAT32)
    assert {"mu_0", "mu_1"} <= loads(first) & loads(second)
    assert [name for _, name in effects(finalize)] == ["mu_0", "mu_1"]


def test_a_small_slot_in_fewer_bits_is_not_read_back():
    exact = steps(rules.adafactor(2, 0, 1), FLOAT32)
    rounded = steps(rules.adafactor(2, 0, 1, dtype="bfloat16"), FLOAT32)
    assert effects(exact[1])[:2] == [("store", "v_row"), ("store", "v_col")]
    assert effects(rounded[-1]) == [("store", "v_row"), ("store", "v_col")]


def test_a_sum_that_a_slot_holds_is_kept_nowhere_else():
    before, sweep, after, last = steps(rules.small_reductions(), FLOAT32)
    assert effects(before) == [("store", "before")]
    assert effects(sweep) == [("store", "g_square_row_sums")]
    assert effects(after) == [("store", "row"), ("store", "after")]
    assert loads(last) == {"g", "p", "after"}


def test_what_a_leaf_contributes_is_emitted_by_the_sweep_that_sums_it():
    first, second = steps(rules.adamw(clip=True), FLOAT32)
    assert effects(first) == [("emit", "total")]
    assert (first.phase, second.phase) == (0, 1)


def test_a_contribution_that_is_computed_from_a_sum_is_finalized():
    rule = Rule()
    partial = rule.partial("largest", rule.rms(rule.gradient()))
    rule.result(rule("mul", scalar("clip"), rule.gradient()))
    sweep, finalize, last = steps(rule.program("rule", partial), FLOAT32)
    assert effects(finalize) == [("emit", "largest")]
    assert (sweep.phase, finalize.phase, last.phase) == (0, 0, 1)


def test_a_value_of_an_earlier_phase_is_stored_there_where_that_saves_bytes():
    rule = Rule()
    direction = rules.adam_direction(rule, rule.gradient())
    partial = rule.partial("total", rule.sum_of_squares(direction))
    rule.result(rule("mul", scalar("clip"), direction))
    first, second = steps(rule.program("rule", partial), FLOAT32)
    assert {name for _, name in effects(first)} == {"mu", "nu", "total"}
    assert loads(second) == {"mu", "nu", "p"}


def test_statistics_have_their_authors_names_whoever_came_before():
    rule = Rule()
    g = rule.gradient()
    total = rule.sum_of_squares(g)
    rule.result(rule("div", g, rule("sqrt", total)))
    update = rule.program("rule").update
    for name in ("g_squared", "power", "not a name"):
        named = LeafProgram(replace(update, names={total: name}))
        expected = name if name.isidentifier() else "g_square_sum"
        assert effects(steps(named, FLOAT32)[0]) == [("store", expected)]


def test_a_program_that_does_nothing_large():
    rule = Rule()
    rule.store("count", rule("add", rule.load("count", "float32", ()), 1.0), "float32", ())
    (finalize,) = steps(rule.program("rule"), FLOAT32)
    assert effects(finalize) == [("store", "count")]


@pytest.mark.parametrize(
    ("storage", "value", "exact"),
    [
        ("float32", "float32", True),
        ("float64", "float32", True),
        ("float32", "float64", False),
        ("float32", "bfloat16", True),
        ("float32", "float16", True),
        ("float16", "bfloat16", False),
        ("bfloat16", "float16", False),
        (PARAM, REAL, False),
        (REAL, PARAM, True),
    ],
)
def test_what_storage_holds_exactly(storage, value, exact):
    assert holds_exactly(storage, value, Dtypes("bfloat16", "float32", "float32")) == exact


def test_values_behind_casts_that_only_widened():
    x = Rule().load("g", GRAD)
    wide = cast(x, "float64")
    assert list(same_value(wide, FLOAT32)) == [wide, x, x.args[0]]
    narrow = cast(x, "bfloat16")
    assert list(same_value(narrow, FLOAT32)) == [narrow]
