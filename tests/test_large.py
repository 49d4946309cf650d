"""Every walk over nodes is linear and needs no deep recursion."""

import time

import numpy as np
import pytest

from optgen.emit.plain import plain
from optgen.emit.python import Constants, Jnp, Scalars
from optgen.emit.symbolic import equations
from optgen.ir.evaluate import Dtypes, Inputs, evaluate
from optgen.ir.text import parse, text
from optgen.passes import DEFAULT, run
from optgen.passes.hoist import hoist
from optgen.tools.verify.oracle import Oracle
from tests.emit.printers import cpp, triton
from tests.large import chain, doubling, scalar_chain

LARGE = {"chain": chain, "doubling": doubling, "scalars": scalar_chain}
G = np.array([0.5, -2.0], np.float32)
INPUTS = Inputs({"g": G}, {"rate": 0.5})


@pytest.fixture(params=LARGE)
def program(request):
    started = time.perf_counter()
    yield LARGE[request.param]()
    assert time.perf_counter() - started < 30  # on a busy machine; a square or a power is hours


def test_evaluation(program):
    assert evaluate(program, INPUTS)["update"].shape == G.shape


def test_text(program):
    assert parse(text(program)) == program


def test_passes(program):
    before, after = (evaluate(p, INPUTS)["update"] for p in (program, run(program, DEFAULT)))
    np.testing.assert_allclose(after, before, rtol=1e-4)


def test_hoisting(program):
    hoisted = hoist([program])
    assert len(list(hoisted.leaves[0].nodes())) <= len(list(program.nodes())) + 1


def test_equations_of_headers(program):
    assert plain(program)[-1].startswith("p' = ")


def test_printers(program):
    (out,) = program.outputs
    jnp = Jnp(program, "g")
    jnp.output(out)
    assert jnp.text(out.args[0])
    hoisted = hoist([program])
    for printer, part in ((Constants, hoisted.constants), (Scalars, hoisted.scalars[-1])):
        for effect in part.outputs:
            assert printer(part).output(effect)


def test_leveled_printers(program):
    leaf = hoist([program]).leaves[0]
    for printer in (cpp, triton):
        assert printer(leaf).output(leaf.outputs[0])


@pytest.mark.parametrize("build", [lambda: chain(200), doubling, lambda: scalar_chain(200)])
def test_symbolic_forms(build):
    """SymPy itself recurses, so what nests deeper than that is for ``plain`` alone."""
    assert equations(build())["p'"].value.free_symbols


def test_the_oracle(program):
    exact = Oracle([program]).step([{"g": G, "p": G}], 1, {"rate": 0.5}).leaves[0]
    expected = evaluate(
        program, Inputs({"g": G.astype("f8")}, {"rate": 0.5}, dtypes=Dtypes(*["float64"] * 3))
    )
    np.testing.assert_allclose(exact.update.exact.astype(float), expected["update"], rtol=1e-9)
