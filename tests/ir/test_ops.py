"""Every row is complete for everybody who looks operations up, and a row is all that it takes."""

import contextlib

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import optax
import pytest
import sympy as sp
from jax import lax

from optgen import dsl
from optgen.emit.latex import latex
from optgen.emit.plain import plain
from optgen.emit.python import Constants, Jnp, Scalars
from optgen.emit.symbolic import form
from optgen.ir.build import Builder, broadcast, cast, effect
from optgen.ir.evaluate import Inputs, evaluate
from optgen.ir.legality import KERNEL, MATH
from optgen.ir.node import node
from optgen.ir.ops import OPS, Op
from optgen.ir.program import Program
from optgen.ir.text import parse, text
from optgen.ir.types import LEAF, REAL, SCALAR, Type
from optgen.runtime.execution import scalar
from optgen.runtime.execution.tpu import functions as mosaic
from optgen.tools.verify.oracle import Oracle
from tests.emit.printers import cpp, triton
from tests.emit.rules import program as traced_program

ELEMENTWISE = [op for op, row in OPS.items() if row.is_elementwise]
X = {"a": [0.3, 1.7, 0.0, 2.5], "b": [1.2, 0.4, 0.7, 2.5], "c": [-1.0, 2.0, 0.5, 4.0]}
HYPOT = Op(
    name="hypot",
    kind="real",
    arity=2,
    arguments="a, b",
    about="The length of the hypotenuse",
    meaning=np.hypot,
    degree=1,
)
SOFTSIGN = Op(
    name="softsign",
    kind="real",
    arity=1,
    arguments="x",
    about="x / (1 + |x|)",
    meaning=lambda x: x / (1 + np.abs(x)),
    jnp="(({0}) / (1 + jnp.abs({0})))",
    number="scalar.divide({0}, 1 + abs({0}))",
    cpp="(({0}) / (1 + std::abs({0})))",
    triton="tl.div_rn({0}, 1 + tl.abs({0}))",
    sympy="x / (1 + Abs(x))",
    exact=lambda mp, x: x / (1 + abs(x)),
    at_most=1,
)


@contextlib.contextmanager
def registered(row):
    OPS[row.name] = row
    try:
        yield row.name
    finally:
        del OPS[row.name]


def storing(op, kind="load", axes=LEAF):
    """A program that stores an operation on a, b and c."""
    row, build = OPS[op], Builder(0)
    args = [node(kind, Type(REAL, axes), (), name) for name in "abc"[: row.arity]]
    if row.kind in ("logic", "select"):
        args[0] = build.elementwise("lt", args[0], args[-1] if row.arity > 1 else args[0])
    value = broadcast(cast(build.elementwise(op, *args), REAL), axes)
    if axes == SCALAR:
        return Program(op, (effect("emit", "update", value),))
    return Program(op, (effect("store", "update", value),))


def meaning(op):
    """Values of a program of ``storing`` by NumPy, through the evaluator."""
    return evaluate(storing(op), Inputs({name: np.float32(x) for name, x in X.items()}))["update"]


def run(printer, program, values):
    """Values that printed Python computes."""
    space = {"jnp": jnp, "lax": lax, "scalar": scalar, **vars(mosaic), **values}
    (out,) = program.outputs
    text = printer.output(out)
    for name, statement in printer.statements:
        space[name] = eval(statement, space)
    return np.asarray(eval(text, space), np.float32)


class Mosaic(Jnp):
    def spelling(self, op):
        return OPS[op].in_mosaic()


def check_row(op):
    """Everybody who looks an operation up can do something with its row, and the right thing."""
    expected, program = meaning(op), storing(op)
    assert parse(text(program)) == program
    assert op in MATH
    assert op in KERNEL
    values = {name: jnp.float32(x) for name, x in X.items()}
    for printer in (Jnp(program, "a"), Mosaic(program, "a")):
        np.testing.assert_allclose(run(printer, program, values), expected, rtol=2e-6, atol=1e-7)
    scalars = storing(op, "hyper", SCALAR)
    for i, number in enumerate(expected):
        numbers = {name: x[i] for name, x in X.items()}
        traced = {name: jnp.float32(x) for name, x in numbers.items()}
        for printer, values in ((Scalars(scalars), traced), (Constants(scalars), numbers)):
            found = run(printer, scalars, values)
            np.testing.assert_allclose(found, number, rtol=2e-6, atol=1e-7)
    check_text(op, program)
    check_equations(op, expected)
    check_oracle(op, program)


