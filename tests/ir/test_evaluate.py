import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optgen.errors import IRError, UsageError
from optgen.ir.build import Builder, broadcast, cast, const, effect
from optgen.ir.evaluate import Dtypes, Inputs, evaluate, evaluate_tree
from optgen.ir.node import node
from optgen.ir.ops import OPS
from optgen.ir.program import Program
from optgen.ir.text import parse
from optgen.ir.types import LEAF, REAL, REAL_SCALAR, Type
from tests.strategies import EXTREME, SPECIAL, inputs, programs, same_bits

SAMPLE = np.array([*SPECIAL, *EXTREME, 0.3, -7.25], np.float32)
SIDE_BY_SIDE = {"a": np.repeat(SAMPLE, len(SAMPLE)), "b": np.tile(SAMPLE, len(SAMPLE))}
FLOAT64 = Dtypes("float64", "float64", "float64")


def of(op, count):
    """A program that stores ``op`` of the first ``count`` of the loads a, b and c."""
    loads = [node("load", Type(REAL, LEAF), (), name) for name in "abc"[:count]]
    return Program("one", (effect("store", "y", cast(Builder(1).elementwise(op, *loads), REAL)),))


NUMPY = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: (a.astype("f8") ** b.astype("f8")).astype("f4"),
    "atan2": lambda a, b: np.arctan2(a.astype("f8"), b.astype("f8")).astype("f4"),
    "lt": lambda a, b: (a < b).astype("f4"),
    "le": lambda a, b: (a <= b).astype("f4"),
    "gt": lambda a, b: (a > b).astype("f4"),
    "ge": lambda a, b: (a >= b).astype("f4"),
    "eq": lambda a, b: (a == b).astype("f4"),
    "ne": lambda a, b: (a != b).astype("f4"),
    "and": lambda a, b: ((a != 0) & (b != 0)).astype("f4"),
    "or": lambda a, b: ((a != 0) | (b != 0)).astype("f4"),
    "not": lambda a: (a == 0).astype("f4"),
    "isfinite": lambda a: np.isfinite(a).astype("f4"),
    "neg": lambda a: -a,
    "abs": np.abs,
    "sqrt": np.sqrt,
    "floor": np.floor,
    "round": np.rint,
    "rsqrt": lambda a: (1 / np.sqrt(a.astype("f8"))).astype("f4"),
    "exp": lambda a: np.exp(a.astype("f8")).astype("f4"),
    "log": lambda a: np.log(a.astype("f8")).astype("f4"),
    "log1p": lambda a: np.log1p(a.astype("f8")).astype("f4"),
    "expm1": lambda a: np.expm1(a.astype("f8")).astype("f4"),
    "cbrt": lambda a: np.cbrt(a.astype("f8")).astype("f4"),
    "tanh": lambda a: np.tanh(a.astype("f8")).astype("f4"),
    "sin": lambda a: np.sin(a.astype("f8")).astype("f4"),
    "cos": lambda a: np.cos(a.astype("f8")).astype("f4"),
}


@pytest.mark.parametrize("op", NUMPY)
def test_elementwise_operations_mean_what_numpy_says(op):
    arrays = list(SIDE_BY_SIDE.values())[: OPS[op].arity]
    with np.errstate(all="ignore"):
        expected = NUMPY[op](*arrays)
    result = evaluate(of(op, len(arrays)), Inputs(SIDE_BY_SIDE))["y"]
    assert same_bits(result, expected)


@pytest.mark.parametrize(("op", "low_zero"), [("maximum", 0.0), ("minimum", -0.0)])
def test_extrema_are_commutative_and_propagate_nan(op, low_zero):
    a, b = SIDE_BY_SIDE["a"], SIDE_BY_SIDE["b"]
    one_way = evaluate(of(op, 2), Inputs({"a": a, "b": b}))["y"]
    other_way = evaluate(of(op, 2), Inputs({"a": b, "b": a}))["y"]
    assert same_bits(one_way, other_way)
    np.testing.assert_array_equal(one_way, getattr(np, op)(a, b))
    zeros = evaluate(of(op, 2), Inputs({"a": np.float32([0.0]), "b": np.float32([-0.0])}))["y"]
    assert same_bits(zeros, np.float32([low_zero]))


