"""The ``triton`` target: what its kernels compute, in Triton's interpreter or on a GPU."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optgen
from optgen import dsl
from optgen.errors import TargetError
from optgen.tools.verify import verify
from optgen.tools.verify.workload import AWKWARD
from optgen.zoo import STOCK
from tests.targets import CHAIN, close, make, maxima, options, random_tree, statistics, tangled
from tests.triton_machine import MACHINES, machine
from tests.zoo import cases, trajectories

SMALL = {"min_dim_size_to_factor": 4, "decay_rate": cases.DECAY_RATE}


@pytest.fixture(params=MACHINES, autouse=True)
def where(request):
    with machine(request.param):
        yield request.param


def assert_exact(make, **work):
    """Every step, update and slot is as near the 50-digit oracle as it can be."""
    report = verify(make, targets=("triton",), **work)
    assert report.ok, report.failures()
    return report


@pytest.mark.parametrize("name", sorted(STOCK))
def test_kernels_are_as_near_the_oracle_as_optax(name, where):
    settings = SMALL if name == "adafactor" else options(name)
    with machine(where, options=None):
        report = assert_exact(
            lambda target: getattr(optgen, name)(1e-2, **settings, target=target),
            reference=getattr(optax, name)(1e-2, **settings),
            leaves=AWKWARD,
            steps=3,
        )
    assert {row.output for row in report.rows} >= {"params", "updates"}


@pytest.mark.parametrize("case", cases.STOCK, ids=str)
def test_every_setting_of_the_stock_rules_is_as_near_the_oracle_as_can_be(case):
    settings = {  # the numbers of schedules, which JAX rounds in one way or another
        name: float(value(20)) if value in (cases.WARMUP, cases.FADING) else value
        for name, value in case.settings.items()
    }
    assert_exact(
        lambda target: getattr(optgen, case.rule)(**settings, target=target),
        leaves=trajectories.SHAPES,
        dtypes=["float32"],
        steps=2,
    )


SHAPES = {
    "scalar": (),
    "empty": (0, 3),
    "tile": (64,),
    "tail": (65,),
    "tiles": (4 * 64 + 1,),
    "wide": (6, 37),
    "tall": (37, 6),
    "columns": (5, 32),
    "first": (9, 7, 2),
    "cube": (5, 2, 19),
    "kernel": (2, 2, 5, 6),
    "transposed": (2, 2, 6, 5),
}
"""Leaves with whole tiles and tails, and matrices whose columns are and are not innermost."""


def factored(target):
    return optgen.adafactor(1e-2, momentum=0.9, weight_decay_rate=0.1, **SMALL, target=target)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "float64"])
@pytest.mark.parametrize("name", ["adamw", "lamb", "factored", CHAIN])
def test_leaves_of_every_shape_and_dtype(name, dtype):
    with jax.enable_x64(dtype == "float64"):
        assert_exact(
            factored if name == "factored" else lambda target: make(name, target),
            leaves=SHAPES,
            dtypes=[dtype],
            steps=2,
        )


def test_dtypes_may_be_mixed_in_one_tree():
    """Against optax in float64, from the same rounded numbers."""
    stored = {"narrow": "bfloat16", "wide": "float32", "half": "float16"}
    shapes = dict.fromkeys(stored, (9, 37))
    params = {n: x.astype(stored[n]) for n, x in random_tree(shapes).items()}
    grads = {
        n: x.astype("float32" if n == "narrow" else "bfloat16")
        for n, x in random_tree(shapes, 1).items()
    }
    tx = make("adamw", "triton")
    got = tx.step(params, tx.init(params), grads=grads)[0]
    assert {n: x.dtype.name for n, x in got.items()} == stored
    with jax.enable_x64(True):
        reference = optax.adamw(1e-2, weight_decay=0.1)
        params, grads = (jax.tree.map(lambda x: x.astype("float64"), t) for t in (params, grads))
        updates, _ = reference.update(grads, reference.init(params), params)
        for name, wanted in optax.apply_updates(params, updates).items():
            close(got[name], wanted, 2 * float(jnp.finfo(stored[name]).eps))


# Rules that are made up.


@dsl.rule
def every_operation(g, p, *, rate, limit=0.7):
    x, y = dsl.abs(g) + 0.5, dsl.clip(p, -limit, limit)
    slot = dsl.state("slot", init=0.25)
    slot.next = 0.5 * slot + dsl.cbrt(x) - dsl.atan2(y, x) + dsl.log(x) * dsl.log1p(x)
    smooth = dsl.exp(y) + dsl.expm1(-y) + dsl.tanh(g) * dsl.sin(p) - dsl.cos(p)
    powers = x**3 + x**0.7 - x**-1.5 + dsl.square(y) / dsl.sqrt(x) - dsl.rsqrt(x)
    rounded = dsl.floor(4 * p) + dsl.round(3 * g) + dsl.cast(g, "bfloat16")
    chosen = dsl.where((g > 0.1) | ~(p < limit), dsl.maximum(g, p), dsl.minimum(g, slot))
    counted = (g != p) * 2.0 + ((g >= 0) & (p <= 0)) + dsl.isfinite(g) + dsl.sign(g)
    return -rate * (smooth + powers + rounded + chosen + counted) * dsl.step() ** 0.3


@dsl.rule
def over_every_axis(g, p, *, rate):
    """Reductions over each axis of a leaf and over pairs of them, one after the other."""
    for axis in range(p.ndim):
        g = g - 0.5 * dsl.mean(g, axis=axis)
    if p.ndim == 3:
        per_matrix, per_last = dsl.rms(g, axis=(1, 2)), dsl.max(dsl.abs(g), axis=(0, 1))
        kept = dsl.state("kept", like=per_matrix, init=1.0)
        last = dsl.state("last", like=per_last)
        kept.next = 0.5 * kept + per_matrix
        last.next = dsl.maximum(0.9 * last, per_last)
        g = g / (kept.next + last.next)
    return -rate * g


@dsl.rule
def small_slots_of_each_matrix(g, p, *, rate):
    """Reductions of small slots keep the batch, and scale what is stored beside them."""
    if p.ndim != 3:
        return -rate * g
    square = g**2 + 1e-3
    row = dsl.state("row", like=dsl.mean(square, axis=2))
    column = dsl.state("column", like=dsl.mean(square, axis=1))
    row.next = 0.9 * row + 0.1 * dsl.mean(square, axis=2)
    column.next = 0.9 * column + 0.1 * dsl.mean(square, axis=1)
    share = row.next / dsl.mean(row.next, axis=1) + dsl.min(column.next, axis=2)
    return -rate * g * dsl.rsqrt(share) * dsl.rsqrt(column.next)


@dsl.rule
def of_the_tree(g, p, *, rate):
    """Slots of the tree, and reductions of all kinds over it and over what they scale."""
    largest, seen = dsl.tree_state("largest"), dsl.tree_state("seen", init=1.0)
    scaled = g / (1 + dsl.global_norm(g))
    largest.next = dsl.maximum(0.5 * largest, dsl.tree_max(dsl.abs(p)))
    seen.next = seen + dsl.tree_any(g > 2.0) + dsl.tree_sum(scaled) / 100
    return -rate * scaled * seen.next / (largest.next + dsl.norm(scaled))


@dsl.rule
def compensated(g, p, *, rate):
    """A Kahan sum, and the mean of what was rounded away (Kahan, 1965)."""
    lost = dsl.state("lost")
    y = -rate * g - lost
    s = dsl.cast(p + y, p.dtype)
    lost.next = (s - p) - y + 0 * dsl.mean(y)
    return s - p


MADE_UP = (
    every_operation,
    over_every_axis,
    small_slots_of_each_matrix,
    of_the_tree,
    compensated,
    statistics,
    maxima,
)


@pytest.mark.parametrize("rule", MADE_UP, ids=lambda rule: rule.__name__)
def test_rules_that_are_made_up_are_as_near_the_oracle_as_can_be(rule):
    names = ("scalar", "empty", "tiles", "wide", "tall", "first", "cube")
    shapes = {name: SHAPES[name] for name in names}
    if rule is maxima:
        shapes["kernel"] = SHAPES["kernel"]  # no view covers it
    dtypes = ("float32", "bfloat16") if rule in (every_operation, compensated) else ("float32",)
    assert_exact(lambda target: rule(0.1, target=target), leaves=shapes, steps=2, dtypes=dtypes)


def test_small_slots_may_be_made_of_each_other_and_called_anything():
    shapes = {"wide": (9, 37), "tall": (37, 9)}
    assert_exact(lambda target: tangled(0.1, target=target), leaves=shapes, dtypes=["float32"])


@dsl.rule
def in_order(g, p, *, rate):
    """The second slot is made of a reduction that is there already, and does not read the first."""
    rows = dsl.mean(g, axis=1)
    a, s = dsl.state("a", like=rows), dsl.state("s", like=dsl.mean(g))
    a.next = (a + rows) / (1 + s)
    s.next = s + dsl.mean(a.next)
    return -rate * (g * a.next + s.next)


@dsl.rule
def of_each_other(g, p, *, rate):
    """Slots of different shapes, each made of the other's old values, and of statistics."""
    a, b = dsl.state("a", like=dsl.mean(g, axis=1)), dsl.state("b", like=dsl.mean(g, axis=0))
    old_a, old_b = dsl.mean(a, axis=0), dsl.mean(b, axis=1)
    a.next = 0.5 * a + dsl.mean(g, axis=1) + 0.1 * old_b
    b.next = 0.5 * b + dsl.mean(g, axis=0) + 0.1 * old_a
    return -rate * (g + a.next + b.next)


