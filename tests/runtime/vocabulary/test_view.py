"""Views: where the elements of leaves and of their slots are in memory."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optgen.runtime.vocabulary.view import (
    Layout,
    along,
    dimension_names,
    extent_name,
    layout,
    reduced_shape,
)


def test_names_of_dimensions():
    assert dimension_names(1) == ("element",)
    assert dimension_names(2) == ("row", "column")
    assert dimension_names(3) == ("batch", "row", "column")
    assert dimension_names(4) == ("batch_1", "batch_2", "row", "column")


def test_names_of_extents():
    assert [extent_name(d) for d in dimension_names(3)] == ["batches", "rows", "columns"]
    assert [extent_name(d) for d in dimension_names(4)][:2] == ["batches_1", "batches_2"]
    assert extent_name("element") == "size"


def test_dimensions_by_their_numbers():
    assert along("*", 3) == (0, 1, 2)
    assert along((1,), 3) == (1,)
    assert along((), 3) == ()


def test_the_layout_of_a_vector_and_of_a_scalar():
    assert layout((), (3, 4)) == Layout((12,), (0,))
    assert layout((), ()) == Layout((1,), (0,))
    assert layout((), (0, 4)).elements("*") == 0
    assert layout((), (3, 4)).strides(()) == (0,)
    assert layout((), (3, 4)).elements(()) == 1


@pytest.mark.parametrize(
    ("groups", "shape", "extents", "order", "innermost"),
    [
        (((0,), (1,)), (3, 5), (3, 5), (0, 1), 1),
        (((1,), (0,)), (3, 5), (5, 3), (1, 0), 0),
        (((0, 1), (2,), (3,)), (2, 3, 4, 5), (6, 4, 5), (0, 1, 2), 2),
        (((0, 1), (3,), (2,)), (2, 3, 4, 5), (6, 5, 4), (0, 2, 1), 1),
        (((1,), (0,), (2,)), (3, 4, 5), (4, 3, 5), (1, 0, 2), 2),
        (((2,), (0,), (1,)), (3, 4, 5), (5, 3, 4), (1, 2, 0), 0),
        (((), (0,), (1,)), (3, 5), (1, 3, 5), (0, 1, 2), 2),
        (((), (1,), (0,)), (3, 5), (1, 5, 3), (0, 2, 1), 1),
    ],
)
def test_extents_and_the_order_in_memory(groups, shape, extents, order, innermost):
    found = layout(groups, shape)
    assert (found.extents, found.order) == (extents, order)
    assert found.innermost == innermost


def test_small_arrays_are_dense_in_the_order_of_the_leaf():
    batch_innermost = layout(((2,), (0,), (1,)), (3, 4, 5))
    assert batch_innermost.strides("*") == (1, 20, 5)
    assert batch_innermost.strides((0, 1)) == (1, 5, 0)
    assert batch_innermost.strides((0, 2)) == (1, 0, 5)
    assert batch_innermost.strides((0,)) == (1, 0, 0)
    assert batch_innermost.elements((0, 2)) == 20


@st.composite
def views(draw):
    """A shape, and the axes of each dimension: runs of neighbours, in any order, perhaps none."""
    shape = tuple(draw(st.lists(st.integers(0, 4), min_size=2, max_size=5)))
    rank = len(shape)
    cuts = draw(st.lists(st.integers(1, rank - 1), min_size=1, max_size=3, unique=True))
    edges = [0, *sorted(cuts), rank]
    groups = [tuple(range(a, b)) for a, b in itertools.pairwise(edges)]
    groups = draw(st.permutations(groups))
    if draw(st.booleans()):
        groups = [(), *groups]
    kept = draw(st.sets(st.sampled_from(range(len(groups)))))
    return shape, tuple(groups), tuple(sorted(kept))


@given(views())
def test_strides_lead_to_the_elements_of_the_leaf_and_of_its_slots(view):
    shape, groups, kept = view
    found = layout(groups, shape)
    for axes in ("*", kept):
        array = np.arange(found.elements(axes))
        assert array.size == np.prod(reduced_shape(shape, groups, axes))
        array = np.broadcast_to(array.reshape(reduced_shape(shape, groups, axes)), shape)
        strides = found.strides(axes)
        assert all(s == 0 for d, s in enumerate(strides) if d not in along(axes, len(groups)))
        for index in np.ndindex(*shape):
            position = 0
            for group, stride in zip(groups, strides, strict=True):
                extents = [shape[a] for a in group]
                where = np.ravel_multi_index([index[a] for a in group], extents) if group else 0
                position += int(where) * stride
            assert position == array[index]


@pytest.mark.parametrize(
    ("groups", "axes", "expected"),
    [
        (((0,), (1,)), "*", (3, 5)),
        (((0,), (1,)), (0,), (3, 1)),
        (((1,), (0,)), (0,), (1, 5)),
        (((0,), (1,)), (), ()),
        ((), "*", (3, 5)),
        ((), (), ()),
        (((), (0,), (1,)), (0, 1), (3, 1)),
        (((), (0,), (1,)), (1, 2), (3, 5)),
    ],
)
def test_shapes_of_slots(groups, axes, expected):
    assert reduced_shape((3, 5), groups, axes) == expected
