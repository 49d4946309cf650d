from fractions import Fraction

import ml_dtypes
import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mpf

from optgen.tools.verify.exact import DIGITS, EXACT, dtype_of, format_of, lift, rounded

DTYPES = ["float16", "bfloat16", "float32", "float64"]
SAMPLE = np.array([0.0, 0.3, -7.25, 1.0, -1.0, 2.5, 1e-3, np.inf, -np.inf, np.nan])
X, Y = np.repeat(SAMPLE, len(SAMPLE)), np.tile(SAMPLE, len(SAMPLE))


def close(exact, numpy):
    with np.errstate(all="ignore"):
        got = exact.astype(np.float64)
        return np.all(np.isclose(got, numpy, rtol=1e-14, atol=0, equal_nan=True))


@pytest.mark.parametrize("name", DTYPES)
@given(bits=st.integers(0, 2**64 - 1))
def test_numbers_of_a_format_round_to_themselves(name, bits):
    dtype = dtype_of(name)
    kind = np.dtype(f"uint{8 * dtype.itemsize}")
    x = np.array(bits & np.iinfo(kind).max, kind).view(dtype)[()]
    exact = mpf(float(x))
    found = rounded(exact, format_of(dtype))
    assert found == exact or (np.isnan(float(x)) and mpmath.isnan(found))


@pytest.mark.parametrize("name", DTYPES)
@given(x=st.floats(allow_nan=False), tail=st.integers(-(2**60), 2**60))
def test_rounding_is_to_the_nearest_and_ties_to_even(name, x, tail):
    form = format_of(dtype_of(name))
    with mpmath.workdps(DIGITS):
        exact = mpf(x) * (1 + mpf(tail) / mpf(2) ** 110)
        found = rounded(exact, form)
    if mpmath.isinf(found):
        limit = Fraction(form.largest) * (1 + Fraction(1, 2 ** (form.precision + 1) - 2))
        assert mpmath.isinf(exact) or abs(_fraction(exact)) >= limit
    else:
        quantum = Fraction(2) ** (max(_exponent(exact), form.lowest) - form.precision + 1)
        steps = _fraction(exact) / quantum
        assert _fraction(found) == round(steps) * quantum  # Python rounds halves to even


def _fraction(x):
    sign, mantissa, exponent, _ = x._mpf_
    return (-1) ** sign * mantissa * Fraction(2) ** exponent


def _exponent(x):
    _, mantissa, exponent, bits = x._mpf_
    return exponent + bits - 1 if mantissa else -(10**6)


@pytest.mark.parametrize(
    ("x", "name", "result"),
    [
        (65519.0, "float16", 65504.0),
        (65520.0, "float16", np.inf),
        (-65520.0, "float16", -np.inf),
        (2.0**-25, "float16", 0.0),
        (3 * 2.0**-26, "float16", 2.0**-24),
        (1 + 2.0**-8, "bfloat16", 1.0),
        (1 + 3 * 2.0**-8, "bfloat16", 1 + 2.0**-6),
        (2.0**-150, "float32", 0.0),
        (2.0**-149 * 1.5, "float32", 2.0**-148),
    ],
)
def test_rounding_at_the_edges(x, name, result):
    assert float(rounded(mpf(x), format_of(dtype_of(name)))) == result


@given(st.lists(st.floats(width=32), max_size=9))
def test_rounding_agrees_with_numpy(values):
    with np.errstate(all="ignore"):
        x = np.array(values, np.float32)
        for dtype in (np.float16, ml_dtypes.bfloat16):
            found = EXACT.cast(lift(x), np.dtype(dtype)).astype(np.float64)
            expected = np.atleast_1d(x).astype(dtype).astype(np.float64)
            assert np.array_equal(found, expected, equal_nan=True)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("sqrt", np.sqrt),
        ("rsqrt", lambda x: 1 / np.sqrt(x)),
        ("abs", np.abs),
        ("sign", np.sign),
        ("exp", np.exp),
        ("log", np.log),
        ("log1p", np.log1p),
        ("expm1", np.expm1),
        ("tanh", np.tanh),
        ("sin", np.sin),
        ("cos", np.cos),
        ("floor", np.floor),
        ("round", np.round),
        ("cbrt", np.cbrt),
        ("isfinite", np.isfinite),
    ],
)
def test_functions_mean_what_they_mean_in_ieee_754(name, function):
    with np.errstate(all="ignore"):
        expected = function(SAMPLE)
        assert close(EXACT.elementwise(name)(lift(SAMPLE)), expected)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("div", np.divide),
        ("pow", np.power),
        ("atan2", np.arctan2),
        ("maximum", np.maximum),
        ("minimum", np.minimum),
    ],
)
def test_functions_of_two_arguments_do_too(name, function):
    with np.errstate(all="ignore"):
        expected = function(X, Y)
        assert close(EXACT.elementwise(name)(lift(X), lift(Y)), expected)


@pytest.mark.parametrize("operator", [np.add, np.multiply, np.less, np.less_equal, np.not_equal])
def test_operators_do_too(operator):
    with np.errstate(all="ignore"):
        expected = operator(X, Y)
        assert close(operator(lift(X), lift(Y)), expected)


@pytest.mark.parametrize("axes", [(), (0,), (1,), (0, 2)])
@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 0, 4), (0, 3, 2)])
def test_reductions_keep_their_axes_with_extent_1(shape, axes):
    x = np.random.default_rng(0).normal(size=shape)
    every = axes or (0, 1, 2)
    for name, function, empty in (("sum", np.sum, 0.0), ("max", np.max, -np.inf)):
        expected = function(x, axis=every, keepdims=True, initial=empty)
        found = EXACT.reduce(name, lift(x), axes, shape)
        assert found.shape == expected.shape
        assert close(found, expected)


def test_reductions_repeat_what_does_not_vary():
    assert EXACT.reduce("sum", lift(2.0), (), (3, 5)).astype(float) == [[30.0]]


def test_sums_keep_what_is_far_smaller_than_their_terms():
    with mpmath.workdps(DIGITS):
        assert EXACT.reduce("sum", lift([1e40, 1.0, -1e40]), (), (3,)) == [1]