def check_text(op, program):
    assert cpp(program).output(program.outputs[0])
    for real in ("float32", "float64"):
        assert triton(program, real).output(program.outputs[0])
    assert plain(program)[-1].startswith("p' = p")
    assert latex(program).startswith(r"\begin{aligned}")


def check_equations(op, expected):
    row = OPS[op]
    if row.kind != "real":
        return
    for i, number in enumerate(expected):
        value = form(op)(*(sp.Float(X[name][i]) for name in "abc"[: row.arity]), evaluate=True)
        if value.is_number and value.is_real and not value.atoms(sp.core.function.AppliedUndef):
            with contextlib.suppress(TypeError):  # what SymPy leaves alone has no value there
                assert float(value) == pytest.approx(number, rel=2e-6, abs=1e-7)


def check_oracle(op, program):
    arrays = {name: np.float32(x) for name, x in X.items()}
    arrays |= {"g": np.float32(X["a"]), "p": np.float32(X["b"])}
    value = Oracle([program]).step([arrays], 1, {}).leaves[0].update
    error = np.abs(meaning(op).astype("f8") - value.exact.astype("f8"))
    known = np.isfinite(value.exact.astype("f8"))
    assert np.all(error[known] <= value.bound[known] + 1e-45)
    assert np.all(np.isfinite(value.bound[known]))


@pytest.mark.parametrize("op", ELEMENTWISE)
def test_every_row_is_complete(op):
    with np.errstate(all="ignore"):
        check_row(op)


@pytest.mark.parametrize("op", [op for op in ELEMENTWISE if OPS[op].arguments])
def test_every_row_with_arguments_has_a_function(op):
    function = getattr(dsl, op)
    assert op in dsl.__all__
    assert op in dir(dsl)
    assert function.__name__ == op
    assert OPS[op].about in function.__doc__
    assert len(OPS[op].arguments.split(", ")) == OPS[op].arity


@pytest.mark.parametrize("op", ELEMENTWISE)
def test_slopes_and_bounds_of_rows_are_those_of_their_meaning(op):
    row = OPS[op]
    args = [np.array(X[name]) + 0.1 for name in "abc"[: row.arity]]
    if row.at_most is not None:
        assert np.all(np.abs(row.meaning(*args)) <= row.at_most)
    if row.degree is not None and row.kind == "real":
        scaled = row.meaning(*(3.0 * x for x in args))
        np.testing.assert_allclose(scaled, 3.0**row.degree * row.meaning(*args))
    for place, slope in enumerate(row.slopes):
        moved = [x + 1e-6 * (i == place) for i, x in enumerate(args)]
        difference = (row.meaning(*moved) - row.meaning(*args)) / 1e-6
        np.testing.assert_allclose(np.abs(slope(*args)), np.abs(difference), rtol=1e-4)


@pytest.mark.parametrize("row", [HYPOT, SOFTSIGN], ids=lambda row: row.name)
def test_a_row_is_all_that_a_new_operation_takes(row):
    with registered(row) as op:
        check_row(op)

        @dsl.rule
        def toy(g, p, *, learning_rate=0.1, floor=0.25):
            args = (g, p + floor)[: row.arity]
            rate = getattr(dsl, op)(*(learning_rate, floor)[: row.arity])  # among constants
            return -rate * getattr(dsl, op)(*args)

        g, p = jnp.float32([0.3, -1.5]), jnp.float32([2.0, 0.5])
        optimizer = toy(target="xla")
        updates, _ = jax.jit(optimizer.update)(g, optimizer.init(p), p)
        args, rates = (g, p + 0.25)[: row.arity], (0.1, 0.25)[: row.arity]
        expected = -row.meaning(*rates) * row.meaning(*map(np.asarray, args))
        np.testing.assert_allclose(updates, expected, rtol=1e-6)
        assert optax.apply_updates(p, updates).dtype == jnp.float32
        math = traced_program(toy(), (2,))
        assert op in text(math)
        assert parse(text(math)) == math


def test_mpmath_is_what_a_row_without_a_value_at_50_digits_takes():
    with registered(HYPOT), mpmath.workdps(50):
        arrays = {name: np.float32([3.0]) for name in "ap"} | {"b": np.float32([4.0])}
        value = Oracle([storing("hypot")]).step([arrays], 1, {}).leaves[0].update
    assert value.exact[0] == 5
    with pytest.raises(AttributeError, match="hypot"):
        dsl.hypot  # noqa: B018
