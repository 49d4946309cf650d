"""Launch lists: the bytes that runs move, and what is counted as a launch."""

from dataclasses import replace

import pytest

from optgen.ir.evaluate import Dtypes
from optgen.runtime.vocabulary.launches import (
    Launch,
    PlacedLeaf,
    Run,
    Traffic,
    count_launches,
    in_order,
    launch_traffic,
    left_to_xla,
    traffic,
    why_left_to_xla,
)
from optgen.runtime.vocabulary.sequence import Buffer, Item, KernelSequence
from tests.schedule import rules
from tests.schedule.planning import Leaf, plan

TRIPLE = ("bfloat16", "float32", "float32")
G, P = Buffer("g", "float32"), Buffer("p", "bfloat16")
KEPT = Buffer("kept", "float32", "*", "temporary")
TOTAL = Buffer("total", "float32", (), "statistic", "sum", "*")
NORM = Buffer("norm", "float32", (), "contribution", "sum", "*")
ROWS = Buffer("rows", "float32", (0,))
FIRST = Item("sweep", "first", reads=("g",), writes=("kept", "total", "norm"), flat=True)
SECOND = Item("sweep", "second", reads=("kept", "total"), updates=("p",), flat=True)
THIRD = Item("finalize", "third", updates=("rows",), reads=("total",))


def placed(*items, shape=(4, 8), groups=((0,), (1,)), portable=()):
    buffers = (G, P, KEPT, ROWS, TOTAL, NORM)
    made = KernelSequence(0, "step", TRIPLE, buffers, items, 2)
    whole = KernelSequence(0, "step", TRIPLE, buffers, portable, 2)
    return PlacedLeaf(made, shape, groups, whole)


def moved(leaf, *kernels, resident=False):
    found = traffic(Run(0, kernels or leaf.sequence.kernels, resident), leaf)
    return dict(found.reads), dict(found.writes)


def test_a_kernel_moves_each_of_its_arrays_once_each_way():
    leaf = placed(FIRST, SECOND, THIRD)
    first, second, third = leaf.sequence.kernels
    assert moved(leaf, first) == ({"g": 128}, {"kept": 128, "total": 4, "norm": 4})
    assert moved(leaf, second) == ({"kept": 128, "total": 4, "p": 64}, {"p": 64})
    assert moved(leaf, third) == ({"total": 4, "rows": 16}, {"rows": 16})
    assert first.dimensions == second.dimensions == 1
    assert third.dimensions == 2


def test_kernels_in_one_launch_move_what_each_does_unless_the_leaf_stays():
    leaf = placed(FIRST, SECOND, THIRD)
    apart = [moved(leaf, kernel) for kernel in leaf.sequence.kernels]
    reads, writes = moved(leaf)
    assert sum(reads.values()) == sum(sum(r.values()) for r, _ in apart)
    assert sum(writes.values()) == sum(sum(w.values()) for _, w in apart)


def test_what_stays_on_chip_is_moved_once():
    leaf = placed(FIRST, SECOND, THIRD)
    assert moved(leaf, resident=True) == (
        {"g": 128, "p": 64, "rows": 16},
        {"norm": 4, "p": 64, "rows": 16},
    )


def test_what_a_later_launch_reads_leaves_the_chip():
    leaf = placed(FIRST, SECOND, THIRD)
    first, second, third = leaf.sequence.kernels
    assert moved(leaf, first, second, resident=True) == (
        {"g": 128, "p": 64},
        {"total": 4, "norm": 4, "p": 64},
    )
    assert moved(leaf, second, third, resident=True)[0] == {
        "kept": 128,
        "total": 4,
        "p": 64,
        "rows": 16,
    }


def test_what_is_read_after_it_was_written_on_chip_is_not_read_from_memory():
    again = Item("sweep", "again", reads=("p",), writes=("kept",), flat=True)
    last = Item("sweep", "last", reads=("kept",), updates=("p",), flat=True)
    leaf = placed(SECOND, again, last)
    assert moved(leaf, resident=True) == ({"kept": 128, "total": 4, "p": 64}, {"p": 64})


XLA = Item("xla", "leaf", 1, reads=("g",), updates=("p",), reason="XLA compiles its jnp functions")
PARTIAL = Item("xla", "partial", 0, reads=("rows",), writes=("norm",), reason="the same")


