"""A math program read out as SymPy equations.

Nothing is evaluated on the way: SymPy would turn the compensation ``(t - s) - y`` of a Kahan sum,
with ``t = s + y``, into 0. ``a / b`` is ``a * b**-1``, as SymPy writes it. An operation without a
symbol in mathematics (a reduction, a rounding, a choice) is a function of
``optgen.emit.functions``.

Expressions are built without recursion, but SymPy itself compares and prints them with it: it
cannot show an equation that nests deeper than Python's limit, some hundreds of operations.

Importing this module imports SymPy: import it inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import sympy as sp

from optgen.emit import functions
from optgen.emit.functions import Cast, LeafMean, LeafNorm, NotANumber, TreeNorm, Truth
from optgen.emit.outline import Line, idiom, is_input, meaning, outline, partial_axes
from optgen.ir.node import Node, walk
from optgen.ir.ops import OPS, Op
from optgen.ir.program import Program
from optgen.ir.types import BOOL, LEAF, Axes


@dataclass(frozen=True, slots=True)
class Equation:
    """``symbol = value``.

    Attributes:
      line: the role of the equation, and the node that it was read from.
      symbol: the left side, with the name of the line: ``mu'`` for the next value of the slot
        ``mu``, ``p'`` for the update.
      value: the right side, unevaluated. For the update it is the value added to p.
    """

    line: Line
    symbol: sp.Symbol
    value: sp.Basic


@dataclass(frozen=True, slots=True)
class Equations:
    """The equations of a program in order, and the symbols of its inputs.

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


def equations(program: Program, *, evaluate: bool = False) -> Equations:
    """Reads a math program out as equations, in the order in which they are computed.

    Args:
      program: a math program, as it was traced.
      evaluate: let SymPy simplify as it builds; for proofs, and never for display.

    Returns:
      An equation for the next value of each slot, for each value that the author named or that is
      used several times, and last for the update.
    """
    plan = outline(program)
    symbols = {n: sp.Symbol(name, real=True) for n, name in plan.names.items()}
    known: dict[Node, sp.Basic] = {n: s for n, s in symbols.items() if is_input(n)}
    build = Expressions(evaluate)
    result = []
    for line in plan.lines:
        owns = line.role != "update" and plan.names.get(line.node) == line.name
        symbol = symbols[line.node] if owns else sp.Symbol(line.name, real=True)
        result.append(Equation(line, symbol, build(line.node, known)))
        if owns:
            known[line.node] = symbol
    return Equations(tuple(result), symbols)


class Expressions:
    """Builds the SymPy expression of a node."""

    def __init__(self, evaluate: bool = False) -> None:
        self.evaluate = evaluate

    def __call__(self, n: Node, known: Mapping[Node, sp.Basic]) -> sp.Basic:
        """The expression of ``n``, in terms of the known ones."""
        values: dict[Node, sp.Basic] = {}

        def operands(n: Node) -> Iterable[Node]:
            if n in known:
                return ()
            phrase = idiom(n, known)
            return map(meaning, n.args if phrase is None else (phrase.of,))

        for m in walk([meaning(n)], args=operands):
            values[m] = known[m] if m in known else self._value(m, known, values)
        return values[meaning(n)]

    def _value(
        self, n: Node, known: Mapping[Node, sp.Basic], values: Mapping[Node, sp.Basic]
    ) -> sp.Basic:
        if n.op == "const":
            return number(n.attr)
        if phrase := idiom(n, known):
            x = values[meaning(phrase.of)]
            if phrase.word == "global_norm":
                return TreeNorm(x)
            return _reduction(LeafMean if phrase.word == "mean" else LeafNorm, x, phrase.total)
        args = [values[meaning(arg)] for arg in n.args]
        if n.op == "cast":
            truth = n.args[0].type.dtype == BOOL
            return Truth(*args) if truth else Cast(*args, sp.Symbol(n.type.dtype))
        if OPS[n.op].kind == "reduce":
            return _reduction(form(n.op), args[0], n)
        return form(n.op)(*args, evaluate=self.evaluate)


def form(op: str) -> Callable[..., sp.Basic]:
    """The function of SymPy for an operation: of arguments, and ``evaluate``."""
    return _form(OPS[op])


@cache
def _form(row: Op) -> Callable[..., sp.Basic]:
    if row.name in _FORMS:
        return _FORMS[row.name]
    name = row.sympy or row.name
    if not name.isidentifier():
        return _expression(row)
    for module in (functions, sp):
        function = getattr(module, name, None)
        if isinstance(function, type) and issubclass(function, sp.Basic):
            return function
    return functions.named(name, row.arity)


def _expression(row: Op) -> Callable[..., sp.Basic]:
    names = row.arguments.split(", ")

    def build(*args: sp.Basic, evaluate: bool = False) -> sp.Basic:
        with sp.evaluate(evaluate):
            return eval(row.sympy, dict(vars(sp)), dict(zip(names, args, strict=True)))

    return build


def number(value: float) -> sp.Expr:
    """A constant: a whole number where it is one, else exactly this double."""
    if not math.isfinite(value):
        return NotANumber() if math.isnan(value) else sp.oo * int(math.copysign(1, value))
    return sp.Integer(int(value)) if value == int(value) else sp.Float(value)


def axes_tuple(axes: Axes) -> sp.Tuple:
    """Axes as SymPy holds them; empty for all of them."""
    return sp.Tuple() if axes == LEAF else sp.Tuple(*axes)


def _reduction(function: Callable[..., sp.Expr], x: sp.Expr, n: Node) -> sp.Expr:
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


_FORMS: Mapping[str, Callable[..., sp.Basic]] = {
    "add": _sum,
    # Never flat, so that a compensation shows as (t - s) - y.
    "sub": lambda a, b, evaluate: sp.Add(a, _negative(b, evaluate), evaluate=evaluate),
    "mul": _product,
    "div": _quotient,
    "neg": _negative,
    "sqrt": _power(sp.Rational(1, 2)),
    "rsqrt": _power(sp.Rational(-1, 2)),
}
"""Operations that SymPy has no function for, but writes with sums, products and powers."""
