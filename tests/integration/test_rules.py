"""Features of the DSL, against NumPy, on every target of this machine."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optgen
from optgen import dsl

pytestmark = [
    pytest.mark.usefixtures("each_target"),
    pytest.mark.filterwarnings("error:optgen's CPU kernels cannot serve"),
]


def tree(**leaves):
    return {name: jnp.asarray(leaf, jnp.float32) for name, leaf in leaves.items()}


def steps(tx, params, grads, count=1):
    """The parameters and the state after some fused steps with the same gradients."""
    state = tx.init(params)
    for _ in range(count):
        params, state = tx.step(params, state, grads=grads)
    return params, state


def as_numpy(leaves):
    return {name: np.asarray(leaf) for name, leaf in leaves.items()}


# What rules may keep.


@dsl.rule
def elastic(g, p, *, learning_rate, pull=0.5):
    """Descent, pulled back to where it began."""
    anchor = dsl.constant_state("anchor", init=p)
    return -learning_rate * g - pull * (p - anchor)


def test_a_constant_slot_keeps_where_it_began():
    begin = tree(w=[1.0, 2.0, 3.0])
    params, state = steps(elastic(1.0), begin, tree(w=[1.0, 0.0, 1.0]), 3)
    np.testing.assert_array_equal(state.anchor["w"], begin["w"])
    np.testing.assert_array_equal(params["w"], begin["w"] - jnp.float32([1.75, 0.0, 1.75]))


@dsl.rule
def loss_scaled(g, p, *, learning_rate, patience=2.0):
    """Descent with gradients of a scaled loss; the scale follows what overflows."""
    scale, good = dsl.tree_state("scale", init=8.0), dsl.tree_state("good")
    bad = dsl.tree_any(~dsl.isfinite(g))
    grown = good + 1 >= patience
    scale.next = dsl.where(bad, scale / 2, dsl.where(grown, 2 * scale, scale))
    good.next = dsl.where(bad | grown, 0, good + 1)
    return dsl.where(bad, 0.0, -learning_rate * g / scale)


def test_slots_of_the_tree_see_every_leaf():
    tx = loss_scaled(1.0)
    params = tree(a=np.zeros(3), b=0.0, empty=np.zeros((0, 2)))
    state = tx.init(params)
    assert state.scale.shape == ()
    found = []
    for b in (8.0, np.inf, 4.0, 4.0, np.nan):
        grads = {**params, "a": jnp.full(3, 8.0), "b": jnp.float32(b)}
        updates, state = tx.update(grads, state, params)
        found.append((*as_numpy(updates).values(), float(state.scale), float(state.good)))
    assert [(float(b), scale, good) for _, b, _, scale, good in found] == [
        (-1.0, 8.0, 1.0),
        (0.0, 4.0, 0.0),
        (-1.0, 4.0, 1.0),
        (-1.0, 8.0, 0.0),
        (0.0, 4.0, 0.0),
    ]
    assert [float(a[0]) for a, *_ in found] == [-1.0, 0.0, -2.0, -2.0, 0.0]


@dsl.rule
def begun(g, p, *, size, offset=1.0):
    """Slots that begin where the parameters and the hyperparameters say."""
    scaled = dsl.state("scaled", init=size * p + offset)
    share = dsl.state("share", init=p / dsl.global_norm(p))
    rows = dsl.state("rows", like=dsl.mean(p), init=dsl.mean(p) - dsl.tree_max(p))
    total = dsl.tree_state("total", init=size * dsl.tree_sum(p))
    scaled.next, share.next, rows.next, total.next = scaled, share, rows, total
    return 0.0 * g


def test_slots_begin_where_their_init_says():
    params = tree(a=[3.0, 0.0], b=4.0, empty=np.zeros(0))
    for size in (2.0, lambda count: 2.0 + count, jnp.float32(2.0)):
        state = begun(size).init(params)
        np.testing.assert_array_equal(state.scaled["a"], [7.0, 1.0])
        np.testing.assert_array_equal(state.share["b"], np.float32(0.8))
        np.testing.assert_array_equal(state.rows["a"], 1.5 - 4.0)
        assert float(state.total) == 14.0
        assert state.rows["a"].shape == ()
        after, _ = begun(size).step(params, state, grads=params)
        np.testing.assert_array_equal(after["a"], params["a"])


@dsl.rule
def sm3(g, p, *, learning_rate):
    """SM3 (Anil et al., 2019, arXiv:1901.11150): a cover of maxima along each axis."""
    axes = range(p.ndim)
    largest = [dsl.max(g**2, [other for other in axes if other != axis]) for axis in axes]
    covers = [dsl.state(f"mu_{axis}", like=largest[axis]) for axis in axes]
    if not covers:
        covers = [dsl.state("mu")]
    bound = covers[0]
    for cover in covers[1:]:
        bound = dsl.minimum(bound, cover)
    nu = bound + g**2
    for axis, cover in enumerate(covers):
        cover.next = dsl.max(nu, [other for other in axes if other != axis]) if p.ndim else nu
    return -learning_rate * g * dsl.rsqrt(nu)


@pytest.mark.parametrize("shape", [(), (5,), (3, 4), (2, 3, 4, 5)])
def test_slots_along_each_axis(shape):
    grads = [np.random.default_rng(i).normal(size=shape).astype(np.float32) for i in range(3)]
    params = jnp.zeros(shape)
    tx = sm3(0.1)
    state, found = tx.init(params), params
    rank = len(shape)
    covers = [np.zeros([n if i == a else 1 for i, n in enumerate(shape)]) for a in range(rank)]
    covers, expected = covers or [np.zeros(())], np.zeros(shape)
    for g in grads:
        found, state = tx.step(found, state, grads=g)
        nu = np.minimum.reduce(np.broadcast_arrays(*covers)) + g.astype(np.float64) ** 2
        expected = expected - 0.1 * g / np.sqrt(nu)
        covers = [
            nu.max(tuple(i for i in range(rank) if i != axis), keepdims=True)
            for axis in range(max(rank, 1))
        ]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    for axis, cover in enumerate(covers):
        slot = state.slots[f"mu_{axis}" if rank else "mu"]
        assert slot.shape == cover.shape
        np.testing.assert_allclose(slot, cover, rtol=1e-5)


@dsl.rule
def statistics(g, p, *, factor=1.0):
    """Every reduction there is, each in a slot."""
    for name, value in {
        "leaf_sum": dsl.sum(g),
        "leaf_mean": dsl.mean(g),
        "leaf_max": dsl.max(g),
        "leaf_min": dsl.min(g),
        "leaf_any": dsl.where(dsl.any(g > 2), 1.0, 0.0),
        "leaf_norm": dsl.norm(g),
        "leaf_rms": dsl.rms(g),
    }.items():
        dsl.state(name, like=value).next = value
    for name, value in {
        "tree_sum": dsl.tree_sum(factor * g),
        "tree_max": dsl.tree_max(g),
        "tree_any": dsl.where(dsl.tree_any(g > 2), 1.0, 0.0),
        "global_norm": dsl.global_norm(g),
    }.items():
        dsl.tree_state(name).next = value
    return 0.0 * g


def test_reductions_over_leaves_and_over_the_tree():
    grads = tree(a=[[1.0, 2.0], [-3.0, 0.5]], b=4.0, empty=np.zeros((3, 0)))
    tx = statistics(2.0)
    _, state = tx.update(grads, tx.init(grads), grads)
    for name in ("a", "b"):
        g = np.asarray(grads[name], np.float64)
        expected = {
            "leaf_sum": g.sum(),
            "leaf_mean": g.mean(),
            "leaf_max": g.max(),
            "leaf_min": g.min(),
            "leaf_any": float((g > 2).any()),
            "leaf_norm": np.sqrt((g**2).sum()),
            "leaf_rms": np.sqrt((g**2).mean()),
        }
        for slot, value in expected.items():
            np.testing.assert_allclose(state.slots[slot][name], value, rtol=1e-6)
    everything = np.concatenate([np.asarray(g).ravel() for g in grads.values()])
    np.testing.assert_allclose(state.tree_sum, 2 * everything.sum(), rtol=1e-6)
    np.testing.assert_allclose(state.tree_max, everything.max())
    np.testing.assert_allclose(state.tree_any, 1.0)
    np.testing.assert_allclose(state.global_norm, np.linalg.norm(everything), rtol=1e-6)


def test_reductions_over_a_tree_of_empty_leaves():
    grads = tree(a=np.zeros((0, 2)), b=np.zeros(0))
    tx = statistics()
    updates, state = tx.update(grads, tx.init(grads), grads)
    assert updates["a"].shape == (0, 2)
    assert float(state.tree_sum) == float(state.global_norm) == float(state.tree_any) == 0.0


@dsl.rule
def loudest(g, p, *, learning_rate):
    """Descent by a total of the tree itself, with nothing in between."""
    return -learning_rate * g / dsl.tree_max(dsl.abs(g)) - dsl.tree_sum(p)


def test_a_leaf_may_read_a_total_as_it_is():
    params, grads = tree(a=[1.0, 2.0], b=3.0), tree(a=[1.0, -4.0], b=2.0)
    after, _ = steps(loudest(1.0), params, grads)
    np.testing.assert_array_equal(after["a"], [1 - 0.25 - 6, 2 + 1 - 6])
    np.testing.assert_array_equal(after["b"], 3 - 0.5 - 6)


@dsl.rule
def stored(g, p, *, dtype: dsl.DType = None):
    """A sum that is stored in some dtype, and read before it is rounded."""
    total = dsl.state("total", dtype=dtype)
    mean = dsl.state("mean", like=dsl.mean(g))
    total.next = total + g
    mean.next = dsl.mean(g)
    return total.next


@pytest.mark.parametrize("dtype", [None, "bfloat16", jnp.float16, jnp.dtype("float32")])
def test_slots_are_stored_in_the_dtype_that_is_asked_for(dtype):
    params = {"w": jnp.ones(2, jnp.bfloat16)}
    grads = {"w": jnp.full(2, 1 + 2.0**-12, jnp.float32)}
    tx = stored(dtype)
    updates, state = tx.update(grads, tx.init(params), params)
    assert state.total["w"].dtype == jnp.dtype(dtype or jnp.bfloat16)
    assert state.mean["w"].dtype == jnp.float32
    np.testing.assert_array_equal(updates["w"], grads["w"])  # at full precision
    again, _ = tx.update(grads, state, params)
    kept = np.asarray(state.total["w"], np.float32)
    np.testing.assert_array_equal(again["w"], kept + grads["w"])


@dsl.rule
def only_matrices(g, p, *, learning_rate):
    """Keeps momentum for matrices, and nothing for the rest."""
    if p.ndim < 2:
        return -learning_rate * g
    momentum = dsl.state("momentum")
    momentum.next = 0.5 * momentum + g
    return -learning_rate * momentum.next


def test_slots_may_exist_for_some_leaves_only():
    params = tree(w=np.ones((2, 2)), b=np.ones(2))
    after, state = steps(only_matrices(1.0), params, params, 2)
    assert state.momentum["b"] is None
    np.testing.assert_array_equal(after["w"], 1 - 1 - 1.5)
    np.testing.assert_array_equal(after["b"], 1 - 1 - 1.0)


# Chains.


def test_slots_of_the_same_name_are_told_apart():
    tx = optgen.chain(optgen.trace(0.5), optgen.ema(0.5, debias=False), optgen.trace(0.25))
    params = jnp.zeros(1)
    state = tx.init(params)
    assert len(state.slots) == 3
    assert "ema" in state.slots
    updates, state = tx.update(jnp.ones(1), state, params)
    updates, state = tx.update(jnp.ones(1), state, params)
    parts = optax.chain(optax.trace(0.5), optax.ema(0.5, debias=False), optax.trace(0.25))
    theirs = parts.init(params)
    for _ in range(2):
        expected, theirs = parts.update(jnp.ones(1), theirs, params)
    np.testing.assert_array_equal(updates, expected)
    slots = sorted(float(slot[0]) for slot in state.slots.values())
    assert slots == sorted(float(x[0]) for x in (theirs[0].trace, theirs[1].ema, theirs[2].trace))


def test_a_chain_of_rules_takes_what_they_miss():
    rule = dsl.chain(optgen.clip_by_global_norm, optgen.trace(0.9), optgen.scale_by_learning_rate)
    assert [h.name for h in rule.hyperparameters][:2] == ["max_norm", "learning_rate"]
    params = tree(w=[3.0, 4.0])
    found, _ = steps(rule(1.0, learning_rate=0.5), params, params, 2)
    whole = optgen.chain(optgen.clip_by_global_norm(1.0), optgen.sgd(0.5, momentum=0.9))
    expected, _ = steps(whole, params, params, 2)
    np.testing.assert_array_equal(found["w"], expected["w"])


def test_parts_may_share_the_names_of_their_hyperparameters():
    tx = optgen.chain(optgen.scale_by_rms(eps=1.0), optgen.scale_by_adam(eps=2.0), optgen.sgd(0.5))
    assert {"scale_by_rms_eps", "scale_by_adam_eps"} <= set(tx.hyperparameters())
    params = tree(w=[1.0, -2.0])
    found, _ = steps(tx, params, params, 3)
    theirs = optax.chain(optax.scale_by_rms(eps=1.0), optax.scale_by_adam(eps=2.0), optax.sgd(0.5))
    expected, state = params, theirs.init(params)
    for _ in range(3):
        updates, state = theirs.update(params, state, expected)
        expected = optax.apply_updates(expected, updates)
    np.testing.assert_allclose(found["w"], expected["w"], rtol=1e-6)


# Arithmetic that must survive every compiler.


@dsl.rule
def kahan_sgd(g, p, *, learning_rate, dtype: dsl.DType = None):
    """Descent that keeps what rounding the parameter loses (Kahan, 1965)."""
    lost = dsl.state("lost", dtype=dtype)
    change = -learning_rate * g - lost
    rounded = dsl.cast(p + change, p.dtype)
    lost.next = (rounded - p) - change
    return rounded - p


@pytest.mark.parametrize("dtype", [None, "float32"])
@pytest.mark.parametrize("fused", [True, False])
def test_a_compensated_sum_in_bf16_is_right(dtype, fused):
    count, rate = 1000, 1e-4
    params = {"w": jnp.linspace(1, 2, 5).astype(jnp.bfloat16)}
    grads = {"w": jnp.linspace(0.5, 1.5, 5).astype(jnp.bfloat16)}

    def after(tx):
        def body(carry, _):
            params, state = carry
            if fused:
                return tx.step(params, state, grads=grads), None
            updates, state = tx.update(grads, state, params)
            return (optax.apply_updates(params, updates), state), None

        return jax.jit(lambda p: jax.lax.scan(body, (p, tx.init(p)), length=count)[0])(params)

    begin, gradient = (np.asarray(x["w"], np.float64) for x in (params, grads))
    exact = begin - count * np.float64(np.float32(rate)) * gradient
    found, state = after(kahan_sgd(rate, dtype))
    found, lost = (np.asarray(x["w"], np.float64) for x in (found, state.lost))
    ulp = 2.0**-8  # of bf16 between 1/2 and 1; twice that above
    assert np.all(lost != 0)
    assert np.all(np.abs(found - exact) < 2 * ulp)
    if dtype == "float32":
        np.testing.assert_allclose(found - lost, exact, rtol=1e-5)

    uncompensated, _ = after(optgen.sgd(rate))
    np.testing.assert_array_equal(uncompensated["w"], params["w"])
