import pytest
import sympy as sp
from hypothesis import given, settings

from optgen import dsl
from optgen.emit.functions import TreeNorm
from optgen.emit.symbolic import Expressions, equations, number
from optgen.ir.build import Builder, cast, const, effect
from optgen.ir.node import node
from optgen.ir.ops import OPS, is_elementwise
from optgen.ir.program import Program
from optgen.ir.types import LEAF, REAL, REAL_SCALAR, Type
from tests.emit.rules import adamw, clip, kahan, program
from tests.strategies import programs

A, B, C = (node("load", Type(REAL, LEAF), (), name) for name in "abc")


def storing(value, names=None):
    return Program("one", (effect("store", "update", value),), None, names or {})


def test_slots_named_values_and_the_update_are_equations_in_order():
    read = equations(program(adamw(1e-3)))
    assert [(e.line.role, e.line.key) for e in read] == [
        ("slot", "mu"),
        ("value", "mu_hat"),
        ("slot", "nu"),
        ("value", "nu_hat"),
        ("value", "update"),
        ("update", "update"),
    ]
    mu, b1, g = (sp.Symbol(name, real=True) for name in ("mu", "b1", "g"))
    assert sp.simplify(read["mu'"].value - (b1 * mu + (1 - b1) * g)) == 0
    assert read["mu_hat"].value.has(read["mu'"].symbol)


def test_a_compensation_is_not_simplified_to_zero():
    build = Builder(0)
    t = build.elementwise("add", A, B)
    value = build.elementwise("sub", build.elementwise("sub", t, A), B)
    shown = equations(storing(value))["p'"].value
    assert shown != 0
    assert sp.sstr(shown, order="none") == "((a + b) - a) - b"
    assert equations(storing(value), evaluate=True)["p'"].value == 0


def test_a_cast_in_the_middle_is_a_rounding_and_others_are_not_seen():
    s = equations(program(kahan(1e-3)))["s"].value
    assert sp.sstr(s, order="none") == "Cast(p + y, param)"


def test_names_of_chains_are_short_where_they_can_be():
    read = equations(program(dsl.chain(clip(1.0), adamw(1e-3))))
    assert {"mu'", "nu'"} <= {e.symbol.name for e in read}
    assert isinstance(read["norm"].value, TreeNorm)


@pytest.mark.parametrize("op", [op for op in OPS if is_elementwise(op)])
def test_every_operation_has_a_symbolic_form(op):
    build = Builder(0)
    args = [build.elementwise("lt", x, C) if op in ("and", "or", "not") else x for x in (A, B, C)]
    value = build.elementwise(op, *args[: OPS[op].arity])
    known = {x: sp.Symbol(x.attr, real=True) for x in (A, B, C)}
    shown = Expressions()(value, known)
    assert shown.free_symbols <= set(known.values())
    assert shown.free_symbols


@pytest.mark.parametrize(
    ("value", "expression"),
    [(2.0, sp.Integer(2)), (-1.0, sp.Integer(-1)), (float("inf"), sp.oo), (-float("inf"), -sp.oo)],
)
def test_whole_and_infinite_numbers(value, expression):
    assert number(value) == expression


@pytest.mark.parametrize("value", [0.1, 1e-8, 1 - 1e-16, 5e-324, 1.7976931348623157e308, 1e300])
def test_numbers_are_exactly_their_doubles(value):
    assert float(number(value)) == value


@given(programs())
@settings(max_examples=30)
def test_equations_use_only_what_stands_before_them(one):
    read = equations(one)
    inputs = {n for n in read.symbols if OPS[n.op].kind == "input"}
    known = {read.symbols[n] for n in inputs}
    dtypes = {"param", "grad", "bfloat16", "float32"}
    for equation in read:
        free = {s for s in equation.value.free_symbols if s.name not in dtypes}
        assert free <= known
        known.add(equation.symbol)
    keys = {e.line.key for e in read if e.line.role in ("slot", "tree")}
    assert keys == {effect.attr for effect in one.outputs}


def test_the_rounding_of_what_is_stored_is_not_an_equation():
    value = cast(Builder(0).elementwise("mul", A, const(0.5)), "bfloat16")
    one = Program("one", (effect("store", "s", value), *storing(B).outputs))
    assert sp.sstr(equations(one)["s'"].value) == "a*0.5"


def test_a_slot_of_the_tree_may_be_a_reduction_itself():
    total = node("tree_sum", REAL_SCALAR, (Builder(0).reduce("sum", A, LEAF),), "k")
    one = Program("one", (effect("tree_store", "total", total), *storing(B).outputs))
    assert equations(one)["total'"].line.role == "tree"
