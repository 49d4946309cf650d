"""Leaves that rules see alike have one program, and those that differ stay apart."""

import jax
import jax.numpy as jnp
import numpy as np

import optgen
from optgen import dsl
from optgen.compile import compile_tree, distinct_dtypes, lower
from optgen.passes.dimensions import without_batch
from tests.schedule import rules
from tests.schedule.planning import viewed

ADAFACTOR = [
    (rules.adafactor(2, 0, 1), ((0,), (1,))),
    (rules.adafactor(2, 1, 0), ((1,), (0,))),
    (rules.adafactor(3, 1, 2), ((0,), (1,), (2,))),
    (rules.adafactor(3, 2, 1), ((0,), (2,), (1,))),
    (rules.adafactor(3, 2, 0), ((1,), (2,), (0,))),
    (rules.adafactor(4, 2, 3), ((0, 1), (2,), (3,))),
    (rules.adafactor(4, 3, 2), ((0, 1), (3,), (2,))),
]


def test_adafactor_is_one_program_whichever_axes_it_factors():
    found = [viewed(program) for program, _ in ADAFACTOR]
    assert [groups for _, groups, _ in found] == [groups for _, groups in ADAFACTOR]
    matrices, batched = {p for p, *_ in found[:2]}, {p for p, *_ in found[2:]}
    assert len(matrices) == len(batched) == 1
    (matrix,), (batch,) = matrices, batched
    assert without_batch(batch.update) == matrix.update


def shapes(*shapes):
    return [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]


def lowered(tx, *tree):
    specs = tx.trees.specs(shapes(*tree))
    found, placements = lower(tx.instance.composition, specs)
    return found, [placements[spec] for spec in specs]


SIX = [(256, 512), (512, 256), (4, 256, 512), (4, 512, 256), (3, 3, 128, 256), (3, 3, 256, 128)]


def test_adafactors_six_kinds_of_leaves_are_one_variant():
    found, placements = lowered(optgen.adafactor(1e-3), *SIX, (7,))
    assert [variant.name for variant in found.variants] == ["factored", "whole"]
    assert {p.variant for p in placements[:-1]} == {0}
    groups = [p.groups for p in placements]
    assert groups == [
        ((), (0,), (1,)),
        ((), (1,), (0,)),
        ((0,), (1,), (2,)),
        ((0,), (2,), (1,)),
        ((0, 1), (2,), (3,)),
        ((0, 1), (3,), (2,)),
        (),
    ]
    factored = found.variants[0]
    assert {guard.groups for guard in factored.guards} == set(groups[:-1])
    assert factored.dimensions == ("batches", "rows", "columns")
    for shape, placement in zip(SIX, placements, strict=False):
        rows, columns = placement.groups[-2][0], placement.groups[-1][0]
        slots = {n: s.shape(shape, placement.groups) for n, s in factored.slots.items()}
        assert slots["v_row"] == tuple(1 if a == columns else n for a, n in enumerate(shape))
        assert slots["v_col"] == tuple(1 if a == rows else n for a, n in enumerate(shape))


def test_matrices_alone_need_no_batch():
    found, placements = lowered(optgen.adafactor(1e-3), (256, 512), (512, 256))
    assert [p.groups for p in placements] == [((0,), (1,)), ((1,), (0,))]
    assert found.variants[0].dimensions == ("rows", "columns")


def test_programs_that_differ_stay_apart():
    other = rules.adafactor(3, 1, 2, clip=True)
    assert viewed(other)[0] != viewed(rules.adafactor(3, 1, 2))[0]
    assert without_batch(viewed(other)[0].update) != viewed(rules.adafactor(2, 0, 1))[0].update

    @dsl.rule
    def by_rank(g, p, *, learning_rate):
        mean = dsl.state("mean", like=dsl.mean(p, axis=-1))
        mean.next = dsl.mean(g * g if p.ndim == 2 else g, axis=-1)
        return -learning_rate * g * mean.next

    found, placements = lowered(by_rank(1e-3), (4, 5), (2, 4, 5))
    assert [p.variant for p in placements] == [0, 1]
    assert len(found.variants) == 2


