"""Kernel sequences: buffers and how long they live, items, and the names of functions."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optgen.ir.build import effect
from optgen.ir.evaluate import Dtypes
from optgen.ir.program import Program
from optgen.runtime.vocabulary.sequence import Combine, Item
from optgen.schedule import schedule
from optgen.schedule.check import check_schedule
from optgen.schedule.sequence import independent
from tests.schedule import rules
from tests.schedule.planning import viewed
from tests.schedule.strategies import chained_programs, leaf_programs

FLOAT32 = Dtypes()
BF16 = Dtypes("bfloat16", "bfloat16", "float32")


def scheduled(program, mode="step", dtypes=FLOAT32):
    return check_schedule(schedule(viewed(program)[0], 0, mode, dtypes))


def kernels(program, **kwargs):
    return scheduled(program, **kwargs).sequence.kernels


def buffers(program, **kwargs):
    return {x.name: x for x in scheduled(program, **kwargs).sequence.buffers}


def combines(program):
    items = scheduled(program).sequence.items
    return [(x.over, x.phase, x.buffers) for x in items if isinstance(x, Combine)]


def test_items_say_what_they_do_to_their_buffers():
    (kernel,) = kernels(rules.adamw())
    assert (kernel.item.reads, kernel.item.writes) == (("g",), ())
    assert set(kernel.item.updates) == {"p", "mu", "nu"}
    assert {x.name: x.access for x in kernel.operands} == {
        "g": "read",
        "p": "update",
        "mu": "update",
        "nu": "update",
    }
    assert [x.name for x in kernel.operands][:2] == ["g", "p"]
    assert {x.lifetime for x in kernel.operands} == {"leaf"}
    assert set(kernel.scalars) >= {"b1", "one_minus_b1", "weight_decay", "minus_lr"}
    assert kernel.flat
    assert not kernel.reduces


def test_buffers_are_stored_in_concrete_dtypes():
    dtypes = {name: x.dtype for name, x in buffers(rules.adamw(), dtypes=BF16).items()}
    assert dtypes == dict.fromkeys(("g", "p", "mu", "nu"), "bfloat16")
    lamb = buffers(rules.lamb(), dtypes=Dtypes("float64", "float32", "float64"))
    assert (lamb["g"].dtype, lamb["p"].dtype, lamb["p_square_sum"].dtype) == (
        "float32",
        "float64",
        "float64",
    )


def test_an_update_is_written_and_the_parameter_only_read():
    (kernel,) = kernels(rules.adamw("update"), mode="update")
    assert {x.name: x.access for x in kernel.operands} == {
        "g": "read",
        "p": "read",
        "update": "write",
        "mu": "update",
        "nu": "update",
    }
    assert kernel.function == "update"


def test_a_sweep_says_which_reductions_it_leaves_in_parts():
    first, second = kernels(rules.adamw(clip=True))
    (total,) = [x for x in first.operands if x.partial]
    assert (total.name, total.lifetime, total.buffer.combine) == ("total", "contribution", "sum")
    assert (first.reduces, second.reduces) == (True, False)
    maxima = [x.buffer for x in kernels(rules.sm3(2))[0].operands if x.partial]
    assert [(x.axes, x.combine, x.over) for x in maxima] == [((0,), "max", "*"), ((1,), "max", "*")]


def test_kinds():
    def kinds(program):
        return [kernel.kind for kernel in kernels(program)]

    assert kinds(rules.adafactor(2, 0, 1)) == ["sweep", "finalize", "sweep", "sweep"]
    assert kinds(rules.adamw(clip=True)) == ["sweep", "sweep"]
    assert kinds(rules.sm3(3)) == ["sweep", "finalize"]


def test_functions_are_called_by_what_they_are_for():
    assert [k.function for k in kernels(rules.adafactor(2, 0, 1))] == [
        "statistics",
        "finalize",
        "statistics",
        "step",
    ]
    assert [k.function for k in kernels(rules.lamb(clip_after=True))] == [
        "sweep",
        "statistics",
        "step",
    ]


def test_temporaries_and_statistics_end_with_the_step():
    found = buffers(rules.lamb(clip_after=True))
    lifetimes = {name: x.lifetime for name, x in found.items()}
    assert lifetimes == {
        "g": "leaf",
        "p": "leaf",
        "mu": "leaf",
        "nu": "leaf",
        "temporary": "temporary",
        "p_square_sum": "statistic",
        "sum": "statistic",
        "total": "contribution",
    }
    first, _, last = kernels(rules.lamb(clip_after=True))
    access = [{x.name: x.access for x in k.operands}["temporary"] for k in (first, last)]
    assert access == ["write", "read"]


def test_parts_are_combined_before_they_are_read_and_contributions_when_the_phase_ends():
    assert combines(rules.lamb(clip_after=True)) == [
        ("tiles", 0, ("p_square_sum", "sum")),
        ("tiles", 0, ("total",)),
        ("tree", 0, ("total",)),
    ]
    assert combines(rules.adamw()) == []
    sequence = scheduled(rules.adafactor(2, 0, 1, clip=True)).sequence
    kinds = [x.kind if isinstance(x, Item) else x.over for x in sequence.items]
    assert kinds == [
        *("sweep", "tiles", "tree"),
        *("sweep", "tiles", "finalize", "tiles", "sweep", "tiles", "sweep"),
    ]
    assert list(sequence.contributions(0)) == ["total"]
    assert list(sequence.contributions(1)) == []
    assert sequence.phases == 2


def test_a_contribution_that_is_computed_from_a_sum_is_whole():
    rule = rules.Rule()
    partial = rule.partial("largest", rule.rms(rule.gradient()))
    rule.result(rule("mul", rules.scalar("clip"), rule.gradient()))
    program = rule.program("rule", partial)
    assert buffers(program)["largest"].combine is None
    assert combines(program) == [("tiles", 0, ("g_square_sum",)), ("tree", 0, ("largest",))]


def test_what_is_left_of_a_small_reduction():
    matrix, batch = rules.adafactor(2, 0, 1), rules.adafactor(3, 1, 2)
    total = buffers(matrix)["sum"]
    assert (total.axes, total.combine, total.over) == ((), "sum", (0,))
    assert kernels(matrix)[1].item.independent == "*"
    of_each = buffers(batch)["batch_sums"]
    assert (of_each.axes, of_each.combine, of_each.over) == ((0,), "sum", (0, 1))
    assert kernels(batch)[1].item.independent == "*"


def test_a_slot_is_never_left_in_parts():
    """A slot is what the step returns; nobody would combine its parts."""
    sequence = scheduled(rules.small_reductions()).sequence
    slots = {x.name: x.combine for x in sequence.buffers if x.lifetime == "leaf"}
    assert slots == dict.fromkeys(("g", "p", "row", "before", "after"))
    assert [k.item.independent for k in sequence.kernels if k.kind == "finalize"] == [(), ()]


def finalize(*stores, rank=2):
    rule = rules.Rule(rank)
    for name, value, axes in stores:
        rule.store(name, value, "float32", axes)
    return Program("body", tuple(rule.stores), rank)


@pytest.mark.parametrize(
    ("rank", "axes", "expected"),
    [(2, (0,), "*"), (2, (), "*"), (3, (0, 1), "*")],
)
def test_elementwise_bodies_are_independent_everywhere(rank, axes, expected):
    rule = rules.Rule(rank)
    row = rule.load("row", "float32", axes)
    assert independent(finalize(("row", rule("add", row, 1.0), axes), rank=rank)) == expected


def test_an_element_that_is_read_to_compute_another_is_not_independent():
    rule = rules.Rule(3)
    one, rows = rule.load("one", "float32", (0,)), rule.load("row", "float32", (0, 1))
    body = finalize(
        ("one", rule("add", one, 1.0), (0,)), ("row", rule("mul", rows, one), (0, 1)), rank=3
    )
    assert independent(body) == (0,)
    assert independent(finalize(("row", rule("mul", rows, one), (0, 1)), rank=3)) == "*"


def test_a_mean_that_is_used_at_once_is_of_each_index_that_it_keeps():
    rule = rules.Rule(3)
    rows = rule.load("row", "float32", (0, 1))
    of_each = rule("div", rows, rule.reduce("sum", rows, (1,)))
    of_all = rule("div", rows, rule.reduce("sum", rows))
    assert independent(finalize(("row", of_each, (0, 1)), rank=3)) == (0,)
    assert independent(finalize(("row", of_all, (0, 1)), rank=3)) == ()


@settings(max_examples=100)
@given(
    st.one_of(leaf_programs(), chained_programs()),
    st.sampled_from([FLOAT32, BF16, Dtypes("float64", "float32", "float64")]),
)
def test_random_programs_have_legal_sequences(program, dtypes):
    sequence = scheduled(program, dtypes=dtypes).sequence
    for kernel in sequence.kernels:
        for x in kernel.operands:
            if x.lifetime in ("temporary", "statistic") and x.written:
                assert x.name in sequence.read_after(kernel)  # nothing is written for nobody


def test_what_is_read_after_a_kernel():
    sequence = scheduled(rules.lamb(clip_after=True)).sequence
    first, second, last = sequence.kernels
    assert sequence.read_after(first) >= {"temporary", "p_square_sum", "sum", "p"}
    assert sequence.read_after(last) == frozenset()
    assert "g" not in sequence.read_after(second)
    assert sequence.of_phase(0) == (first, second)
    assert sequence.of_phase(1) == (last,)


def test_a_program_that_does_nothing_in_a_phase_has_no_kernel_there():
    rule = rules.Rule()
    rule.result(rule("mul", rules.scalar("clip"), rule.gradient()))
    program = replace(rule.program("silent"), partials=(Program("nothing", ()),))
    sequence = scheduled(program).sequence
    assert sequence.of_phase(0) == ()
    assert sequence.phases == 2


def test_emits_of_the_last_phase_are_refused_before_there_is_a_sequence():
    rule = rules.Rule()
    total = rule.sum_of_squares(rule.gradient())
    rule.stores.append(effect("emit", "total", total))
    rule.result(rule.gradient())
    with pytest.raises(Exception, match="may only store"):
        scheduled(rule.program("late"))