def test_where_takes_one_of_two():
    values = {"a": [1.0, 0.0, np.nan], "b": [1.0, 2.0, 3.0], "c": [4.0, np.nan, 6.0]}
    result = evaluate(of("where", 3), Inputs(values))["y"]
    np.testing.assert_array_equal(result, np.float32([1.0, np.nan, 3.0]))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("real", ["float32", "float64"])
def test_casts_round_once_to_nearest_even(dtype, real):
    narrow = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    bits = ml_dtypes.finfo(narrow).nmant
    one_and_half_ulp = 1 + 2.0 ** -(bits + 1)
    values = np.array([one_and_half_ulp, 1 + 3 * 2.0 ** -(bits + 1), 1e300, -0.0, np.nan, 1e-300])
    expected = np.array([1, 1 + 2 * 2.0**-bits, np.inf, -0.0, np.nan, 0], narrow)
    x = node("load", Type(REAL, LEAF), (), "x")
    program = Program("c", (effect("store", "y", cast(x, REAL if dtype == real else dtype)),))
    result = evaluate(program, Inputs({"x": values}, dtypes=Dtypes(real=real)))["y"]
    if dtype != "float32":  # 1 + 2^-24 is no float32, so there it was rounded before
        assert same_bits(result, expected)
    if real == "float64":
        just_above = np.array([one_and_half_ulp + 2.0**-50])  # a tie if rounded by way of float32
        result = evaluate(program, Inputs({"x": just_above}, dtypes=Dtypes(real=real)))["y"]
        assert same_bits(result, np.array([1 + 2.0**-bits], narrow))


def test_reductions_keep_axes_and_broadcast_back():
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    load, build = node("load", Type(REAL, LEAF), (), "x"), Builder(3)
    rows = build.reduce("sum", load, (1, 2))
    back = build.elementwise("div", load, rows)
    effects = [effect("store", "rows", rows), effect("store", "back", back)]
    effects += [effect("store", "max", build.reduce("max", load, (0,)))]
    effects += [effect("emit", "min", build.reduce("min", rows, LEAF))]
    effects += [effect("emit", "count", build.extent((0, 2)))]
    result = evaluate(Program("r", tuple(effects), 3), Inputs({"x": x}))
    np.testing.assert_array_equal(result["rows"], x.sum((1, 2), keepdims=True))
    np.testing.assert_array_equal(result["back"], x / x.sum((1, 2), keepdims=True))
    np.testing.assert_array_equal(result["max"], x.max(0, keepdims=True))
    assert result["min"].shape == result["count"].shape == ()
    assert (result["min"], result["count"]) == (x[0].sum(), 8)


def test_sums_are_accumulated_in_float64():
    x = np.float32([1e8, 1.0, -1e8, 0.25])
    load = node("load", Type(REAL, LEAF), (), "x")
    program = Program("s", (effect("emit", "s", Builder(1).reduce("sum", load, LEAF)),))
    assert evaluate(program, Inputs({"x": x}))["s"] == 1.25


@pytest.mark.parametrize(("op", "identity"), [("sum", 0.0), ("max", -np.inf), ("min", np.inf)])
def test_reductions_over_nothing(op, identity):
    load, build = node("load", Type(REAL, LEAF), (), "x"), Builder(2)
    effects = (
        effect("emit", "all", build.reduce(op, load, LEAF)),
        effect("store", "rows", build.reduce(op, load, (0,))),
        effect("emit", "count", build.extent(LEAF)),
    )
    result = evaluate(Program("r", effects, 2), Inputs({"x": np.zeros((0, 3))}))
    assert (result["all"], result["count"]) == (identity, 1)
    np.testing.assert_array_equal(result["rows"], np.full((1, 3), identity))


def test_a_program_without_loads_takes_the_shape_it_is_given():
    program = Program("init", (effect("store", "mu", broadcast(const(0.5), LEAF)),))
    result = evaluate(program, Inputs(shape=(2, 3)))["mu"]
    assert same_bits(result, np.full((2, 3), 0.5, np.float32))


def test_scalars_come_from_where_their_operation_says():
    names = {"hyper": "x", "scalar": "x", "tree_load": "x"}
    effects = [effect("emit", op, node(op, REAL_SCALAR, (), name)) for op, name in names.items()]
    effects += [effect("tree_store", "step", node("step", REAL_SCALAR))]
    given = Inputs(hyper={"x": 0.1}, scalars={"x": 2}, tree={"x": 3}, step=4)
    result = evaluate(Program("inputs", tuple(effects)), given)
    expected = {"hyper": np.float32(0.1), "scalar": 2, "tree_load": 3, "step": 4}
    assert result == expected
    assert all(value.dtype == np.float32 for value in result.values())