@dsl.rule
def entangled(g, p, *, rate):
    """The same along one axis, and of nothing else: no kernel covers them."""
    if p.ndim != 3:
        return -rate * g
    like = [dsl.mean(g, axis=axis) for axis in range(3)]
    a, b, c = (dsl.state(f"slot_{i}", like=mean, init=i) for i, mean in enumerate(like))
    old_b, old_c = dsl.mean(b, axis=2), dsl.mean(c, axis=1)
    a.next = 0.5 * a + dsl.mean(b, axis=0)
    b.next = 0.5 * b + old_c
    c.next = 0.5 * c + old_b
    return -rate * (g + a.next + b.next + c.next)


@pytest.mark.parametrize("rule", [in_order, of_each_other, entangled], ids=lambda rule: rule.name)
def test_small_slots_are_stored_when_nothing_reads_them_any_more(rule):
    shapes = {"wide": (9, 37), "tall": (37, 9)}
    if rule is entangled:
        shapes["cube"] = SHAPES["cube"]
    assert_exact(lambda target: rule(0.1, target=target), leaves=shapes, dtypes=["float32"])


@dsl.rule
def smallest_of_each_matrix(g, p, *, rate):
    """A finalize leaves in parts what it reduces of each matrix, and of all of them."""
    row = dsl.state("row", like=dsl.mean(g, axis=2))
    column = dsl.state("column", like=dsl.mean(g, axis=1))
    row.next = 0.9 * row + dsl.mean(g**2, axis=2)
    column.next = 0.9 * column + dsl.max(g, axis=1)
    share = dsl.min(row.next, axis=1) + dsl.sum(row.next) - dsl.max(column.next, axis=2)
    return -rate * g * share


