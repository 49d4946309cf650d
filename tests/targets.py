"""Pieces that the tests of every kernel target share: optimizers, trees, made-up rules."""

import jax
import jax.numpy as jnp
import numpy as np

import optgen
from optgen import dsl

DECAYING = ("adamw", "nadamw", "lion", "lamb", "lars")
CHAIN = "clip by global norm, then adamw"


def options(name):
    return {"weight_decay": 0.1} if name in DECAYING else {}


def make(name, target):
    if name == CHAIN:
        parts = optgen.clip_by_global_norm(1.0), optgen.adamw(1e-2, weight_decay=0.1)
        return optgen.chain(*parts, target=target)
    return getattr(optgen, name)(1e-2, target=target, **options(name))


def random_tree(shapes, seed=0, dtype=jnp.float32):
    rng = np.random.default_rng(seed)
    return {name: jnp.asarray(rng.normal(size=shape), dtype) for name, shape in shapes.items()}


def close(got, wanted, tolerance):
    """True where two trees are the same, up to a share of the largest element of each leaf."""
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        scale = np.max(np.abs(b), initial=1e-30)
        np.testing.assert_allclose(a / scale, b / scale, atol=tolerance)


@dsl.rule
def tangled(g, p, *, rate):
    """Small slots that are made of each other's old values, under names that emitters use too."""
    per_row = dsl.mean(g, axis=1)
    total, sum_1, reduced_1, d0 = (
        dsl.state(name, like=per_row, init=start)
        for start, name in enumerate(("total", "sum_1", "reduced_1", "d0"))
    )
    total.next = sum_1 + per_row - dsl.mean(per_row)
    sum_1.next = total - 0.5 * dsl.max(sum_1) + dsl.sum(per_row)
    reduced_1.next = d0 + per_row / (1.0 + dsl.sum(reduced_1))
    d0.next = reduced_1 - dsl.mean(d0)
    return -rate * g * (total.next + sum_1.next + reduced_1.next + d0.next)


@dsl.rule
def maxima(g, p, *, rate):
    """SM3 (Anil et al., 2019, arXiv:1901.11150), with a maximum along each axis."""
    if p.ndim < 2:
        return -rate * g
    scale = 0.0
    for axis in range(p.ndim):
        others = tuple(a for a in range(p.ndim) if a != axis)
        scale = scale + dsl.max(dsl.abs(g), axis=others)
    return -rate * g / (1.0 + scale)


@dsl.rule
def statistics(g, p, *, rate):
    """Sums and extremes along rows, along columns, over the leaf and over the tree."""
    if p.ndim == 2:
        g = g - dsl.mean(g, axis=0) + dsl.max(g, axis=1) * dsl.min(p, axis=0)
    return -rate * g / (dsl.rms(g) + dsl.max(dsl.abs(p)) + dsl.tree_sum(p) ** 2)
