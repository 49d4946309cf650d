"""A math program read out as SymPy equations.

Nothing is evaluated on the way: SymPy would turn the compensation ``(t - s) - y`` of a Kahan sum,
with ``t = s + y``, into 0. ``a / b`` is ``a * b**-1``, as SymPy writes it. What mathematics has no
symbol for (a reduction, a rounding, a choice) is a function of ``optgen.emit.functions``.

Importing this module imports SymPy: import it inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import sympy as sp
from sympy.codegen.cfunctions import expm1, log1p

from optgen.emit.functions import (
    Cast,
    CubeRoot,
    IsFinite,
    LeafMax,
    LeafMean,
    LeafMin,
    LeafNorm,
    LeafSum,
    NotANumber,
    Reduction,
    RoundHalfEven,
    TreeMax,
    TreeNorm,
    TreeSum,
    Truth,
    Where,
)
from optgen.emit.outline import Line, idiom, is_input, meaning, outline, partial_axes
from optgen.ir.node import Node
from optgen.ir.ops import OPS
from optgen.ir.program import Program
from optgen.ir.types import BOOL, LEAF, Axes


@dataclass(frozen=True, slots=True)
class Equation:
    """``symbol = value``.

    Attributes:
      line: what the equation is for, and the node it was read from.
      symbol: the left side, called as the line is: ``mu'`` for the next value of the slot ``mu``,
        ``p'`` for the update. Where the equations are for evaluation, symbols are numbered.
      value: the right side, unevaluated. Of the update it is what is added to p.
    """

    line: Line
    symbol: sp.Symbol
    value: sp.Basic


@dataclass(frozen=True, slots=True)
class Equations:
    """The equations of a program in order, and the symbols of what it reads.

    Attributes:
      equations: each uses the symbols of the inputs and of those before it.
      symbols: the symbol of every input and of every value that has an equation.
    """

    equations: tuple[Equation, ...]
    symbols: Mapping[Node, sp.Symbol]

    def __iter__(self) -> Iterator[Equation]:
        return iter(self.equations)

    def __len__(self) -> int:
        return len(self.equations)

    def __getitem__(self, name: str) -> Equation:
        """The equation with this name on its left."""
        return next(e for e in self.equations if e.line.name == name)


def equations(program: Program, *, exact: bool = False, evaluate: bool = False) -> Equations:
    """Reads a math program out as equations, in the order in which they are computed.

    Args:
      program: a math program, as it was traced.
      exact: for evaluation rather than for reading, see ``optgen.emit.outline.outline``.
      evaluate: let SymPy simplify as it builds; for proofs, and never for what is shown.

    Returns:
      An equation for the next value of each slot, for what the author named, for what is used
      several times, and last for the update.
    """
    plan = outline(program, exact)
    symbols = {n: _symbol(name, i, exact) for i, (n, name) in enumerate(plan.names.items())}
    known: dict[Node, sp.Basic] = {n: s for n, s in symbols.items() if is_input(n)}
    build = Expressions(exact, evaluate)
    result = []
    for i, line in enumerate(plan.lines, len(symbols)):
        owns = line.role != "update" and plan.names.get(line.node) == line.name
        symbol = symbols[line.node] if owns else _symbol(line.name, i, exact)
        result.append(Equation(line, symbol, build(line.node, known)))
        if owns:
            known[line.node] = symbol
    return Equations(tuple(result), symbols)


def _symbol(name: str, number: int, exact: bool) -> sp.Symbol:
    # lambdify replaces what is no identifier, and SymPy evaluates where it replaces.
    return sp.Symbol(f"x{number}" if exact else name, real=True)


class Expressions:
    """Builds the SymPy expression of a node."""

    def __init__(self, exact: bool = False, evaluate: bool = False) -> None:
        self.exact, self.evaluate = exact, evaluate

    def __call__(self, n: Node, known: Mapping[Node, sp.Basic]) -> sp.Basic:
        """The expression of ``n``, in terms of what is known already."""
        n = meaning(n)
        if n in known:
            return known[n]
        if n.op == "const":
            return number(n.attr)
        if not self.exact and (found := idiom(n, known)):
            x = self(found.of, known)
            if found.word == "global_norm":
                return TreeNorm(x)
            return _reduction(LeafMean if found.word == "mean" else LeafNorm, x, found.total)
        args = [self(arg, known) for arg in n.args]
        if n.op == "cast":
            truth = n.args[0].type.dtype == BOOL
            return Truth(*args) if truth else Cast(*args, sp.Symbol(n.type.dtype))
        if OPS[n.op].kind == "reduce":
            return _reduction(_REDUCTIONS[n.op], args[0], n)
        if n.op in _OWN:
            return _OWN[n.op](*args)
        return _FUNCTIONS[n.op](*args, evaluate=self.evaluate)


def number(value: float) -> sp.Expr:
    """A constant: a whole number where it is one, else exactly this double."""
    if not math.isfinite(value):
        return NotANumber() if math.isnan(value) else sp.oo * int(math.copysign(1, value))
    return sp.Integer(int(value)) if value == int(value) else sp.Float(value)


def axes_tuple(axes: Axes) -> sp.Tuple:
    """Axes as SymPy holds them; empty for all of them."""
    return sp.Tuple() if axes == LEAF else sp.Tuple(*axes)


def _reduction(function: type[Reduction], x: sp.Expr, n: Node) -> sp.Expr:
    return function(x, axes_tuple(partial_axes(n)), axes_tuple(n.args[0].type.axes))


def _sum(a: sp.Expr, b: sp.Expr, evaluate: bool) -> sp.Expr:
    # (a + b) + c is one sum of three terms in their order; a + (b + c) keeps its parenthesis.
    first = a.args if a.is_Add and not evaluate else (a,)
    return sp.Add(*first, b, evaluate=evaluate)


def _product(a: sp.Expr, b: sp.Expr, evaluate: bool) -> sp.Expr:
    if a == b and not evaluate:
        return sp.Pow(a, 2, evaluate=False)
    first = a.args if a.is_Mul and not evaluate else (a,)
    return sp.Mul(*first, b, evaluate=evaluate)


def _negative(a: sp.Expr, evaluate: bool) -> sp.Expr:
    if a.is_Number or evaluate:
        return -a
    first, *rest = a.args if a.is_Mul else (a,)
    if not first.is_Number:
        return sp.Mul(-1, first, *rest, evaluate=False)
    return sp.Mul(*([] if first == -1 else [-first]), *rest, evaluate=False)


def _quotient(a: sp.Expr, b: sp.Expr, evaluate: bool) -> sp.Expr:
    return _product(a, sp.Pow(b, -1, evaluate=evaluate), evaluate)


def _power(exponent: sp.Rational) -> Callable[..., sp.Expr]:
    return lambda a, evaluate: sp.Pow(a, exponent, evaluate=evaluate)


_FUNCTIONS: Mapping[str, Callable[..., sp.Basic]] = {
    "add": _sum,
    # Never flat, so that a compensation shows as (t - s) - y.
    "sub": lambda a, b, evaluate: sp.Add(a, _negative(b, evaluate), evaluate=evaluate),
    "mul": _product,
    "div": _quotient,
    "neg": _negative,
    "pow": sp.Pow,
    "sqrt": _power(sp.Rational(1, 2)),
    "rsqrt": _power(sp.Rational(-1, 2)),
    "abs": sp.Abs,
    "sign": sp.sign,
    "exp": sp.exp,
    "log": sp.log,
    "log1p": log1p,
    "expm1": expm1,
    "tanh": sp.tanh,
    "sin": sp.sin,
    "cos": sp.cos,
    "atan2": sp.atan2,
    "maximum": sp.Max,
    "minimum": sp.Min,
    "floor": sp.floor,
    "lt": sp.Lt,
    "le": sp.Le,
    "gt": sp.Gt,
    "ge": sp.Ge,
    "eq": sp.Eq,
    "ne": sp.Ne,
    "and": sp.And,
    "or": sp.Or,
    "not": sp.Not,
}

_OWN: Mapping[str, type[sp.Basic]] = {
    "cbrt": CubeRoot,
    "round": RoundHalfEven,
    "isfinite": IsFinite,
    "where": Where,
    "tree_sum": TreeSum,
    "tree_max": TreeMax,
}

_REDUCTIONS: Mapping[str, type[Reduction]] = {"sum": LeafSum, "max": LeafMax, "min": LeafMin}
