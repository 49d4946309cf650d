import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optgen.ir.evaluate import evaluate
from optgen.passes.cse import Cse
from tests.passes.golden import golden
from tests.strategies import inputs, programs, same_bits

GOLDEN = {
    "either way round": (
        """
        %a = hyper "a" : real[]
        %b = hyper "b" : real[]
        %0 = mul %b, %a : real[]
        %1 = mul %a, %b : real[]
        %2 = sub %0, %1 : real[]
        emit "y" %2 : real[]
        """,
        """
        %b = hyper "b" : real[]
        %a = hyper "a" : real[]
        %0 = mul %b, %a : real[]
        %1 = sub %0, %0 : real[]
        emit "y" %1 : real[]
        """,
    ),
    "differences do not commute": (
        """
        %a = hyper "a" : real[]
        %b = hyper "b" : real[]
        %0 = sub %a, %b : real[]
        %1 = sub %b, %a : real[]
        %2 = mul %1, %0 : real[]
        emit "y" %2 : real[]
        """,
        """
        %b = hyper "b" : real[]
        %a = hyper "a" : real[]
        %0 = sub %b, %a : real[]
        %1 = sub %a, %b : real[]
        %2 = mul %0, %1 : real[]
        emit "y" %2 : real[]
        """,
    ),
    "what stands alone keeps its order": (
        """
        %b = hyper "b" : real[]
        %a = hyper "a" : real[]
        %0 = add %b, %a : real[]
        %1 = mul %a, %0 : real[]
        emit "y" %1 : real[]
        """,
        """
        %a = hyper "a" : real[]
        %b = hyper "b" : real[]
        %0 = add %b, %a : real[]
        %1 = mul %a, %0 : real[]
        emit "y" %1 : real[]
        """,
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name):
    golden(Cse(), *GOLDEN[name])


@given(programs(), st.integers(0, 9))
@settings(max_examples=50)
def test_it_is_exact(program, seed):
    before, after = (evaluate(p, inputs(program, seed)) for p in (program, Cse().run(program)))
    assert all(same_bits(before[name], after[name]) for name in before)
