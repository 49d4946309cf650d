import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optgen.ir.build import Builder, cast, effect
from optgen.ir.evaluate import Dtypes, Inputs, evaluate
from optgen.ir.node import node
from optgen.ir.pattern import Call, Rewrite, build
from optgen.ir.program import Program
from optgen.ir.types import BOOL, CONCRETE_FLOATS, GRAD, LEAF, PARAM, REAL, Type
from optgen.passes import DEFAULT
from optgen.passes.algebra import EXACT
from tests.passes.golden import golden
from tests.strategies import EXTREME, SPECIAL, same_bits

(ALGEBRA,) = (p for p in DEFAULT if p.name == "algebra")
BUILD = Builder(1)
SAMPLE = np.array([*SPECIAL, *EXTREME], np.float32)


def load(name, dtype=REAL):
    return node("load", Type(dtype, LEAF), (), name)


X, Y = load("x"), load("y")
TRUTH = BUILD.truth(load("c"))
# What a rewrite with a condition is tried on: everything that the condition lets through.
CONDITIONAL = {
    "add(x, 0.0)": [
        BUILD.elementwise("abs", X),
        BUILD.elementwise("exp", X),
        BUILD.elementwise("mul", X, X),
        BUILD.elementwise("sqrt", BUILD.elementwise("mul", X, X)),
        BUILD.elementwise("div", BUILD.elementwise("abs", X), BUILD.elementwise("exp", Y)),
        BUILD.elementwise("add", BUILD.elementwise("abs", X), BUILD.elementwise("mul", Y, Y)),
        cast(TRUTH, REAL),
    ],
    "ne(cast(x), 0.0)": [TRUTH],
}
STORED = [PARAM, GRAD, REAL, *CONCRETE_FLOATS]


def instances(rewrite):
    """Nodes that the pattern describes, of values read from the arrays x, y and c."""
    if rewrite.pattern == "cast(cast(x))":
        for stored, wide in itertools.product(STORED, STORED):
            if len({stored, wide}) == 2:
                yield cast(cast(load("x", stored), wide), stored)
        yield cast(cast(TRUTH, REAL), BOOL)
        return
    for x in CONDITIONAL.get(rewrite.pattern, [X]):
        yield build(rewrite.left, {"x": x, "y": Y, "c": TRUTH}, LEAF)


def values(n, x, y, dtypes=Dtypes()):  # noqa: B008  (frozen)
    store = effect("store", "out", n if n.type.dtype != BOOL else cast(n, REAL))
    inputs = Inputs({"x": x, "y": y, "c": y}, shape=x.shape, dtypes=dtypes)
    return evaluate(Program("one", (store,), 1), inputs)["out"]


def assert_exact(rewrite, x, y):
    for before in instances(rewrite):
        after = rewrite.apply(before)
        if rewrite.when is None or rewrite.pattern in CONDITIONAL:
            assert after is not None
        if after is not None:
            assert after.type == before.type
            assert same_bits(values(before, x, y), values(after, x, y)), rewrite


PAIRS = tuple(np.array(side) for side in zip(*itertools.product(SAMPLE, SAMPLE), strict=True))


@pytest.mark.parametrize("rewrite", EXACT, ids=lambda r: f"{r.pattern} = {r.replacement}")
def test_exact_identities_hold_for_every_special_value(rewrite):
    assert_exact(rewrite, *PAIRS)


def floats(bits):
    return np.array(bits, np.uint32).view(np.float32)


