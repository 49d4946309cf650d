import dataclasses

import jax
import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from optgen import dsl
from optgen.errors import UsageError
from optgen.ir.build import broadcast, cast, effect
from optgen.ir.evaluate import Dtypes, evaluate
from optgen.ir.node import node
from optgen.ir.types import LEAF, REAL
from optgen.tools.verify.oracle import Oracle
from tests.emit.rules import adafactor, adamw, clip, dog, kahan, lamb, program
from tests.strategies import inputs, programs

HYPER = {
    "learning_rate": 1e-3,
    "b1": 0.9,
    "b2": 0.999,
    "eps": 1e-8,
    "weight_decay": 0.1,
    "max_norm": 0.5,
    "decay_rate": 0.8,
    "clipping_threshold": 1.0,
}


def normal(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def digits(x):
    return np.vectorize(lambda e: mpmath.nstr(e, 30), otypes=[object])(x)


def test_adamw_at_fifty_digits():
    arrays = {name: normal(3, seed=i) for i, name in enumerate(("g", "p", "mu"))}
    arrays["nu"] = normal(3, seed=3) ** 2
    found = Oracle([program(adamw(1e-3), (3,))]).step([arrays], 7, HYPER).leaves[0]
    with mpmath.workdps(60):
        b1, b2, wd, lr, eps = map(mpmath.mpf, (0.9, 0.999, 0.1, 1e-3, 1e-8))
        for i in range(3):
            g, p, mu, nu = (mpmath.mpf(float(arrays[k][i])) for k in ("g", "p", "mu", "nu"))
            mu, nu = b1 * mu + (1 - b1) * g, b2 * nu + (1 - b2) * g * g
            u = mu / (1 - b1**7) / (mpmath.sqrt(nu / (1 - b2**7)) + eps) + wd * p
            for value, expected in (
                (found.slots["mu"], mu),
                (found.slots["nu"], nu),
                (found.update, -lr * u),
                (found.params, p - lr * u),
            ):
                assert abs(value.exact[i] / expected - 1) < mpmath.mpf(10) ** -45


def test_the_working_precision_of_mpmath_is_left_alone():
    before = mpmath.mp.dps
    arrays = {"g": normal(2), "p": normal(2), "mu": normal(2), "nu": normal(2) ** 2}
    Oracle([program(adamw(1e-3), (2,))]).step([arrays], 1, HYPER)
    assert mpmath.mp.dps == before


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_cast_in_the_middle_rounds_exactly(dtype):
    dtype = np.dtype(jax.numpy.dtype(dtype))
    arrays = {k: normal(50, seed=i).astype(dtype) for i, k in enumerate(("g", "p"))}
    arrays["compensation"] = np.zeros(50, dtype)
    found = Oracle([program(kahan(1e-3), (50,), dtype.name)]).step([arrays], 1, HYPER).leaves[0]
    new = found.params.exact.astype(np.float64)
    assert np.array_equal(new, new.astype(dtype).astype(np.float64))  # p + update is the cast
    lost = found.slots["compensation"].exact
    assert any(digits(lost) != "0.0")
    assert np.all(np.abs(lost.astype(float)) <= np.abs(new) * float(jax.numpy.finfo(dtype).eps))


def test_what_is_stored_at_the_end_is_not_rounded():
    half = {k: normal(4, seed=i).astype("float16") for i, k in enumerate(("g", "p", "mu", "nu"))}
    half["nu"] = np.abs(half["nu"])
    found = Oracle([program(adamw(1e-3), (4,), "float16")]).step([half], 1, HYPER).leaves[0]
    mu = found.slots["mu"].exact.astype(np.float64)
    assert not np.array_equal(mu, mu.astype("float16"))


def test_tree_reductions_join_the_leaves_and_empty_ones_add_nothing():
    shapes = [(), (0,), (3, 4), (0, 2)]
    optimizer = dsl.chain(clip(0.5), adamw(1e-3))
    given = [
        {"g": normal(*s, seed=i), "p": normal(*s), "mu": np.zeros(s), "nu": np.zeros(s)}
        for i, s in enumerate(shapes)
    ]
    found = Oracle([program(optimizer, s) for s in shapes]).step(given, 1, HYPER)
    norm = np.sqrt(sum(np.sum(np.float64(one["g"]) ** 2) for one in given))
    for one, leaf in zip(given, found.leaves, strict=True):
        expected = 0.1 * np.float64(one["g"]) * 0.5 / norm
        assert leaf.slots["mu"].exact.shape == one["g"].shape
        assert np.allclose(leaf.slots["mu"].exact.astype(np.float64), expected, rtol=1e-14)


def test_slots_of_rows_columns_and_the_tree():
    one = {"g": normal(4, 6), "p": normal(4, 6), "v_row": normal(4, 1) ** 2}
    one["v_col"] = normal(1, 6) ** 2
    found = Oracle([program(adafactor(1e-3), (4, 6))]).step([one], 3, {**HYPER, "eps": 0.0})
    decay = 1 - 3.0**-0.8
    mean = np.mean(np.float64(one["g"]) ** 2, 1, keepdims=True)
    row = decay * np.float64(one["v_row"]) + (1 - decay) * mean
    assert np.allclose(found.leaves[0].slots["v_row"].exact.astype(float), row, rtol=1e-14)

    tree = {"distance": np.float32(1e-6), "total": np.float32(2.0)}
    leaf = {"g": normal(3), "p": normal(3, seed=1), "start": normal(3, seed=2)}
    found = Oracle([program(dog(), (3,))]).step([leaf], 2, HYPER, tree)
    total = 2.0 + np.sum(np.float64(leaf["g"]) ** 2)
    assert np.isclose(float(found.tree["total"].exact), total, rtol=1e-14)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_gradients_that_are_not_finite_follow_ieee_754(bad):
    arrays = {k: normal(2, seed=i) for i, k in enumerate(("g", "p", "mu"))}
    arrays |= {"nu": np.ones(2, np.float32), "g": np.array([bad, 1.0], np.float32)}
    found = Oracle([program(adamw(1e-3), (2,))]).step([arrays], 1, HYPER).leaves[0]
    expected = bad * 0.1
    assert np.array_equal([float(found.slots["mu"].exact[0])], [expected], equal_nan=True)
    assert np.isnan(float(found.update.exact[0]))  # inf / inf
    assert np.isfinite(float(found.update.exact[1]))


def test_a_missing_input_is_named():
    oracle = Oracle([program(adamw(1e-3), (2,))])
    with pytest.raises(UsageError, match="needs the load 'mu'; given: 'g', 'p'"):
        oracle.step([{"g": normal(2), "p": normal(2)}], 1, HYPER)
    arrays = dict.fromkeys(("g", "p", "mu", "nu"), normal(2))
    with pytest.raises(UsageError, match="needs the hyper 'learning_rate'; given: none"):
        oracle.step([arrays], 1, {})


def test_equal_programs_are_compiled_once():
    from optgen.tools.verify.code import compiled

    one, other = program(lamb(1e-3), (2, 3)), program(lamb(1e-2), (4, 5))
    assert compiled(one) is compiled(other)


ROUNDED_ONCE = ("add", "sub", "mul", "neg", "abs", "sqrt", "maximum", "minimum", "where", "lt")


def _updating(one):
    """A random program as one that updates: what it stored as ``g`` is what is added to p."""
    outputs = []
    for out in one.outputs:
        if out.attr == "g":
            value = broadcast(cast(out.args[0], REAL), LEAF)
            outputs.append(effect("store", "update", value))
        elif out.op == "store":
            outputs.append(node(out.op, out.type, out.args, out.attr))
    return dataclasses.replace(one, outputs=tuple(outputs))


@given(one=programs(ops=ROUNDED_ONCE, size=14), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40)
@pytest.mark.parametrize("real", ["float32", "float64"])
def test_no_evaluation_is_further_off_than_the_bound(real, one, seed):
    """The bound of every random program holds for the NumPy evaluator, element by element."""
    one = _updating(one)
    dtypes = Dtypes(real, real, real)
    given = inputs(one, seed, dtypes)
    arrays = {name: np.zeros(given.shape, real) for name in ("g", "p")}
    for load in one.find("load"):
        arrays[load.attr] = np.asarray(given.loads[load.attr], dtypes.numpy(load.type.dtype))
    assume(all(np.all(np.isfinite(x)) for x in arrays.values()))
    found = evaluate(one, dataclasses.replace(given, loads=arrays))
    hyper = {name: float(np.dtype(real).type(x)) for name, x in given.hyper.items()}
    expected = Oracle([one]).step([arrays], 3, hyper, given.tree).leaves[0]
    exact, bound = expected.update.exact.astype(np.float64), expected.update.bound
    number = np.isfinite(found["update"]) & (np.abs(exact) < 1e30)
    error = np.abs(found["update"].astype(np.float64)[number] - exact[number])
    assert np.all(error <= bound[number] + 2.0**-149)