@pytest.mark.parametrize("rule", [small_slots_of_each_matrix, smallest_of_each_matrix])
def test_what_is_reduced_of_small_slots_is_left_in_parts(rule):
    shapes = {"cube": (3, 40, 19), "first": (19, 40, 3), "flat": (1, 3, 70)}
    tx = rule(0.1, target="triton")
    kernels = [k for s in tx.schedules(random_tree(shapes), "h200") for k, _ in s]
    parts = [x.axes for k in kernels if k.kind == "finalize" for x in k.operands if x.partial]
    assert (0,) in parts
    assert all(k.item.independent == "*" for k in kernels if k.kind == "finalize")
    assert_exact(lambda target: rule(0.1, target=target), leaves=shapes, dtypes=["float32"])


def test_a_matrix_and_its_transpose_are_one_function_and_one_result():
    """Their tiles lie along memory, and so across one another."""
    tx = factored("triton")
    p, g = (random_tree({"w": (37, 70)}, seed)["w"] for seed in range(2))
    results = []
    for turn in (lambda x: x, jnp.transpose):
        params, grads = turn(p), turn(g)
        sources = tx.source("triton", params)
        params, state = tx.step(params, tx.init(params), grads=grads)
        params, state = tx.step(params, state, grads=grads)
        results.append((sources, turn(params), state))
    (source, wide, _), (other, tall, _) = results
    assert source.partition("@triton.jit")[2] == other.partition("@triton.jit")[2]
    close(wide, tall, 1e-6)


