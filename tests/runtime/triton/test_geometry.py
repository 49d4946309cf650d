"""What a program is told of its leaf, against NumPy's own strides."""

import itertools

import numpy as np
import pytest

from optgen.runtime.execution.triton.geometry import Geometry, tiles_of_a_program, words
from optgen.runtime.execution.triton.options import Options
from optgen.runtime.vocabulary.kernels import Operand, Routine

OPTIONS = Options(block=64, rows=4, columns=16, settled=16, programs=8)


def geometry(view, shape, operands=(), kind="sweep", **more):
    routine = Routine("kernel", 0, kind, view, tuple(operands), (), **more)
    return Geometry(routine, shape, OPTIONS)


def partial(name, axes):
    return Operand(name, "float32", axes, "partial", "statistic", "sum")


@pytest.mark.parametrize(
    ("view", "shape"),
    [
        (((0,), (1,)), (3, 5)),
        (((1,), (0,)), (3, 5)),
        (((0, 1), (2,)), (2, 3, 5)),
        (((2,), (0, 1)), (2, 3, 5)),
        (((1,), (0,), (2,)), (2, 3, 5)),
        (((0,), (3,), (1, 2)), (2, 3, 5, 4)),
    ],
)
def test_strides_lead_to_the_elements_of_a_leaf(view, shape):
    """The leaf seen with its axes in the order of the view has these strides in NumPy."""
    leaf = geometry(view, shape)
    stored = np.arange(np.prod(shape)).reshape(shape)
    seen = stored.transpose([axis for group in view for axis in group]).reshape(leaf.extents)
    strides = leaf.strides("*")
    for place in itertools.product(*map(range, leaf.extents)):
        assert seen[place] == np.dot(place, strides)
    for kept in itertools.combinations(range(len(view)), len(view) - 1):
        small = leaf.strides(kept)
        places = {int(np.dot(p, small)) for p in itertools.product(*map(range, leaf.extents))}
        assert places == set(range(leaf.elements(kept)))


def test_programs_and_the_parts_that_they_leave():
    """A matrix of 10 by 40 in tiles of 4 by 16, two to a program: 2 chunks of rows by 3 tiles."""
    rows, columns, leaf = partial("r", (0,)), partial("c", (1,)), partial("a", ())
    found = geometry(((0,), (1,)), (10, 40), [rows, columns, leaf])
    assert found.tiles == 9
    assert found.programs(2) == 6
    assert [found.parts(x, 2) for x in (rows, columns, leaf)] == [3, 2, 6]


def test_a_batch_has_programs_of_its_own_and_sums_over_it_have_parts():
    kept, dropped = partial("k", (0,)), partial("d", (1, 2))
    found = geometry(((0,), (1,), (2,)), (5, 10, 40), [kept, dropped])
    assert found.programs(2) == 5 * 6
    assert [found.parts(x, 2) for x in (kept, dropped)] == [6, 5]


def test_a_flat_leaf_leaves_a_part_for_each_program():
    total = partial("total", ())
    found = geometry((), (10, 40), [total])
    assert (found.tiles, found.programs(2), found.parts(total, 2)) == (7, 4, 4)


def test_parts_of_a_small_array_are_the_blocks_of_that_array_alone():
    total = partial("total", ())
    sections = (((0,), ("total",)), ((1,), ()))
    found = geometry(((0,), (1,)), (20, 33), [total], "settle", sections=sections)
    assert found.programs(1) == 2 + 3
    assert found.parts(total, 1) == 2


def test_what_a_whole_leaf_is_reduced_to_has_one_part():
    kept = Operand("kept", "float32", (0,), "out", "statistic")
    found = geometry(((0,), (1,), (2,)), (5, 7, 9), [kept], "settle", apart=(0,))
    assert (found.programs(1), found.parts(kept, 1)) == (5, 1)


def test_large_leaves_that_are_reduced_leave_few_parts():
    total = partial("total", ())
    small, large = (geometry((), (size,), [total]) for size in (64, 64 * 80))
    tiles = tiles_of_a_program([small, large])
    assert small.programs(tiles) + large.programs(tiles) <= OPTIONS.programs + 2
    assert tiles_of_a_program([geometry((), (64 * 80,))]) == 1


def test_dimensions_have_names_that_a_reader_knows():
    assert words(1) == ("element",)
    assert words(3) == ("batch", "row", "column")
    assert words(4) == ("batch_1", "batch_2", "row", "column")
    numbers = geometry(((0,), (1,), (2,)), (5, 7, 9), [partial("c", (2,))]).integers(2)
    assert {n: numbers[n] for n in ("batches", "rows", "columns")} == {
        "batches": 5,
        "rows": 7,
        "columns": 9,
    }
    assert (numbers["row_stride"], numbers["c_row_stride"], numbers["c_column_stride"]) == (9, 0, 1)