NORM = """program norm {
  %g = load "g" : real[*]
  %2 = mul %g, %g : real[*]
  %s = sum<*> %2 : real[]
  %all = tree_sum "norm" %s : real[]
  %n = sqrt %all : real[]
  %b = broadcast %n : real[*]
  %u = div %g, %b : real[*]
  %m = max<*> %u : real[]
  %top = tree_max "top" %m : real[]
  store "u" %u : real[*]
  emit "top" %top : real[]
}"""


def test_tree_reductions_combine_the_leaves():
    leaves = [np.float32([3.0, 0.0]), np.zeros((0, 2), np.float32), np.float32([[4.0]])]
    plain = parse('program sgd { %g = load "g" : real[*] store "u" %g : real[*] }')
    trees = [(parse(NORM), Inputs({"g": g})) for g in leaves]
    *results, untouched = evaluate_tree([*trees, (plain, Inputs({"g": leaves[0]}))])
    for g, result in zip(leaves, results, strict=True):
        np.testing.assert_array_equal(result["u"], g / np.float32(5))
        assert result["top"] == np.float32(0.8)
    np.testing.assert_array_equal(untouched["u"], leaves[0])


def test_an_empty_leaf_poisons_nothing():
    poison = parse(
        'program p { %g = load "g" : real[*] %s = sum<*> %g : real[] %i = log %s : real[] '
        '%t = tree_sum "t" %i : real[] emit "t" %t : real[] }'
    )
    of_empty, of_one = (Inputs({"g": np.ones(n)}) for n in (0, 1))
    assert [r["t"] for r in evaluate_tree([(poison, of_empty), (poison, of_one)])] == [0, 0]
    assert evaluate(poison, of_empty)["t"] == 0
    assert evaluate(parse(NORM), of_empty)["top"] == -np.inf


def test_leaves_of_several_precisions_share_a_tree_reduction():
    g = np.array([1 / 3])
    double, single = evaluate_tree(
        [(parse(NORM), Inputs({"g": g}, dtypes=d)) for d in (FLOAT64, Dtypes())]
    )
    assert double["u"].dtype == np.float64
    assert single["u"].dtype == np.float32
    np.testing.assert_allclose(double["u"], 1 / np.sqrt(2), rtol=1e-7)


def test_reductions_that_wait_for_each_other_are_an_error():
    source = 'program {0} {{ {1} %a = tree_sum "a" {2} : real[] emit "a" {3} : real[] }}'
    one = source.format("one", '%h = hyper "h" : real[] %b = tree_sum "b" %h : real[]', "%b", "%a")
    other = one.replace('"a"', '"c"').replace('"b"', '"a"').replace('"c"', '"b"')
    with pytest.raises(IRError, match="tree reductions wait for each other"):
        evaluate_tree([(parse(x), Inputs(hyper={"h": 1.0})) for x in (one, other)])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Inputs({"x": np.ones(3)}), "program 'norm' reads the load 'g'; given: 'x'"),
        (Inputs(), "program 'norm' reads the load 'g'; given: none"),
        (Inputs({"g": 1.0}, shape=(3,)), "load 'g' has the shape (), not (3,)"),
    ],
)
def test_wrong_inputs_are_named(given, message):
    with pytest.raises(UsageError) as error:
        evaluate(parse(NORM), given)
    assert message in str(error.value)


def test_the_rank_of_the_leaf_must_fit():
    program = parse('program m rank 2 { %g = load "g" : real[*] store "u" %g : real[*] }')
    with pytest.raises(UsageError, match=r"'m' is for leaves of rank 2, not shape \(3,\)"):
        evaluate(program, Inputs({"g": np.ones(3)}))


@given(programs(), st.integers(0, 99))
@settings(max_examples=50)
def test_every_legal_program_has_a_meaning_of_its_type(program, seed):
    given_inputs = inputs(program, seed, Dtypes(param="bfloat16", grad="float16"))
    result = evaluate(program, given_inputs)
    for out in program.outputs:
        value = result[out.attr]
        assert value.dtype == given_inputs.dtypes.numpy(out.type.dtype)
        assert value.ndim == (0 if out.type.axes == () else len(given_inputs.shape))
        assert out.type.axes != LEAF or value.shape == given_inputs.shape
