import io
import time
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optgen.errors import IRError, UsageError
from optgen.ir.build import Builder, broadcast, cast, effect
from optgen.ir.evaluate import Dtypes, Inputs, evaluate
from optgen.ir.legality import KERNEL
from optgen.ir.node import node
from optgen.ir.program import Program
from optgen.ir.text import parse, text
from optgen.ir.types import LEAF, PARAM, REAL, REAL_SCALAR, Type
from optgen.passes import DEFAULT, run
from tests.strategies import inputs, programs, same_bits

EXACT_IN_FLOAT32 = tuple(p for p in DEFAULT if p.name != "fold")  # which computes in double
SMALL = 'program small { %h = hyper "h" : real[] %n = neg %h : real[] emit "y" %n : real[] }'


@given(programs(), st.integers(0, 9))
@settings(max_examples=50)
def test_the_default_passes_change_no_bit(program, seed):
    after = run(program, EXACT_IN_FLOAT32)
    given_inputs = inputs(program, seed)
    before, changed = evaluate(program, given_inputs), evaluate(after, given_inputs)
    for name in before:
        if name in changed:  # what is not stored is what was loaded
            assert same_bits(before[name], changed[name])
        else:
            assert same_bits(before[name], evaluate_load(given_inputs, name, before[name]))


def evaluate_load(given_inputs, name, like):
    table = {**given_inputs.tree, **given_inputs.loads}
    return np.asarray(table[name]).astype(like.dtype)


@given(programs())
@settings(max_examples=50)
def test_nothing_is_left_to_do_after_a_run(program):
    once = run(program)
    assert all(p.run(once) == once for p in DEFAULT)
    assert parse(text(once)) == once


def kahan(stored):
    """A sum whose rounding error is kept in a slot, against a parameter stored in ``stored``."""
    build = Builder(0)
    s, c, u = (
        cast(node("load", Type(dtype, LEAF), (), name), REAL)
        for name, dtype in (("p", stored), ("c", "float32"), ("g", "grad"))
    )
    y = build.elementwise("sub", u, c)
    t = cast(cast(build.elementwise("add", s, y), stored), REAL)
    lost = build.elementwise("sub", build.elementwise("sub", t, s), y)
    outputs = (effect("store", "p", cast(t, stored)), effect("store", "c", cast(lost, "float32")))
    return Program("kahan", outputs, names={y: "y", t: "t", lost: "lost"})


@pytest.mark.parametrize("stored", [REAL, PARAM, "bfloat16"])
def test_a_kahan_sum_survives_bit_for_bit(stored):
    program = kahan(stored)
    after = run(program)
    assert [n.op for n in after.nodes()].count("sub") == 3
    p, c = np.float32([1.0, -3.0]), np.float32([0.0, 0.0])
    exact = p.astype(np.float64)
    rng = np.random.default_rng(0)
    for _ in range(200):
        g = (rng.normal(size=2) * 1e-3).astype(np.float32)
        given_inputs = Inputs({"p": p, "c": c, "g": g}, dtypes=Dtypes(param="bfloat16"))
        plain, passed = evaluate(program, given_inputs), evaluate(after, given_inputs)
        assert same_bits(plain["p"], passed["p"])
        assert same_bits(plain["c"], passed["c"])
        p, c, exact = passed["p"].astype(np.float32), passed["c"], exact + g
    np.testing.assert_allclose(p - c.astype(np.float64), exact, rtol=1e-5)


@dataclass(frozen=True)
class Spoil:
    name: str = "spoil"

    def run(self, program):
        (store,) = program.outputs
        return replace(program, outputs=(node("emit", REAL_SCALAR, (store,), "y"),))


def test_an_illegal_result_names_the_pass():
    with pytest.raises(IRError) as error:
        run(parse(SMALL), (*DEFAULT, Spoil()))
    assert str(error.value).startswith("after pass 'spoil': program 'small' is not legal:")


def test_an_illegal_program_names_no_pass():
    with pytest.raises(IRError, match="^program 'small' is not legal:"):
        run(parse(SMALL.replace(": real[] emit", ": bool[] emit")))
    with pytest.raises(IRError, match="<hyper 'h' : .* is not legal at this stage"):
        run(parse(SMALL), table=KERNEL)


def test_programs_are_printed_after_the_passes_that_are_named():
    source = SMALL.replace("neg %h", "neg %h : real[] %m = neg %n")
    out = io.StringIO()
    result = run(parse(source), print_after=["algebra"], out=out)
    assert out.getvalue() == f"# after algebra\n{text(result)}\n"


@pytest.mark.parametrize("everything", ["all", ("all",)])
def test_all_prints_after_every_pass(everything, capsys):
    run(parse(SMALL), print_after=everything)
    headers = [line for line in capsys.readouterr().err.splitlines() if line.startswith("#")]
    assert headers == [f"# after {p.name}" for p in DEFAULT]


def test_an_unknown_pass_is_an_error_that_lists_the_known_ones():
    with pytest.raises(UsageError) as error:
        run(parse(SMALL), print_after=("folding",))
    names = ", ".join(p.name for p in DEFAULT)
    assert str(error.value).startswith(f"no pass is called 'folding'; there are: all, {names}")


def test_no_passes_leave_a_program_as_it_is():
    assert run(parse(SMALL), ()) == parse(SMALL)


def test_a_program_of_eighty_nodes_takes_milliseconds():
    build = Builder(2)
    x = cast(node("load", Type("grad", LEAF), (), "g"), REAL)
    scalar = node("hyper", REAL_SCALAR, (), "h")
    for _ in range(20):
        scalar = build.elementwise("neg", broadcast(scalar, LEAF))
        x = build.elementwise("mul", x, scalar)
    program = Program("long", (effect("store", "y", x),), 2)
    start = time.process_time()
    run(program)
    assert time.process_time() - start < 0.1