@given(st.lists(st.tuples(*[st.integers(0, 2**32 - 1)] * 2), min_size=1, max_size=20))
@settings(max_examples=50)
def test_exact_identities_hold_for_every_bit_pattern(bits):
    x, y = floats(bits).T
    for rewrite in EXACT:
        assert_exact(rewrite, x, y)


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        ("add(x, 0.0)", "x"),  # -0
        ("sub(x, -0.0)", "x"),  # -0
        ("sub(0.0, x)", "neg(x)"),  # 0
        ("neg(sub(x, y))", "sub(y, x)"),  # x = y
        ("sub(x, x)", "0.0"),  # inf, NaN
        ("div(x, x)", "1.0"),  # 0, inf, NaN
        ("mul(x, 0.0)", "0.0"),  # the sign, inf, NaN
        ("sub(add(x, y), x)", "y"),  # rounding: what a Kahan sum lives on
        ("not(lt(x, y))", "ge(x, y)"),  # NaN
        ("pow(x, 0.5)", "sqrt(x)"),  # -0, -inf
        ("sqrt(mul(x, x))", "abs(x)"),  # overflow
        ("div(x, y)", "mul(x, div(1.0, y))"),  # rounding twice
    ],
)
def test_the_test_finds_wrong_identities(pattern, replacement):
    wrong = Rewrite(pattern, replacement)
    before = build(wrong.left, {"x": X, "y": Y}, LEAF)
    assert not same_bits(values(before, *PAIRS), values(wrong.apply(before), *PAIRS))


CONCRETE = [Dtypes(*d) for d in itertools.product(CONCRETE_FLOATS, CONCRETE_FLOATS, ["float32"])]
CONCRETE = [d for d in CONCRETE if "float64" not in (d.param, d.grad)]
CONCRETE.append(Dtypes("float64", "float32", "float64"))


@pytest.mark.parametrize("dtypes", CONCRETE, ids=lambda d: f"{d.param}-{d.grad}-{d.real}")
def test_casts_that_are_dropped_lost_nothing(dtypes):
    (rewrite,) = (r for r in EXACT if r.pattern == "cast(cast(x))")
    x = np.concatenate([SAMPLE, np.linspace(-3, 3, 101)])
    for before in instances(rewrite):
        if after := rewrite.apply(before):
            assert same_bits(values(before, x, x, dtypes), values(after, x, x, dtypes))


@pytest.mark.parametrize(
    ("stored", "wide", "dropped"),
    [
        (PARAM, REAL, True),
        (GRAD, REAL, True),
        ("bfloat16", REAL, True),
        ("float16", "float32", True),
        (REAL, "float64", True),
        ("float64", REAL, False),  # real may be float32
        (REAL, "float32", False),  # real may be float64
        (REAL, PARAM, False),  # rounds: a Kahan sum against a bf16 parameter needs it
        (REAL, "bfloat16", False),
        (PARAM, "float32", False),
        (PARAM, GRAD, False),
        ("float16", "bfloat16", False),
        ("bfloat16", "float16", False),
    ],
)
def test_which_casts_are_dropped(stored, wide, dropped):
    n = cast(cast(load("x", stored), wide), stored)
    (rewrite,) = (r for r in EXACT if r.pattern == "cast(cast(x))")
    assert (rewrite.apply(n) is not None) == dropped


def test_every_pattern_is_an_operation_that_is_tested():
    assert all(isinstance(r.left, Call) for r in EXACT)
    assert {r.pattern for r in EXACT if r.when} == {*CONDITIONAL, "cast(cast(x))"}


GOLDEN = {
    "a square, and a difference": (
        """
        %x = load "x" : real[*]
        %0 = const 2.0 : real[]
        %1 = broadcast %0 : real[*]
        %2 = pow %x, %1 : real[*]
        %3 = neg %2 : real[*]
        %4 = add %3, %x : real[*]
        store "y" %4 : real[*]
        """,
        """
        %x = load "x" : real[*]
        %0 = mul %x, %x : real[*]
        %1 = sub %x, %0 : real[*]
        store "y" %1 : real[*]
        """,
    ),
    "zero is added to what may be -0": (
        """
        %x = load "x" : real[*]
        %0 = const 0.0 : real[]
        %1 = broadcast %0 : real[*]
        %2 = add %x, %1 : real[*]
        store "y" %2 : real[*]
        """,
        None,
    ),
    "widened, and rounded back": (
        """
        %mu = load "mu" : bfloat16[*]
        %0 = cast %mu : real[*]
        %1 = cast %0 : bfloat16[*]
        store "mu" %1 : bfloat16[*]
        """,
        """
        %mu = load "mu" : bfloat16[*]
        store "mu" %mu : bfloat16[*]
        """,
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name):
    golden(ALGEBRA, *GOLDEN[name])
