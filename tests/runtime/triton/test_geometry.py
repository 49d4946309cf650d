"""Numbers of a leaf for its programs, against NumPy's own strides."""

import itertools

import numpy as np
import pytest

from optgen.runtime.execution.triton.geometry import Geometry, sections, tiles_of_a_program
from optgen.runtime.execution.triton.options import Options
from optgen.runtime.vocabulary.launches import PlacedLeaf
from optgen.runtime.vocabulary.sequence import Buffer, Item, KernelSequence

OPTIONS = Options(block=64, outer=4, inner=16, small=16, programs=8)
G = Buffer("g", "float32")


def geometry(groups, shape, buffers=(), kind="sweep", independent=()):
    """A leaf in a launch of a kernel that reads g, or small values, and writes these buffers."""
    reads = (G,) if kind == "sweep" else ()
    item = Item(
        kind,
        "kernel",
        reads=tuple(x.name for x in reads),
        writes=tuple(x.name for x in buffers),
        flat=not groups,
        independent=independent,
    )
    dtypes = ("float32",) * 3
    sequence = KernelSequence(0, "step", dtypes, (*reads, *buffers), (item,), len(groups))
    return Geometry(sequence.kernels[0], PlacedLeaf(sequence, shape, groups, sequence), OPTIONS)


def partial(name, axes, over="*"):
    return Buffer(name, "float32", axes, "statistic", "sum", over)


def operand(leaf, name):
    return next(x for x in leaf.kernel.operands if x.name == name)


def parts(leaf, tiles, names):
    return [leaf.parts(operand(leaf, name), tiles) for name in names]


@pytest.mark.parametrize(
    ("groups", "shape"),
    [
        (((0,), (1,)), (3, 5)),
        (((1,), (0,)), (3, 5)),
        (((0, 1), (2,)), (2, 3, 5)),
        (((2,), (0, 1)), (2, 3, 5)),
        (((1,), (0,), (2,)), (2, 3, 5)),
        (((), (1,), (0,)), (3, 5)),
        (((0,), (3,), (1, 2)), (2, 3, 5, 4)),
    ],
)
def test_strides_lead_to_the_elements_of_a_leaf(groups, shape):
    """The leaf seen with its axes in the order of the view has these strides in NumPy."""
    numbers = geometry(groups, shape).integers(1)
    layout = geometry(groups, shape).layout
    stored = np.arange(np.prod(shape)).reshape(shape)
    seen = stored.transpose([axis for group in groups for axis in group]).reshape(layout.extents)
    words = ("batch", "row", "column")[-len(groups) :]
    strides = [numbers[f"{word}_stride"] for word in words]
    for place in itertools.product(*map(range, layout.extents)):
        assert seen[place] == np.dot(place, strides)


@pytest.mark.parametrize(
    ("groups", "shape", "rows_innermost"),
    [
        (((0,), (1,)), (3, 5), False),
        (((1,), (0,)), (3, 5), True),
        (((), (1,), (0,)), (3, 5), True),
        (((0,), (1,), (2,)), (2, 3, 5), False),
        (((0,), (2,), (1,)), (2, 3, 5), True),
        (((2,), (0,), (1,)), (2, 3, 5), False),  # the batch is innermost
        (((0,), (1,)), (3, 1), True),  # a vector lies along memory, whatever it is called
        (((1,), (0,)), (1, 3), True),
        (((0,), (1,)), (1, 1), False),
    ],
)
def test_a_tile_lies_along_memory(groups, shape, rows_innermost):
    leaf = geometry(groups, shape)
    assert leaf.rows_innermost is rows_innermost
    numbers = leaf.integers(1)
    outer, inner = ("column", "row") if rows_innermost else ("row", "column")
    assert numbers["outer_extent"] == numbers[f"{outer}s"]
    assert numbers["inner_extent"] == numbers[f"{inner}s"]
    assert numbers["inner_stride"] == numbers[f"{inner}_stride"]
    if numbers["inner_extent"] > 1:
        assert numbers["inner_stride"] <= numbers["outer_stride"] or numbers["outer_extent"] == 1