def test_least_bytes_are_those_of_the_portable_functions():
    leaf = placed(FIRST, SECOND, THIRD, portable=(PARTIAL, XLA))
    assert leaf.least_bytes == 128 + 2 * 64 + 16


def test_an_array_that_is_read_in_two_phases_is_counted_once():
    twice = replace(XLA, reads=("g", "rows"))
    assert placed(portable=(PARTIAL, twice)).least_bytes == 128 + 2 * 64 + 16


def test_an_array_that_is_read_in_one_phase_and_written_in_another_is_counted_both_ways():
    written = replace(XLA, writes=("rows",))
    assert placed(portable=(PARTIAL, written)).least_bytes == 128 + 2 * 64 + 2 * 16


def test_least_bytes_of_a_leaf_without_elements():
    leaf = placed(portable=(PARTIAL, XLA), shape=(0, 8))
    assert leaf.least_bytes == 0
    assert leaf.empty


def test_what_is_left_to_xla_moves_what_its_functions_mention():
    leaf = placed(FIRST, SECOND, THIRD, portable=(PARTIAL, XLA))
    first, second = left_to_xla(0, leaf, "it is odd")
    assert (first.phase, second.phase) == (0, 1)
    assert first.by_xla
    assert launch_traffic(first, [leaf]) == Traffic(
        reads={"rows": 16},
        writes={"norm": 4},
    )
    assert launch_traffic(second, [leaf]).total == 128 + 2 * 64


def test_phases_in_which_a_leaf_does_nothing_have_no_launch():
    leaf = placed(portable=(XLA,))
    assert [x.phase for x in left_to_xla(0, leaf, "it is odd")] == [1]


def test_why_leaves_are_left_to_xla():
    assert why_left_to_xla(placed(FIRST)) == ""
    assert why_left_to_xla(placed(FIRST, shape=(0, 8))) == "it has no elements"
    odd = Item("xla", "leaf", reason="too many groups")
    assert why_left_to_xla(placed(odd)) == "too many groups"


def test_layouts_of_a_leaf():
    leaf = placed(FIRST, THIRD, shape=(4, 8), groups=((1,), (0,)))
    sweep, finalize = leaf.sequence.kernels
    assert leaf.layout(sweep).extents == (32,)
    assert (leaf.layout(finalize).extents, leaf.layout(finalize).order) == ((8, 4), (1, 0))
    (rows,) = [x for x in finalize.operands if x.name == "rows"]
    assert leaf.bytes(finalize, rows) == 8 * 4


def test_launches_are_counted():
    leaf = placed(FIRST, SECOND)
    first, second = leaf.sequence.kernels
    kernels = Launch(0, (Run(0, (first,)), Run(1, (first,))))
    by_xla = Launch(0, (Run(0, (second,)), Run(1, (second,))), "it is small")
    assert count_launches([kernels, by_xla]) == 3
    assert kernels.functions == ("first",)


def test_order_is_by_phase_and_kernels_stay_in_theirs():
    """A function that XLA computes runs at its place between the sweeps."""
    leaf = placed(FIRST, THIRD, SECOND, portable=(PARTIAL, XLA))
    first, third, second = leaf.sequence.kernels
    listed = [
        Launch(0, (Run(0, (first,)),)),
        Launch(0, (Run(0, (third,)),), "it is large"),
        Launch(0, (Run(0, (second,)),)),
        *left_to_xla(1, leaf, "it is odd"),
    ]
    ordered = in_order(listed)
    assert [x.functions[0] for x in ordered] == ["partial", "first", "third", "second", "leaf"]


@pytest.mark.parametrize("dtypes", [Dtypes(), Dtypes("bfloat16", "bfloat16")], ids=str)
def test_a_tree_moves_what_its_leaves_do(dtypes):
    leaves = [Leaf("a", (6, 4), dtypes), Leaf("b", (7,), dtypes)]
    planned = plan([rules.lamb()], leaves)
    for launch in planned.launches:
        alone = [traffic(run, planned.leaves[run.leaf]) for run in launch.runs]
        both = launch_traffic(launch, planned.leaves)
        assert both == alone[0] + alone[1]
        assert both.total == alone[0].total + alone[1].total
