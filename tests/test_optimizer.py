"""What an optimizer does with the trees it is given, and what the DSL's features compute."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optgen
from optgen import dsl
from optgen.errors import TreeError


def tree(**leaves):
    return {name: jnp.asarray(leaf, jnp.float32) for name, leaf in leaves.items()}


def steps(tx, params, grads, count=1):
    """The parameters and the state after some fused steps with the same gradients."""
    state = tx.init(params)
    for _ in range(count):
        params, state = tx.step(grads, state, params)
    return params, state


def as_numpy(leaves):
    return {name: np.asarray(leaf) for name, leaf in leaves.items()}


# Trees.


@pytest.mark.parametrize("absent", [None, optax.MaskedNode()])
def test_absent_leaves_stay_absent(absent):
    params = {**tree(w=np.ones(3)), "absent": absent}
    tx = optgen.chain(optgen.clip_by_global_norm(1.0), optgen.adamw(0.1))
    state = tx.init(params)
    updates, state = tx.update(params, state, params)
    after, state = tx.step(params, state, params)
    for found in (updates, after, state.mu, state.nu):
        assert found["absent"] == absent
        assert found["w"].shape == (3,)


@pytest.mark.parametrize("absent", [None, optax.MaskedNode()])
def test_a_leaf_without_a_gradient_is_left_alone(absent):
    tx = optgen.chain(optgen.clip_by_global_norm(1.0), optgen.adamw(0.1))
    params = tree(w=[1.0, 2.0], frozen=[3.0])
    params, state = steps(tx, params, params, 2)
    grads = {"w": params["w"], "frozen": absent}

    updates, after = tx.update(grads, state, params)
    assert updates["frozen"] == absent
    stepped, _ = tx.step(grads, state, params)
    np.testing.assert_array_equal(stepped["frozen"], params["frozen"])
    assert np.all(stepped["w"] != params["w"])
    for slot in ("mu", "nu"):
        np.testing.assert_array_equal(after.slots[slot]["frozen"], state.slots[slot]["frozen"])
    assert int(after.count) == 3

    # It counts for nothing in a reduction over the tree either: as if it were not there.
    alone, _ = tx.step(
        {"w": grads["w"]},
        jax.tree.map(lambda leaf: leaf, state).replace(
            mu={"w": state.mu["w"]}, nu={"w": state.nu["w"]}
        ),
        {"w": params["w"]},
    )
    np.testing.assert_array_equal(stepped["w"], alone["w"])


def test_a_gradient_of_none_needs_the_parameters():
    tx = optgen.sgd(0.1, momentum=0.9)
    params = tree(w=[1.0], frozen=[3.0])
    with pytest.raises(TreeError, match="Where a gradient is None, pass the parameters"):
        tx.update({"w": params["w"], "frozen": None}, tx.init(params))


@pytest.mark.parametrize("params", [{}, (), None, {"a": None}], ids=str)
def test_trees_of_nothing(params):
    tx = optgen.chain(optgen.clip_by_global_norm(1.0), optgen.adamw(0.1))
    state = tx.init(params)
    updates, state = tx.update(params, state, params)
    assert updates == params
    assert int(state.count) == 1


def test_any_pytree_of_any_arrays():
    params = [np.ones((2, 0), np.float32), (np.float32(1.0), {"x": np.ones(3, np.float32)})]
    tx = optgen.lamb(0.1, weight_decay=0.1)
    after, state = steps(tx, params, params, 2)
    assert jax.tree.structure(after) == jax.tree.structure(params)
    assert jax.tree.map(np.shape, after) == jax.tree.map(np.shape, params)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves((after, state)))
    alone, _ = steps(tx, jnp.ones(3), jnp.ones(3), 2)
    np.testing.assert_array_equal(after[1][1]["x"], alone)


@pytest.mark.parametrize("x64", [False, True])
def test_leaves_of_several_dtypes_each_keep_theirs(x64):
    with jax.enable_x64(x64):
        dtypes = ["bfloat16", "float16", "float32", *(["float64"] if x64 else [])]
        values = np.linspace(-1, 1, 7)
        params = {dtype: jnp.asarray(values, dtype) for dtype in dtypes}
        tx = optgen.chain(optgen.clip_by_global_norm(1.0), optgen.adamw(0.1, weight_decay=0.1))
        state = tx.init(params)
        updates, _ = tx.update(params, state, params)
        after, state = tx.step(params, state, params)
        for found in (updates, after, state.mu, state.nu):
            assert {name: leaf.dtype.name for name, leaf in found.items()} == dict(
                zip(dtypes, dtypes, strict=True)
            )

        # The arithmetic is that of float32, rounded once at the end.
        wide = {name: leaf.astype("float32") for name, leaf in params.items() if name != "float64"}
        wide |= {name: leaf for name, leaf in params.items() if name == "float64"}
        expected, _ = tx.step(wide, tx.init(wide), wide)
        for name in dtypes:
            rounded = np.asarray(expected[name].astype(name), np.float64)
            np.testing.assert_array_equal(np.asarray(after[name], np.float64), rounded)
        if x64:
            exact = float(
                np.abs(np.asarray(after["float64"]) - np.asarray(expected["float32"])).max()
            )
            assert 0 < exact < 1e-6


def test_step_rounds_once_where_update_and_apply_round_twice():
    params, grads = jnp.bfloat16([1.0]), jnp.bfloat16([1.0])
    tx = optgen.sgd(0.00389)  # half a unit in the last place below 1, less a little
    stepped, _ = tx.step(grads, tx.init(params), params)
    exact = np.float32(1) - np.float32(0.00389)
    np.testing.assert_array_equal(stepped, jnp.bfloat16([exact]))


def test_gradients_may_be_wider_than_the_parameters():
    params = {"w": jnp.ones(3, jnp.bfloat16)}
    grads = {"w": jnp.full(3, 1 / 3, jnp.float32)}
    tx = optgen.adam(0.1)
    state = tx.init(params)
    updates, after = tx.update(grads, state, params)
    assert updates["w"].dtype == jnp.float32
    stepped, _ = tx.step(grads, state, params)
    assert stepped["w"].dtype == after.mu["w"].dtype == jnp.bfloat16


def test_the_count_stops_at_the_largest_int32():
    tx, params = optgen.adam(0.1), jnp.ones(3)
    last = jnp.int32(np.iinfo(np.int32).max)
    state = tx.init(params).replace(count=last)
    after, state = tx.step(params, state, params)
    assert state.count == last
    assert np.all(np.isfinite(after))


# Hyperparameters.


def test_schedules_are_called_with_the_count_from_zero():
    tx = optgen.sgd(lambda count: 10.0 ** -count.astype(jnp.float32))
    params, state = jnp.zeros(1), optgen.sgd(1.0).init(jnp.zeros(1))
    seen = []
    for _ in range(3):
        updates, state = tx.update(jnp.ones(1), state, params)
        seen.append(float(-updates[0]))
    np.testing.assert_allclose(seen, [1.0, 0.1, 0.01], rtol=1e-6)


@pytest.mark.parametrize("number", [float, np.float64, np.float32, jnp.float32, jnp.bfloat16])
def test_hyperparameters_are_numbers_of_any_kind(number):
    tx = optgen.sgd(number(0.5), momentum=number(0.25))
    params, _ = steps(tx, jnp.zeros(2), jnp.ones(2), 2)
    np.testing.assert_array_equal(params, -0.5 - 0.5 * 1.25)


def test_hyperparameters_by_position_are_those_of_optax():
    ours = optgen.adamw(0.1, 0.8, 0.9, 1e-4, 1e-5, jnp.bfloat16, 0.1, {"w": True})
    named = optgen.adamw(
        0.1, b1=0.8, b2=0.9, eps=1e-4, eps_root=1e-5, mu_dtype=jnp.bfloat16, weight_decay=0.1,
        mask={"w": True},
    )  # fmt: skip
    params = tree(w=[1.0, 2.0])
    found, expected = steps(ours, params, params), steps(named, params, params)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_float64_slot_is_float32_where_there_is_no_float64():
    state = optgen.adam(0.1, mu_dtype="float64").init(jnp.ones(2))
    assert state.mu.dtype == jnp.float32


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
        after, _ = begun(size).step(params, state, params)
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
        found, state = tx.step(g, state, found)
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
                return tx.step(grads, state, params), None
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