@pytest.mark.parametrize("shape", [(10, 40), (40, 10)])
def test_programs_and_the_parts_that_they_leave(shape):
    """10 lines of 40 elements in tiles of 4 by 16, two to a program: 2 chunks by 3 strips."""
    groups = ((0,), (1,)) if shape == (10, 40) else ((1,), (0,))
    leaf = geometry(groups, (10, 40), [partial("r", (0,)), partial("c", (1,)), partial("a", ())])
    assert leaf.tiles == 9
    assert leaf.programs(2) == 6
    lines, elements = ("r", "c") if leaf.outer == 0 else ("c", "r")
    assert parts(leaf, 2, [lines, elements, "a"]) == [3, 2, 6]


def test_a_batch_has_programs_of_its_own_and_sums_over_it_have_parts():
    sums = [partial("kept", (0,)), partial("dropped", (1, 2))]
    leaf = geometry(((0,), (1,), (2,)), (5, 10, 40), sums)
    assert leaf.programs(2) == 5 * 6
    assert parts(leaf, 2, ["kept", "dropped"]) == [6, 5]


def test_a_flat_leaf_leaves_a_part_for_each_program():
    leaf = geometry((), (10, 40), [partial("total", ())])
    assert (leaf.tiles, leaf.programs(2), parts(leaf, 2, ["total"])) == (7, 4, [4])


def test_parts_of_a_small_array_are_the_blocks_of_that_array_alone():
    written = [partial("total", (), over=(0,)), Buffer("rows", "float32", (0,))]
    written.append(Buffer("columns", "float32", (1,)))
    leaf = geometry(((0,), (1,)), (20, 33), written, "finalize", "*")
    assert [(s.apart, s.along, len(s.written)) for s in sections(leaf.kernel)] == [
        ((), (0,), 2),
        ((), (1,), 1),
    ]
    assert leaf.programs(1) == 2 + 3
    assert parts(leaf, 1, ["total", "rows"]) == [2, 1]


def test_blocks_that_are_reduced_to_one_value_for_each_matrix_lie_within_one():
    written = [partial("of_matrix", (0,), over=(0, 1)), Buffer("rows", "float32", (0, 1))]
    leaf = geometry(((0,), (1,), (2,)), (5, 20, 3), written, "finalize", "*")
    assert [(s.apart, s.along) for s in sections(leaf.kernel)] == [((0,), (1,))]
    assert (leaf.programs(1), parts(leaf, 1, ["of_matrix"])) == (5 * 2, [2])


def test_what_a_whole_leaf_is_reduced_to_has_one_part():
    kept = Buffer("kept", "float32", (0,), "statistic")
    leaf = geometry(((0,), (1,), (2,)), (5, 7, 9), [kept], "finalize", (0,))
    assert (leaf.programs(1), parts(leaf, 1, ["kept"])) == (5, [1])


def test_large_leaves_that_are_reduced_leave_few_parts():
    small, large = (geometry((), (size,), [partial("total", ())]) for size in (64, 64 * 80))
    tiles = tiles_of_a_program([small, large])
    assert small.programs(tiles) + large.programs(tiles) <= OPTIONS.programs + 2
    assert tiles_of_a_program([geometry((), (64 * 80,))]) == 1


@pytest.mark.parametrize("axes", [(0,), (1,)])
def test_a_program_takes_many_lines_where_it_reduces_them(axes):
    """It writes one line for them, which the next kernel reads."""
    for groups in (((0,), (1,)), ((1,), (0,))):
        leaf = geometry(groups, (512, 512), [partial("sums", axes)])
        lines = tiles_of_a_program([leaf]) * OPTIONS.outer
        assert (lines == 128) is (leaf.inner in axes)


def test_numbers_have_names_that_a_reader_knows():
    leaf = geometry(((0,), (1,), (2,)), (5, 7, 9), [partial("c", (2,))])
    numbers = leaf.integers(2)
    assert {n: numbers[n] for n in ("batches", "rows", "columns", "tiles")} == {
        "batches": 5,
        "rows": 7,
        "columns": 9,
        "tiles": 2,
    }
    assert (numbers["row_stride"], numbers["c_row_stride"], numbers["c_column_stride"]) == (9, 0, 1)
    assert geometry((), (5, 7)).integers(1)["size"] == 35
