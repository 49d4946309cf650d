"""The ``tpu`` target: what its kernels compute, in Pallas' TPU interpreter or on a TPU."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optgen
from optgen import dsl
from optgen.errors import TargetError
from optgen.runtime.execution.tpu import functions
from optgen.tools.verify import verify
from optgen.tools.verify.workload import AWKWARD
from optgen.zoo import STOCK
from tests.targets import CHAIN, close, make, maxima, options, random_tree, statistics, tangled
from tests.test_fuzz import random_rule
from tests.tpu_machine import MACHINES, machine
from tests.zoo import cases

SMALL = {"min_dim_size_to_factor": 4, "decay_rate": cases.DECAY_RATE}


@pytest.fixture(params=MACHINES, autouse=True)
def where(request):
    with machine(request.param):
        yield request.param


@pytest.mark.parametrize("name", sorted(STOCK))
def test_kernels_are_as_near_the_oracle_as_optax(name):
    settings = SMALL if name == "adafactor" else options(name)
    report = verify(
        lambda target: getattr(optgen, name)(1e-2, **settings, target=target),
        targets=("tpu",),
        reference=getattr(optax, name)(1e-2, **settings),
        leaves=AWKWARD,
        dtypes=["float32", "bfloat16"] if name in ("adafactor", "lion") else ["float32"],
        steps=2,
    )
    assert report.ok, report.failures()
    assert {row.output for row in report.rows} >= {"params", "updates"}


SHAPES = {
    "scalar": (),
    "empty": (0, 3),
    "vector": (640,),
    "odd": (1300,),
    "both": (40, 200),
    "narrow": (150, 5),
    "kernel": (2, 3, 5, 130),
}
"""Leaves with whole tiles and tails, in both directions, and some that XLA lays out otherwise."""


def factored(target):
    return optgen.adafactor(1e-2, momentum=0.9, weight_decay_rate=0.1, **SMALL, target=target)


OPTIMIZERS = {
    "adamw": lambda target: make("adamw", target),
    "lamb": lambda target: make("lamb", target),
    "adafactor": factored,
    CHAIN: lambda target: make(CHAIN, target),
}


@pytest.mark.parametrize(
    ("name", "dtype"), [*((n, "float32") for n in OPTIMIZERS), ("lamb", "bfloat16")]
)
def test_kernels_and_jnp_agree_tile_by_tile(name, dtype, where):
    with machine(where, tiny=True):
        kernels, portable = OPTIMIZERS[name]("tpu"), OPTIMIZERS[name]("xla")
        p = random_tree(SHAPES, dtype=dtype)
        state, tolerance = kernels.init(p), {"float32": 2e-6, "bfloat16": 2e-2}[dtype]
        grads = random_tree(SHAPES, 1, dtype)
        got, wanted = (
            tx.update(grads, state, p) if name == "lamb" else tx.step(p, state, grads=grads)
            for tx in (kernels, portable)
        )
        close(got, wanted, tolerance)


@pytest.mark.parametrize("rule", [tangled, statistics], ids=lambda rule: rule.name)
def test_rules_that_reduce_in_every_way(rule, where):
    params = {"wide": (33, 140), "tall": (140, 33)}
    params = random_tree(params if rule is tangled else {**params, "vector": (257,)})
    with machine(where, tiny=True):
        results = []
        for target in ("tpu", "xla"):
            tx = rule(0.1, target=target)
            results.append(tx.update(params, tx.init(params), params))
        close(*results, 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_random_rules_mean_the_same_in_pallas_and_in_jnp(seed, where):
    params, grads = (
        random_tree({"vector": (300,), "matrix": (40, 150), "cube": (2, 35, 130)}, i)
        for i in (0, 1)
    )
    with machine(where, tiny=seed % 2 == 0):
        results = []
        for target in ("tpu", "xla"):
            tx = random_rule(seed)(target=target)
            results.append(tx.update(grads, tx.init(params), params))
        close(*results, 2e-4)


@dsl.rule
def small_slots(g, p, *, rate):
    """Slots of rows, of columns and of the leaf in bfloat16; numbers and constants are stored."""
    per_row, per_column, per_leaf = dsl.mean(g, axis=-1), dsl.mean(g, axis=-2), dsl.mean(g)
    kinds = {"row": per_row, "column": per_column, "leaf": per_leaf, "whole": p}
    row, column, leaf, whole = (
        dsl.state(name, like=like, dtype=jnp.bfloat16) for name, like in kinds.items()
    )
    constant = dsl.state("constant", like=per_row, dtype=jnp.bfloat16)
    number = dsl.state("number", like=per_leaf)
    row.next = 0.5 * row + per_row * dsl.max(dsl.abs(row) + 1.0)
    column.next = 0.5 * column + per_column
    leaf.next = leaf + dsl.rms(g)
    whole.next, constant.next, number.next = rate, 1.0, 3.0
    return -rate * g * (row.next + column.next) / (leaf.next + dsl.sum(g * row.next))


@pytest.mark.parametrize("tiny", [False, True])
def test_small_slots_are_given_and_returned_as_they_are_stored(tiny, where):
    params = random_tree({"wide": (40, 200), "tall": (150, 5), "cube": (2, 40, 130)})
    with machine(where, tiny=tiny):
        kernels, portable = small_slots(0.1, target="tpu"), small_slots(0.1, target="xla")
        state = kernels.init(params)
        got, wanted = (tx.step(params, state, grads=params) for tx in (kernels, portable))
        close(got, wanted, 5e-3)


def test_what_does_not_fit_in_vmem_is_swept_again(monkeypatch, where):
    params = random_tree({"matrix": (40, 200), "batch": (2, 40, 130)})
    from optgen.runtime.execution.tpu import launches

    with machine(where, tiny=True):
        monkeypatch.setattr(launches, "_stays", lambda *_: False)
        kernels, portable = factored("tpu"), factored("xla")
        state = kernels.init(params)
        got, wanted = (tx.step(params, state, grads=params) for tx in (kernels, portable))
        close(got, wanted, 2e-6)


def test_emitted_functions_show_conversions_where_dtypes_differ():
    sources = {
        dtype: make("adamw", "tpu").source("tpu", random_tree({"w": (40, 200)}, dtype=dtype))
        for dtype in ("float32", "bfloat16")
    }
    assert ".astype" not in sources["float32"]
    assert "    g = g.astype(jnp.float32)\n" in sources["bfloat16"]
    assert '"mu": mu_next.astype(jnp.bfloat16)' in sources["bfloat16"]


def test_one_function_serves_leaves_that_are_factored_along_different_axes():
    shapes = {"wide": (40, 200), "tall": (200, 40), "cube": (3, 40, 200), "stack": (3, 200, 40)}
    source = optgen.adafactor(1e-2, **SMALL).source("tpu", random_tree(shapes))
    functions = [line.split("(")[0] for line in source.splitlines() if line.startswith("def ")]
    assert functions == [
        "def leaf_statistics",
        "def leaf_finalize",
        "def leaf_statistics_2",
        "def leaf_step",
        "def leaf_finalize_2",
    ]


def test_what_no_view_covers_is_left_to_jnp_beside_the_kernels():
    params = {"four": jnp.ones((2, 3, 4, 5)), "one": jnp.ones(6)}
    kernels, portable = maxima(0.1, target="tpu"), maxima(0.1, target="xla")
    got = kernels.update(params, kernels.init(params), params)[0]
    close(got, portable.update(params, portable.init(params), params)[0], 1e-6)


def test_float64_and_float16_are_left_to_jnp_beside_the_kernels():
    with jax.enable_x64(True):
        params = {"wide": jnp.ones(200, "float64"), "half": jnp.ones(200, "float16")}
        params["single"] = jnp.ones(200, "float32")
        got, wanted = (
            tx.step(params, tx.init(params), grads=params)[0]
            for tx in (make("adamw", "tpu"), make("adamw", "xla"))
        )
        close(got, wanted, 1e-6)
        assert got["wide"].dtype == jnp.float64


@pytest.mark.parametrize("word", ["leaf", "cbrt", "self"])
def test_names_that_mean_something_in_emitted_code_are_only_names(word):
    def named(g, p, *, rate):
        kept = dsl.state(word)
        kept.next = 0.5 * kept + dsl.cast(g, jnp.bfloat16)
        return -rate * kept.next * dsl.rsqrt(dsl.abs(g) + 1.0) - dsl.mean(g)

    params = random_tree({"w": (9, 5)})
    results = []
    for target in ("tpu", "xla"):
        tx = dsl.rule(named)(0.25, target=target)
        results.append(tx.update(params, tx.init(params), params)[0])
    close(*results, 1e-6)


def test_a_rounding_inside_a_rule_is_kept():
    @dsl.rule
    def remainder(g, p):
        return dsl.cast(g, jnp.bfloat16) - g

    g = jnp.asarray([1.001, 2.003, -3.0001, jnp.inf, 3.3e38, 1e-40, 0.0], jnp.float32)
    tx = remainder(target="tpu")
    expected = g.astype(jnp.bfloat16).astype(jnp.float32) - g
    np.testing.assert_array_equal(tx.update(g, tx.init(g), g)[0], expected)


@pytest.mark.parametrize("name", ["cbrt", "expm1"])
def test_functions_that_mosaic_lacks(name):
    rng = np.random.default_rng(0)
    size = 10.0 ** rng.uniform(-37, 37 if name == "cbrt" else 1.9, 5000)
    x = (size * rng.choice([-1, 1], 5000)).astype(np.float32)
    x = np.concatenate([x, np.asarray([0, -0.0, np.inf, -np.inf, np.nan, 1, -1], np.float32)])
    got = np.asarray(jax.jit(getattr(functions, name))(x), np.float64)
    wanted = getattr(np, name)(x.astype(np.float64))
    np.testing.assert_allclose(got, wanted.astype(np.float32), rtol=1e-6, atol=1e-38)
    np.testing.assert_array_equal(np.signbit(got[-7]), False)


def test_without_the_interpreter_the_target_refuses_the_cpu(monkeypatch):
    monkeypatch.setenv("OPTGEN_INTERPRET", "0")
    tx, params = make("adamw", "tpu"), {"w": jnp.ones(3)}
    if jax.default_backend() == "tpu":
        pytest.skip("a TPU is here")
    with pytest.raises(TargetError, match="lowered for tpu, and this one is lowered for another"):
        tx.step(params, tx.init(params), grads=params)


def test_a_generation_that_there_is_not(monkeypatch):
    monkeypatch.setenv("OPTGEN_TPU", "v3")
    from optgen.runtime.execution.tpu import chip

    with pytest.raises(TargetError, match="OPTGEN_TPU=v3 is no generation of TPUs: say one of v4"):
        chip.vmem()
