"""Runs optgen and optax side by side on the same gradients, and says how far they part."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

SHAPES = {
    "scalar": (),
    "empty": (0, 3),
    "zeros": (7,),
    "matrix": (13, 5),
    "thin": (13, 3),
    "square": (6, 6),
    "cube": (5, 3, 7),
    "kernel": (2, 3, 4, 5),
}
FROZEN = slice(30, 60)
"""The steps at which `square` has no gradient but zeros."""


def parameters(dtype: Any) -> dict[str, jax.Array]:
    """Awkward leaves: 0-d, empty, odd, of many axes, with and without two long ones, zeros."""
    rng = np.random.default_rng(0)
    values = {name: rng.normal(size=shape) for name, shape in SHAPES.items()}
    values["zeros"] = np.zeros(SHAPES["zeros"])
    return {name: jnp.asarray(value, dtype) for name, value in values.items()}


def gradients(steps: int, dtype: Any) -> dict[str, jax.Array]:
    """The gradients of all steps, along a first axis; those of some leaves begin at zero."""
    rng = np.random.default_rng(1)
    values = {name: rng.normal(size=(steps, *shape)) for name, shape in SHAPES.items()}
    values["kernel"] *= 1e-3
    values["thin"] *= 30.0
    values["zeros"][:2] = 0
    values["square"][FROZEN] = 0
    return {name: jnp.asarray(value, dtype) for name, value in values.items()}


def widened(tx: optax.GradientTransformation) -> optax.GradientTransformation:
    """The same, reading narrow state in the precision of the updates.

    optax multiplies a bf16 moment by its decay in bf16, and rounds the decay to bf16 too; optgen
    rounds when it stores, and only then.
    """

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        wide = optax.tree_utils.tree_dtype(updates, "highest")

        def widen(leaf: jax.Array) -> jax.Array:
            return leaf.astype(wide) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

        dtypes = jax.tree.map(lambda leaf: leaf.dtype, state)
        updates, new = tx.update(updates, jax.tree.map(widen, state), params)
        return updates, jax.tree.map(lambda leaf, dtype: leaf.astype(dtype), new, dtypes)

    return optax.GradientTransformation(tx.init, update)


class Run(NamedTuple):
    """Parameters and state after some steps."""

    params: Any
    state: Any


def updating(tx: Any, grads: Any, now: Run) -> Run:
    """One step as optax takes it."""
    updates, state = tx.update(grads, now.state, now.params)
    return Run(optax.apply_updates(now.params, updates), state)


def stepping(tx: Any, grads: Any, now: Run) -> Run:
    """One fused step of optgen."""
    return Run(*tx.step(now.params, now.state, grads=grads))


def run(each: Any, steps: int, dtype: Any) -> list[Run]:
    """Runs pairs of an optimizer and a way to take its steps, on the same gradients."""

    @jax.jit
    def trajectory(params: Any, grads: Any) -> list[Run]:
        first = [Run(params, tx.init(params)) for tx, _ in each]

        def body(runs: list[Run], now: Any) -> tuple[list[Run], None]:
            return [go(tx, now, r) for (tx, go), r in zip(each, runs, strict=True)], None

        return jax.lax.scan(body, first, grads)[0]

    return trajectory(parameters(dtype), gradients(steps, dtype))


def distance(found: Any, expected: Any) -> float:
    """The largest relative difference over the elements of a leaf.

    An element that happens to lie near zero counts as a tenth of the leaf's largest magnitude: it
    is the sum of steps of that size, and carries their rounding. So the distance is at least the
    difference relative to the largest magnitude, and ten times that at most.
    """
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if found.shape != expected.shape:
        return float("inf")
    if not found.size:
        return 0.0
    scale = np.maximum(np.abs(expected), np.abs(expected).max() / 10)
    difference = np.abs(found - expected)
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.where(difference == 0, 0, difference / scale).max())


def distances(found: Any, expected: Any) -> dict[str, float]:
    """The distance of each leaf, by its path."""
    pairs = zip(jax.tree.leaves_with_path(found), jax.tree.leaves(expected), strict=True)
    return {jax.tree_util.keystr(path): distance(a, b) for (path, a), b in pairs}


def state_distances(found: Any, expected: Any) -> dict[tuple[str, str], float]:
    """The distance of each leaf of each slot from optax's state, by both their names.

    Where optax stores a dummy of one element, ours has None; where it drops the axis that was
    reduced, ours keeps it with extent 1.
    """
    result = {}
    slots = {} if found == optax.EmptyState() else found.slots
    for name, tree in slots.items():
        theirs = optax.tree_utils.tree_get(expected, name)
        for leaf, value in tree.items():
            if value is not None:
                result[name, leaf] = distance(np.squeeze(value), np.squeeze(theirs[leaf]))
            elif theirs[leaf].size != 1:
                result[name, leaf] = float("inf")
    return result
