import pytest

from optgen.passes.dce import Dce
from tests.passes.golden import golden

GOLDEN = {
    "a slot that never changes costs no write": (
        """
        %c = load "c" : float32[0]
        store "c" %c : float32[0]
        %n = tree_load "n" : real[]
        tree_store "n" %n : real[]
        %g = load "g" : real[*]
        store "y" %g : real[*]
        """,
        """
        %g = load "g" : real[*]
        store "y" %g : real[*]
        """,
    ),
    "what is stored elsewhere, or of another kind, stays": (
        """
        %c = load "c" : real[]
        store "d" %c : real[]
        tree_store "c" %c : real[]
        %e = tree_load "e" : real[]
        store "e" %e : real[]
        %n = hyper "n" : real[]
        tree_store "n" %n : real[]
        """,
        None,
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name):
    golden(Dce(), *GOLDEN[name])