WORDS = ("tile", "row", "start", "program", "BLOCK", "tl", "rows", "sum_1_ptr", "device", "range")


@pytest.mark.parametrize("word", WORDS)
def test_names_that_mean_something_in_a_kernel_are_only_names(word):
    source = (
        f"def named(g, p, *, {word}, rate=0.5):\n"
        f"    slot = dsl.state({word + '_total'!r})\n"
        f"    {word}_tile = rate * slot + g - dsl.mean(g, axis=0)\n"
        f"    slot.next = {word}_tile\n"
        f"    return -{word} * slot.next / (1 + dsl.norm(g))\n"
    )
    namespace = {"dsl": dsl}
    exec(source, namespace)
    rule = dsl.rule(namespace["named"])
    shapes = {"wide": (9, 37), "tail": (65, 1)}
    work = {"leaves": shapes, "dtypes": ["float32"], "steps": 2}
    assert_exact(lambda target: rule(0.25, target=target), **work)


# What is not a matter of rounding.


def test_many_leaves_follow_optax():
    """One launch: 60 leaves, whose programs find theirs."""
    shapes = {f"leaf{i:02}": (7 * i % 90, 1 + i % 3) for i in range(60)}
    params, grads = random_tree(shapes), random_tree(shapes, 1)
    each = make("adamw", "triton"), optax.adamw(1e-2, weight_decay=0.1)

    @jax.jit
    def updates(params, grads):
        return [tx.update(grads, tx.init(params), params) for tx in each]

    (got, state), (wanted, expected) = updates(params, grads)
    close(got, wanted, 1e-5)
    close((state.mu, state.nu), (expected[0].mu, expected[0].nu), 1e-6)


@dsl.rule
def extremes(g, p, *, axis: int):
    """The largest and the smallest along an axis, of the leaf and of the tree."""
    along = dsl.max(g, axis=axis) - 2 * dsl.min(p, axis=axis)
    return along + 4 * dsl.max(g) - 8 * dsl.min(p) + 16 * dsl.tree_max(g) + 0 * p


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("axis", [0, 1])
def test_reductions_give_what_numpy_gives_of_values_that_are_not_finite(axis, value):
    rng = np.random.default_rng(0)
    g, p = (rng.integers(-9, 9, (9, 37)).astype("float32") for _ in range(2))
    g[4, 20], p[7, 33] = value, -value
    tx = extremes(axis=axis, target="triton")
    got = tx.update(jnp.asarray(g), tx.init(p), jnp.asarray(p))[0]
    with np.errstate(invalid="ignore"):
        wanted = g.max(axis, keepdims=True) - 2 * p.min(axis, keepdims=True)
        wanted = wanted + 4 * g.max() - 8 * p.min() + 16 * g.max() + 0 * p
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("name", ["adamw", "lion", "lamb", CHAIN])
def test_gradients_that_are_not_finite_mean_what_they_mean_in_optax(name):
    grads = {"w": jnp.asarray([[jnp.nan, 1.0], [jnp.inf, -jnp.inf]]), "v": jnp.ones(3)}
    params = jax.tree.map(jnp.ones_like, grads)
    tx = make(name, "triton")
    alias = optax.adamw if name == CHAIN else getattr(optax, name)
    reference = alias(1e-2, **options("adamw" if name == CHAIN else name))
    if name == CHAIN:
        reference = optax.chain(optax.clip_by_global_norm(1.0), reference)
    got = tx.update(grads, tx.init(params), params)[0]
    wanted = reference.update(grads, reference.init(params), params)[0]
    for leaf, expected in wanted.items():
        np.testing.assert_array_equal(np.isnan(got[leaf]), np.isnan(expected), err_msg=leaf)