@dsl.rule
def matrix_means(g, p, *, learning_rate):
    """One number for each matrix, beside its rows and columns."""
    row = dsl.state("row", like=dsl.mean(p, axis=-1))
    column = dsl.state("column", like=dsl.mean(p, axis=-2))
    one = dsl.state("one", like=dsl.mean(p, axis=(-2, -1)))
    row.next = dsl.mean(g * g, axis=-1)
    column.next = dsl.mean(g * g, axis=-2)
    one.next = 0.9 * one + dsl.mean(g, axis=(-2, -1))
    return -learning_rate * g * dsl.sqrt(row.next * column.next) * one.next


def test_slots_have_the_same_shapes_whoever_else_is_in_the_tree():
    tx = matrix_means(1e-2, target="xla")
    rng = np.random.default_rng(0)
    tree = {
        "matrix": rng.normal(size=(3, 4)).astype(np.float32),
        "batch": rng.normal(size=(2, 3, 4)).astype(np.float32),
    }
    alone = {"matrix": tree["matrix"]}
    states = [tx.init(params) for params in (tree, alone)]
    assert states[0].one["matrix"].shape == states[1].one["matrix"].shape == ()
    assert states[0].one["batch"].shape == (2, 1, 1)
    for params, state in ((tree, states[0]), (alone, states[1])):
        stepped, after = tx.step(params, state, grads=params)
        updates, _ = tx.update(params, state, params)
        assert after.one["matrix"].shape == ()
        g = params["matrix"].astype(np.float64)
        scale = np.sqrt(np.mean(g * g, 1, keepdims=True) * np.mean(g * g, 0, keepdims=True))
        expected = -1e-2 * g * scale * np.mean(g)
        np.testing.assert_allclose(updates["matrix"], expected, rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(stepped["matrix"], g + expected, rtol=1e-5, atol=1e-6)


def test_a_leaf_that_kernels_serve_is_not_joined_to_one_that_they_do_not():
    @dsl.rule
    def last_three(g, p, *, learning_rate):
        update = g
        for axis in (-3, -2, -1):
            others = tuple(a for a in (-3, -2, -1) if a != axis)
            kept = dsl.state(f"kept_{-axis}", like=dsl.max(p, axis=(*range(p.ndim - 3), *others)))
            kept.next = dsl.max(g * g, axis=(*range(p.ndim - 3), *others))
            update = update * kept.next
        return -learning_rate * update

    for tree in ([(2, 3, 4), (5, 2, 3, 4)], [(5, 2, 3, 4), (2, 3, 4)]):
        found, placements = lowered(last_three(1e-3), *tree)
        pairs = zip(tree, placements, strict=True)
        reasons = {shape: found.variants[p.variant].reason for shape, p in pairs}
        assert reasons[2, 3, 4] == ""
        assert "4 groups" in reasons[5, 2, 3, 4]


def test_kernels_are_emitted_for_the_dtypes_that_each_variant_computes_in():
    @dsl.rule
    def summed(g, p, *, learning_rate):
        if p.ndim < 2:
            return -learning_rate * g
        total = dsl.state("total", like=dsl.sum(p), dtype="float64")
        total.next = total + dsl.sum(g)
        return -learning_rate * g * total.next

    with jax.enable_x64(True):
        tx = summed(1e-3, target="xla")
        specs = tx.trees.specs(shapes((3, 4), (3,)))
        found, placements = lower(tx.instance.composition, specs)
        emitted = {(d.param, d.grad, d.real) for d in distinct_dtypes(specs, found)}
        module = compile_tree(tx.instance.composition, specs, "xla").module
        served = [module.variants[placements[spec].variant].dtypes(spec) for spec in specs]
    assert [real for _, _, real in served] == ["float64", "float32"]
    assert set(served) <= emitted
