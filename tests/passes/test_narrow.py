import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optgen.ir.evaluate import evaluate
from optgen.ir.legality import check
from optgen.passes.narrow import Narrow
from tests.passes.golden import golden
from tests.strategies import inputs, programs, same_bits

GOLDEN = {
    "scalar arithmetic": (
        """
        %g = load "g" : real[*]
        %a = hyper "a" : real[]
        %0 = broadcast %a : real[*]
        %1 = sqrt %0 : real[*]
        %2 = const 2.0 : real[]
        %3 = broadcast %2 : real[*]
        %product = mul %1, %3 : real[*]
        %4 = mul %product, %g : real[*]
        store "y" %4 : real[*]
        """,
        """
        %a = hyper "a" : real[]
        %0 = sqrt %a : real[]
        %1 = const 2.0 : real[]
        %product = mul %0, %1 : real[]
        %2 = broadcast %product : real[*]
        %g = load "g" : real[*]
        %3 = mul %2, %g : real[*]
        store "y" %3 : real[*]
        """,
    ),
    "a row and a scalar meet at the row": (
        """
        %r = load "r" : real[0]
        %0 = broadcast %r : real[*]
        %a = hyper "a" : real[]
        %1 = broadcast %a : real[*]
        %2 = lt %0, %1 : bool[*]
        %3 = cast %2 : real[*]
        store "y" %3 : real[*]
        """,
        """
        %r = load "r" : real[0]
        %a = hyper "a" : real[]
        %0 = broadcast %a : real[0]
        %1 = lt %r, %0 : bool[0]
        %2 = cast %1 : real[0]
        %3 = broadcast %2 : real[*]
        store "y" %3 : real[*]
        """,
    ),
    "a row and a column meet at the leaf": (
        """
        %r = load "r" : real[0]
        %0 = broadcast %r : real[*]
        %c = load "c" : real[1]
        %1 = broadcast %c : real[*]
        %2 = mul %0, %1 : real[*]
        store "y" %2 : real[*]
        """,
        None,
    ),
    "products are not reassociated": (
        """
        %g = load "g" : real[*]
        %a = hyper "a" : real[]
        %0 = broadcast %a : real[*]
        %1 = mul %g, %0 : real[*]
        %b = hyper "b" : real[]
        %2 = broadcast %b : real[*]
        %3 = mul %1, %2 : real[*]
        store "y" %3 : real[*]
        """,
        None,
    ),
    "repeated twice": (
        """
        %a = hyper "a" : real[]
        %0 = broadcast %a : real[0]
        %1 = broadcast %0 : real[*]
        %2 = cast %1 : param[*]
        store "y" %2 : param[*]
        """,
        """
        %a = hyper "a" : real[]
        %0 = cast %a : param[]
        %1 = broadcast %0 : param[*]
        store "y" %1 : param[*]
        """,
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name):
    golden(Narrow(), *GOLDEN[name])


@given(programs(), st.integers(0, 9))
@settings(max_examples=50)
def test_narrowing_is_exact(program, seed):
    narrowed = check(Narrow().run(program))
    before, after = (evaluate(p, inputs(program, seed)) for p in (program, narrowed))
    assert all(same_bits(before[name], after[name]) for name in before)
