import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optgen.ir.build import Builder, const, effect
from optgen.ir.evaluate import Dtypes, evaluate
from optgen.ir.program import Program
from optgen.passes.fold import Fold, known
from tests.passes.golden import golden
from tests.strategies import ARITHMETIC, inputs, programs, same_bits

BUILD = Builder(0)

GOLDEN = {
    "as Python would have computed it": (
        """
        %0 = const 1.0 : real[]
        %1 = const 0.9 : real[]
        %rest = sub %0, %1 : real[]
        emit "y" %rest : real[]
        """,
        """
        %rest = const 0.09999999999999998 : real[]
        emit "y" %rest : real[]
        """,
    ),
    "a constant repeated": (
        """
        %g = load "g" : real[*]
        %0 = const 2.0 : real[]
        %1 = broadcast %0 : real[*]
        %2 = sqrt %1 : real[*]
        %3 = mul %g, %2 : real[*]
        store "y" %3 : real[*]
        """,
        """
        %g = load "g" : real[*]
        %0 = const 1.4142135623730951 : real[]
        %1 = broadcast %0 : real[*]
        %2 = mul %g, %1 : real[*]
        store "y" %2 : real[*]
        """,
    ),
    "a known condition chooses": (
        """
        %0 = const 1.0 : real[]
        %1 = const 2.0 : real[]
        %2 = lt %0, %1 : bool[]
        %a = hyper "a" : real[]
        %b = hyper "b" : real[]
        %3 = where %2, %a, %b : real[]
        emit "y" %3 : real[]
        """,
        """
        %a = hyper "a" : real[]
        emit "y" %a : real[]
        """,
    ),
    "one side of a conjunction": (
        """
        %0 = const 1.0 : real[]
        %1 = isfinite %0 : bool[]
        %a = hyper "a" : real[]
        %2 = isfinite %a : bool[]
        %3 = and %1, %2 : bool[]
        %4 = cast %3 : real[]
        emit "y" %4 : real[]
        """,
        """
        %a = hyper "a" : real[]
        %0 = isfinite %a : bool[]
        %1 = cast %0 : real[]
        emit "y" %1 : real[]
        """,
    ),
    "a known truth is 0 or 1": (
        """
        %0 = const nan : real[]
        %1 = isfinite %0 : bool[]
        %2 = cast %1 : real[]
        emit "y" %2 : real[]
        """,
        """
        %0 = const 0.0 : real[]
        emit "y" %0 : real[]
        """,
    ),
    "what the author rounds is rounded where it runs": (
        """
        %0 = const 0.1 : real[]
        %1 = cast %0 : bfloat16[]
        %2 = cast %1 : real[]
        emit "y" %2 : real[]
        """,
        None,
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name):
    golden(Fold(), *GOLDEN[name])


@pytest.mark.parametrize(
    ("op", "args", "value"),
    [
        ("div", (1, 0), "inf"),
        ("div", (0, 0), "nan"),
        ("sqrt", (-1,), "nan"),
        ("log", (0,), "-inf"),
        ("exp", (1e6,), "inf"),
        ("neg", (0,), "-0.0"),
        ("pow", (0, -1), "inf"),
        ("round", (2.5,), "2.0"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_what_is_undefined_folds_to_what_numpy_says_without_a_warning(op, args, value):
    n = BUILD.elementwise(op, *map(const, args))
    folded = Fold().run(Program("one", (effect("emit", "y", n),)))
    assert repr(known(folded.outputs[0].args[0])) == value


def test_folding_is_linear_in_the_size_of_the_program():
    x = y = BUILD.elementwise("isfinite", BUILD.elementwise("neg", const(1.0)))
    for _ in range(100):
        x, y = BUILD.elementwise("add", x, y), BUILD.elementwise("mul", y, x)
    folded = Fold().run(Program("deep", (effect("emit", "y", BUILD.elementwise("sub", x, y)),)))
    assert len(list(folded.nodes())) == 2


@given(programs(ops=ARITHMETIC), st.integers(0, 9))
@settings(max_examples=50)
def test_in_double_precision_folding_changes_nothing(program, seed):
    given_inputs = inputs(program, seed, Dtypes("float64", "float64", "float64"))
    before, after = (evaluate(p, given_inputs) for p in (program, Fold().run(program)))
    assert all(same_bits(before[name], after[name]) for name in before)
