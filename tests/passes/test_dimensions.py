"""Views of programs: which axes are one dimension, and that what programs mean is preserved."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optgen.ir.build import effect
from optgen.ir.evaluate import Inputs, evaluate
from optgen.ir.legality import KERNEL, check
from optgen.ir.node import node
from optgen.ir.program import Program
from optgen.ir.text import text
from optgen.ir.types import LEAF, REAL_SCALAR, SCALAR, canonical
from optgen.passes.dimensions import view, without_batch
from optgen.runtime.vocabulary.view import layout
from tests.schedule import rules
from tests.schedule.rules import Rule
from tests.schedule.running import WIDE, Scalars, from_view, to_view


def keeping(rank, *kept):
    """A body with a reduction for each of these sets of axes, which it keeps."""
    rule = Rule(rank)
    g = rule.gradient()
    for i, axes in enumerate(kept):
        others = tuple(a for a in range(rank) if a not in axes)
        rule.store(f"slot_{i}", rule.reduce("sum", g, others), "float32", axes)
    return rule.program("body").update


@pytest.mark.parametrize(
    ("body", "groups"),
    [
        (keeping(2, (0,), (1,)), ((0,), (1,))),
        (keeping(2, (0,)), ((0,), (1,))),
        (keeping(2, (1,)), ((1,), (0,))),
        (keeping(2, (1,), (0,)), ((1,), (0,))),
        (keeping(3, (0, 1)), ((0, 1), (2,))),
        (keeping(3, (0,)), ((0,), (1, 2))),
        (keeping(3, (1, 2)), ((1, 2), (0,))),
        (keeping(3, (0, 1), (0, 2)), ((0,), (1,), (2,))),
        (keeping(3, (0, 2), (0, 1)), ((0,), (2,), (1,))),
        (keeping(3, (1, 2), (0, 1)), ((1,), (2,), (0,))),
        (keeping(3, (0, 2)), ((0,), (2,), (1,))),
        (keeping(4, (0, 1, 2), (0, 1, 3)), ((0, 1), (2,), (3,))),
        (keeping(4, (0, 1)), ((0, 1), (2, 3))),
        (keeping(4, (0, 1, 2), (0, 2, 3)), ((0,), (2,), (1,), (3,))),
        (keeping(3, (0,), (1,), (2,)), ((0,), (1,), (2,))),
    ],
)
def test_axes_that_are_always_named_together_are_one_dimension(body, groups):
    seen = view([body])
    assert seen.groups == groups
    assert seen.reason == ""
    (program,) = seen.programs
    assert program.rank == len(groups)
    check(program, KERNEL)


def test_columns_are_what_is_reduced_first_wherever_they_are_in_memory():
    last, first = view([keeping(2, (0,))]), view([keeping(2, (1,))])
    assert last.programs == first.programs
    assert "sum<1>" in text(last.programs[0])
    orders = [layout(seen.groups, (3, 5)).order for seen in (last, first)]
    assert orders == [(0, 1), (1, 0)]


def test_columns_are_what_is_not_kept_where_nothing_is_reduced():
    rule = Rule(2)
    row = rule.load("row", "float32", (1,))
    rule.result(rule("mul", rule.gradient(), row))
    seen = view([rule.program("rescaled").update])
    assert seen.groups == ((1,), (0,))
    assert seen.axes((1,)) == (0,)


def test_columns_are_what_is_counted_where_nothing_else_tells_them_from_rows():
    def counting(axis):
        rule = Rule(3)
        batch = rule.load("batch", "float32", (0,))
        rule.store("mean", rule.mean(batch, (0, axis)), "float32", ())
        return view([rule.program("mean").update])

    last, middle = counting(2), counting(1)
    assert last.groups == ((0,), (1,), (2,))
    assert middle.groups == ((0,), (2,), (1,))
    assert last.programs == middle.programs


@pytest.mark.parametrize("rank", [0, 1, 2, 5])
def test_a_body_that_names_no_axis_sees_a_vector(rank):
    rule = Rule(rank)
    rule.result(rule.rms(rule.gradient()))
    seen = view([rule.program("flat").update])
    assert (seen.groups, seen.programs[0].rank) == ((), None)
    assert seen.axes(LEAF) == LEAF
    assert seen.axes(SCALAR) == SCALAR


def test_all_axes_by_their_numbers_are_no_axis_by_name():
    g = node("cast", rules.Type("real", LEAF), (node("load", rules.Type("grad", LEAF), (), "g"),))
    total = node("sum", REAL_SCALAR, (g,), (0,))
    size = node("extent", REAL_SCALAR, attr=(0,))
    program = Program("vector", (effect("emit", "a", total), effect("emit", "b", size)), 1)
    seen = view([program])
    assert seen.groups == ()
    (body,) = seen.programs
    assert "sum<*>" in text(body)
    assert "extent<*>" in text(body)
    assert body.rank is None
    check(body, KERNEL)


def test_all_programs_of_a_leaf_are_seen_alike():
    """A slot that only another program names has a dimension too; the first one numbers them."""
    seen = view([keeping(3, (0, 2)), keeping(3, (0, 1))])
    assert seen.groups == ((0,), (2,), (1,))
    alone = view([keeping(3, (0, 1))])
    assert alone.groups == ((0, 1), (2,))
    flat, shaped = view([Program("nothing", (), None), keeping(2, (0,))]).programs
    assert (flat.rank, shaped.rank) == (2, 2)


def test_maxima_along_every_axis_of_four_are_left_to_xla():
    seen = view([rules.sm3(4).update])
    assert seen.reason == (
        "it keeps or reduces 4 groups of axes separately (0, 1, 2, 3), and a view has rows, "
        "columns, and a batch along which everything varies"
    )


def test_programs_of_leaves_of_different_ranks_become_the_same():
    (rank_2,), (rank_4,) = (
        view([body]).programs for body in (keeping(2, (0,)), keeping(4, (0, 1)))
    )
    assert rank_2 == rank_4
    assert rank_2.rank == 2


def test_extents_are_counted_in_the_dimensions_of_the_view():
    rule = Rule(4)
    rule.store("slot", rule.mean(rule.gradient(), (2, 3)), "float32", (0, 1))
    (body,) = view([rule.program("mean").update]).programs
    (extent,) = body.find("extent")
    assert extent.attr == (1,)


def test_names_of_values_stay():
    body = keeping(3, (0, 2))
    total = next(n for n in body.nodes() if n.op == "sum")
    (program,) = view([replace(body, names={total: "totals"})]).programs
    assert list(program.names.values()) == ["totals"]


@st.composite
def programs(draw, rank):
    """Arithmetic, reductions over any axes, and a slot for each of some values."""
    rule = Rule(rank)
    pool = [rule.gradient(), rule.parameter()]
    axes = st.sets(st.sampled_from(range(rank)), min_size=1).map(lambda x: canonical(x, rank))
    kept = draw(axes)
    pool.append(rule.load("kept", "float64", kept))
    for _ in range(draw(st.integers(1, 6))):
        x = draw(st.sampled_from(pool[-4:]))
        kind = draw(st.sampled_from(["binary", "sum", "max", "mean"]))
        if kind == "binary":
            made = rule(
                draw(st.sampled_from(["add", "mul", "sub"])), x, draw(st.sampled_from(pool))
            )
        elif kind == "mean":
            made = rule.mean(x, draw(axes))
        else:
            made = rule.reduce(kind, x, draw(axes))
        pool.append(made)
    for i, value in enumerate(pool[-3:]):
        rule.store(f"slot_{i}", value, "float64", value.type.axes)
    return rule.program("random").update


def shape_of(axes, shape):
    if axes in (LEAF, SCALAR):
        return shape if axes == LEAF else ()
    return tuple(n if a in axes else 1 for a, n in enumerate(shape))


def random_arrays(program, shape, seed):
    rng = np.random.default_rng(seed)
    return {n.attr: rng.normal(size=shape_of(n.type.axes, shape)) for n in program.find("load")}


def run(program, arrays, shape):
    inputs = Inputs(arrays, scalars=Scalars([], []), shape=shape, dtypes=WIDE)
    return evaluate(program, inputs)


def assert_close(got, expected):
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        assert got[name].shape == value.shape
        np.testing.assert_allclose(got[name], value, rtol=1e-9, atol=1e-9, err_msg=name)


@settings(max_examples=150)
@given(st.integers(1, 4).flatmap(programs), st.integers(0, 9), st.data())
def test_a_view_means_the_same(program, seed, data):
    shape = tuple(data.draw(st.integers(1, 4)) for _ in range(program.rank))
    seen = view([program])
    (rewritten,) = seen.programs
    check(rewritten, KERNEL)
    arrays = random_arrays(program, shape, seed)
    axes = {n.attr: n.type.axes for n in rewritten.nodes() if n.op in ("load", "store")}
    loads = {name: to_view(x, seen.groups, shape, axes[name]) for name, x in arrays.items()}
    values = run(rewritten, loads, layout(seen.groups, shape).extents)
    back = {name: from_view(x, seen.groups, shape, axes[name]) for name, x in values.items()}
    assert_close(back, run(program, arrays, shape))
    for n in program.nodes():
        if n.op in ("load", "store"):
            assert seen.axes(n.type.axes) == axes[n.attr]


@settings(max_examples=150)
@given(st.integers(2, 4).flatmap(programs), st.integers(0, 9), st.data())
def test_a_batch_of_one_means_the_same(program, seed, data):
    rank = program.rank
    shape = (1, *(data.draw(st.integers(1, 4)) for _ in range(rank - 1)))
    smaller = without_batch(program)
    assert smaller.rank == rank - 1
    check(smaller, KERNEL)
    axes = {n.attr: n.type.axes for n in smaller.nodes() if n.op in ("load", "store")}
    arrays = random_arrays(program, shape, seed)
    loads = {name: x.reshape(shape_of(axes[name], shape[1:])) for name, x in arrays.items()}
    values = run(smaller, loads, shape[1:])
    expected = run(program, arrays, shape)
    assert_close({name: x.reshape(expected[name].shape) for name, x in values.items()}, expected)


@settings(max_examples=100)
@given(st.data(), st.integers(2, 4).flatmap(programs), st.integers(0, 9))
def test_numbers_of_dimensions_do_not_depend_on_where_axes_are(data, program, seed):
    """Rules along axes in another order are one program, where neighbours stay so."""
    seen = view([program])
    groups = seen.groups
    if not groups or seen.reason or any(len(group) > 1 for group in groups):
        return
    columns, rows = groups[-1][0], groups[-2][0]
    swap = {columns: rows, rows: columns}
    moved = swapped(program, swap)
    again = view([moved])
    if len(again.groups) == len(groups) and again.groups[:-2] == groups[:-2]:
        assert again.programs == seen.programs
        # Where nothing tells rows from columns, either may be the first in memory.
        assert again.groups[-2:] == tuple((swap[a],) for (a,) in groups[-2:]) or moved == program


def swapped(program, swap):
    def axes(old):
        if old in (LEAF, SCALAR):
            return old
        return tuple(sorted(swap.get(a, a) for a in old))

    def step(n):
        attr = axes(n.attr) if n.op in ("sum", "max", "extent") else n.attr
        return node(n.op, n.type.with_axes(axes(n.type.axes)), n.args, attr)

    return program.rewrite(step)
