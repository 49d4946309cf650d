"""How kernels see leaves: which axes are one dimension, and where elements are."""

import numpy as np
import pytest

from optgen.ir.build import effect
from optgen.ir.node import node
from optgen.ir.program import Program
from optgen.ir.text import text
from optgen.ir.types import LEAF, REAL_SCALAR
from optgen.schedule.views import FLAT, Layout, Uncovered, view_of
from tests.schedule import rules
from tests.schedule.rules import Rule

MATRIX = ("rows", "columns")
BATCHED = ("batch", "rows", "columns")


def keeping(rank, *kept):
    """A body with a reduction for each of these sets of axes, which it keeps."""
    rule = Rule(rank)
    g = rule.gradient()
    for i, axes in enumerate(kept):
        others = tuple(a for a in range(rank) if a not in axes)
        rule.store(f"slot_{i}", rule.reduce("sum", g, others), "float32", axes)
    return rule.program("body").update


@pytest.mark.parametrize(
    ("body", "roles", "groups"),
    [
        (keeping(2, (0,), (1,)), MATRIX, ((0,), (1,))),
        (keeping(2, (1,)), MATRIX, ((0,), (1,))),
        (keeping(3, (0, 1)), MATRIX, ((0, 1), (2,))),
        (keeping(3, (0,)), MATRIX, ((0,), (1, 2))),
        (keeping(3, (0, 1), (0, 2)), BATCHED, ((0,), (1,), (2,))),
        (keeping(3, (1, 2), (0, 1)), BATCHED, ((1,), (0,), (2,))),
        (keeping(3, (0, 2)), BATCHED, ((0,), (1,), (2,))),
        (keeping(4, (0, 1, 2), (0, 1, 3)), BATCHED, ((0, 1), (2,), (3,))),
        (keeping(4, (0, 1)), MATRIX, ((0, 1), (2, 3))),
        (keeping(4, (0, 1, 2), (0, 2, 3)), ("batch", *BATCHED), ((0,), (2,), (1,), (3,))),
        (keeping(3, (0,), (1,), (2,)), BATCHED, ((0,), (1,), (2,))),
    ],
)
def test_axes_that_are_always_named_together_are_one_dimension(body, roles, groups):
    grouping = view_of(body)
    assert (grouping.view.roles, grouping.groups) == (roles, groups)


@pytest.mark.parametrize("rank", [0, 1, 2, 5])
def test_a_body_that_names_no_axis_sees_a_vector(rank):
    rule = Rule(rank)
    rule.result(rule.rms(rule.gradient()))
    assert view_of(rule.program("flat").update).view == FLAT


def test_all_axes_by_their_numbers_are_no_axis_by_name():
    g = node("cast", rules.Type("real", LEAF), (node("load", rules.Type("grad", LEAF), (), "g"),))
    total = node("sum", REAL_SCALAR, (g,), (0,))
    size = node("extent", REAL_SCALAR, attr=(0,))
    grouping = view_of(
        Program("vector", (effect("emit", "a", total), effect("emit", "b", size)), 1)
    )
    assert grouping.view == FLAT
    body = grouping.rewrite(Program("vector", (effect("emit", "a", total),), 1))
    assert "sum<*>" in text(body)
    assert body.rank is None


def test_maxima_along_every_axis_of_four_are_left_to_xla():
    found = view_of(rules.sm3(4).update)
    assert found == Uncovered(
        "it keeps or reduces 4 groups of axes separately (0, 1, 2, 3), and a view has rows, "
        "columns, and a batch along which everything varies"
    )


def test_bodies_of_leaves_of_different_ranks_become_the_same():
    rank_2, rank_4 = (
        view_of(body).rewrite(body) for body in (keeping(2, (0,)), keeping(4, (0, 1)))
    )
    assert rank_2 == rank_4
    assert rank_2.rank == 2


def test_extents_are_counted_in_the_dimensions_of_the_view():
    rule = Rule(4)
    rule.store("slot", rule.mean(rule.gradient(), (2, 3)), "float32", (0, 1))
    body = rule.program("mean").update
    (extent,) = view_of(body).rewrite(body).find("extent")
    assert extent.attr == (1,)


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        (keeping(2, (0,)), (3, 5)),
        (keeping(3, (1, 2), (0, 1)), (3, 4, 5)),
        (keeping(4, (0, 1, 2), (0, 1, 3)), (2, 3, 4, 5)),
        (keeping(4, (0, 1, 2), (0, 2, 3)), (2, 3, 4, 5)),
    ],
)
def test_strides_lead_to_the_elements_of_the_leaf_and_of_its_slots(body, shape):
    grouping = view_of(body)
    layout = grouping.layout(shape)
    kept = {LEAF} | {n.type.axes for n in grouping.rewrite(body).outputs}
    for axes in kept:
        dims = range(len(layout.extents)) if axes == LEAF else axes
        leaf_axes = sorted(a for d in dims for a in grouping.groups[d])
        array = np.arange(np.prod([shape[a] for a in leaf_axes])).reshape(
            [shape[a] if a in leaf_axes else 1 for a in range(len(shape))]
        )
        assert layout.elements(axes) == array.size
        strides = layout.strides(axes)
        for index in np.ndindex(*shape):
            position = 0
            for d, group in enumerate(grouping.groups):
                where = np.ravel_multi_index([index[a] for a in group], [shape[a] for a in group])
                position += where * strides[d]
            expected = array[tuple(i if a in leaf_axes else 0 for a, i in enumerate(index))]
            assert position == expected


def test_the_layout_of_a_vector_and_of_a_scalar():
    grouping = view_of(rules.adamw().update)
    assert grouping.layout((3, 4)) == Layout((12,), (0,))
    assert grouping.layout(()) == Layout((1,), (0,))
    assert grouping.layout((0, 4)).elements(LEAF) == 0
    assert grouping.layout((3, 4)).strides(()) == (0,)