def test_results_are_the_same_to_the_last_bit_each_time():
    params, grads = random_tree(SHAPES), random_tree(SHAPES, 1)
    tx = optgen.chain(factored("auto"), optgen.clip_by_global_norm(0.1), target="triton")
    first, second = (tx.step(params, tx.init(params), grads=grads) for _ in range(2))
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_leaf_does_not_depend_on_those_beside_it():
    params, grads = random_tree(SHAPES), random_tree(SHAPES, 1)
    tx = make("adamw", "triton")
    together, _ = tx.step(params, tx.init(params), grads=grads)
    for name in ("tail", "wide", "kernel"):
        p, g = {name: params[name]}, {name: grads[name]}
        alone, _ = tx.step(p, tx.init(p), grads=g)
        np.testing.assert_array_equal(alone[name], together[name])


def test_new_values_of_hyperparameters_compile_nothing_again():
    traced = []

    @dsl.rule
    def plain(g, p, *, rate):
        traced.append(1)
        return -rate * g

    params = jnp.ones(3)
    counts = []
    for rate in (0.5, 0.25, lambda count: 0.125):
        tx = plain(rate, target="triton")
        got, _ = tx.step(params, tx.init(params), grads=params)
        value = rate(0) if callable(rate) else rate
        np.testing.assert_array_equal(got, np.full(3, 1 - value, "float32"))
        counts.append(len(traced))
    assert counts[0] == counts[-1] > 0


def test_kernels_work_in_scan():
    params = random_tree({"w": (9, 37)})
    tx, reference = make("lamb", "triton"), optax.lamb(1e-2, weight_decay=0.1)

    @jax.jit
    def many(params, state):
        def body(carry, scale):
            params, state = carry
            return tx.step(params, state, grads=jax.tree.map(lambda p: p * scale, params)), None

        return jax.lax.scan(body, (params, state), jnp.arange(1.0, 4.0))[0][0]

    expected, state = params, reference.init(params)
    for scale in (1.0, 2.0, 3.0):
        grads = jax.tree.map(lambda p, scale=scale: p * scale, expected)
        updates, state = reference.update(grads, state, expected)
        expected = optax.apply_updates(expected, updates)
    close(many(params, tx.init(params)), expected, 1e-5)


def test_a_step_has_derivatives():
    params = random_tree({"w": (9, 37)})

    def loss(tx, scale):
        grads = jax.tree.map(lambda p: jnp.sin(scale * p), params)
        return jnp.sum(tx.update(grads, tx.init(params), params)[0]["w"] ** 2)

    slope = jax.grad(loss, 1)
    got, wanted = slope(make("sgd", "triton"), 1.5), slope(optax.sgd(1e-2), 1.5)
    assert float(got) == pytest.approx(float(wanted), rel=1e-5)


def test_a_batch_of_models_runs_one_by_one():
    params = jnp.arange(1.0, 7.0).reshape(2, 3)

    def after(tx, p):
        updates, _ = tx.update(p, tx.init(p), p)
        return updates

    got = jax.jit(jax.vmap(lambda p: after(make("lamb", "triton"), p)))(params)
    reference = optax.lamb(1e-2, weight_decay=0.1)
    close(got, jnp.stack([after(reference, p) for p in params]), 1e-5)


def test_kernels_that_are_not_for_this_platform_say_how_to_run_them(where, monkeypatch):
    if where == "native":
        pytest.skip("they are for this platform")
    monkeypatch.setenv("OPTGEN_INTERPRET", "0")
    tx, params = make("sgd", "triton"), jnp.ones(3)
    with pytest.raises(TargetError, match="lowered for cuda.*OPTGEN_INTERPRET=1"):
        tx.step(params, tx.init(params), grads=params)
