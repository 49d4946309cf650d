"""Lowering: leaves that are seen alike share a program, whatever their axes and ranks."""

import jax
import jax.numpy as jnp

import optgen
from optgen import dsl
from optgen.compile import lower

SIX = ((256, 512), (512, 256), (4, 256, 512), (4, 512, 256), (3, 3, 128, 256), (3, 3, 256, 128))


def variants(optimizer, shapes):
    specs = optimizer.trees.specs([jax.ShapeDtypeStruct(s, jnp.float32) for s in shapes])
    lowered, placements = lower(optimizer.instance.composition, specs)
    return lowered.variants, [placements[spec] for spec in specs]


def test_adafactor_has_one_factored_variant_for_all_axes():
    kinds, placements = variants(optgen.adafactor(learning_rate=0.1), (*SIX, (128,), ()))
    assert [v.name for v in kinds] == ["factored", "whole"]
    assert [p.variant for p in placements] == [0] * 6 + [1] * 2
    assert placements[0].groups == ((), (0,), (1,))
    assert placements[1].groups == ((), (1,), (0,))
    assert placements[5].groups == ((0, 1), (3,), (2,))


def test_matrices_alone_have_no_batch():
    kinds, placements = variants(optgen.adafactor(learning_rate=0.1), SIX[:2])
    assert len(kinds) == 1
    assert [p.groups for p in placements] == [((0,), (1,)), ((1,), (0,))]


@dsl.rule
def slot_of_a_batch(g, p, *, learning_rate):
    """One number for each matrix of a batch, and one for a matrix alone."""
    last = (p.ndim - 2, p.ndim - 1)
    size = dsl.state("size", like=dsl.mean(g, last))
    size.next = dsl.mean(abs(g), last)
    rows = dsl.state("rows", like=dsl.mean(g, p.ndim - 1))
    rows.next = dsl.mean(g * g, p.ndim - 1)
    return -learning_rate * g / (size.next + rows.next)


def test_a_state_does_not_depend_on_what_else_is_in_the_tree():
    tx = slot_of_a_batch(0.1, target="xla")
    alone = tx.init({"w": jnp.ones((5, 7))})
    together = tx.init({"w": jnp.ones((5, 7)), "b": jnp.ones((3, 5, 7))})
    assert jax.tree.map(jnp.shape, alone.size["w"]) == together.size["w"].shape == ()
    assert alone.rows["w"].shape == together.rows["w"].shape == (5, 1)
    assert together.size["b"].shape == (3, 1, 1)
