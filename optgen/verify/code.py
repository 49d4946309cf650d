"""Programs turned into functions: SymPy's equations through ``lambdify``, compiled once.

One piece of code serves both number systems, the exact one and that of the bounds: which one is
decided by the globals that it runs with.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import FunctionType
from typing import Any

import sympy as sp
from sympy.printing.str import StrPrinter

from optgen.emit.functions import Cast, Reduction, Truth
from optgen.emit.outline import Line, uniform
from optgen.emit.symbolic import Equation, equations
from optgen.ir.node import Node
from optgen.ir.ops import OPS
from optgen.ir.program import Program
from optgen.verify.bounds import BOUNDS
from optgen.verify.exact import EXACT

_COMPARISONS = {
    sp.Lt: "lt",
    sp.Le: "le",
    sp.Gt: "gt",
    sp.Ge: "ge",
    sp.Eq: "eq",
    sp.Ne: "ne",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One equation as a function; of a tree reduction, of what it reduces.

    Attributes:
      line: what the equation is for.
      arguments: the symbols of the values that it takes, after the leaf.
      exact: the function over object arrays of mpmath numbers.
      bounded: the same function over ``Bounded`` values.
      tree: the node of a tree reduction, or None.
      uniform: whether hyperparameters and the step alone decide it.
    """

    line: Line
    arguments: tuple[str, ...]
    exact: Callable[..., Any]
    bounded: Callable[..., Any]
    tree: Node | None
    uniform: bool


@dataclass(frozen=True, slots=True)
class Compiled:
    """A program as functions.

    Attributes:
      steps: by the symbol on the left of the equation, in order.
      inputs: the nodes that are read, by their symbols.
    """

    steps: Mapping[str, Step]
    inputs: Mapping[str, Node]

    def storing(self, role: str) -> Iterator[tuple[str, str]]:
        """The keys of the effects of this role, each with the symbol of its value."""
        return ((s.line.key, name) for name, s in self.steps.items() if s.line.role == role)


@lru_cache(maxsize=256)
def compiled(program: Program) -> Compiled:
    """The equations of a program as functions; the same object for equal programs."""
    read = equations(program, exact=True)
    same = uniform(program.nodes())
    inputs = {s.name: n for n, s in read.symbols.items() if OPS[n.op].kind == "input"}
    names = inputs.keys() | {e.symbol.name for e in read}
    return Compiled({e.symbol.name: _step(e, names, e.line.node in same) for e in read}, inputs)


def _step(equation: Equation, names: set[str], is_uniform: bool) -> Step:
    value, n = equation.value, equation.line.node
    reduces = OPS[n.op].kind == "tree" and equation.symbol != value
    symbols = sorted((s for s in value.free_symbols if s.name in names), key=lambda s: s.name)
    (code,) = value.args if reduces else (value,)
    exact = sp.lambdify([sp.Symbol("leaf"), *symbols], code, [_globals(EXACT)], printer=_Code())
    bounded = FunctionType(exact.__code__, _globals(BOUNDS))
    arguments = tuple(s.name for s in symbols)
    return Step(equation.line, arguments, exact, bounded, n if reduces else None, is_uniform)


def _globals(functions: Mapping[str, Callable[..., Any]]) -> dict[str, Any]:
    return {**functions, **{name: getattr(operator, name) for name in _COMPARISONS.values()}}


class _Code(StrPrinter):
    """Prints an expression as calls of the functions in ``EXACT`` and ``BOUNDS``."""

    def _call(self, name: str, *args: Any) -> str:
        return f"{name}({', '.join(map(self._print, args))})"

    def _print_Add(self, e: Any, order: Any = None) -> str:  # noqa: N802
        return f"({' + '.join(map(self._print, e.args))})"

    def _print_Mul(self, e: Any) -> str:
        first, *rest = e.args
        if first == -1:
            return f"(-{' * '.join(map(self._print, rest))})"
        return f"({' * '.join(map(self._print, e.args))})"

    def _print_Pow(self, e: Any, rational: bool = False) -> str:
        known = {-1: "reciprocal", 2: "square", sp.Rational(1, 2): "sqrt", -sp.S.Half: "rsqrt"}
        if e.exp in known:
            return self._call(known[e.exp], e.base)
        return self._call("power", e.base, e.exp)

    def _print_Number(self, e: Any) -> str:
        return f"number({float(e)!r}, leaf)"

    _print_Integer = _print_Rational = _print_Float = _print_Number
    _print_One = _print_Zero = _print_NegativeOne = _print_Half = _print_Number

    def _print_Infinity(self, e: Any) -> str:
        return "number(float('inf'), leaf)"

    def _print_NegativeInfinity(self, e: Any) -> str:
        return "number(float('-inf'), leaf)"

    def _print_NaN(self, e: Any) -> str:
        return "number(float('nan'), leaf)"

    def _print_Relational(self, e: Any) -> str:
        return f"compare({_COMPARISONS[type(e)]}, {self._print(e.lhs)}, {self._print(e.rhs)})"

    def _print_And(self, e: Any) -> str:
        return f"({' & '.join(map(self._print, e.args))})"

    def _print_Or(self, e: Any) -> str:
        return f"({' | '.join(map(self._print, e.args))})"

    def _print_Not(self, e: Any) -> str:
        return f"(~{self._print(e.args[0])})"

    def _print_Function(self, e: Any) -> str:
        name = type(e).__name__
        if isinstance(e, Reduction):
            axes, along = (tuple(map(int, axes)) for axes in e.args[1:])
            return f"{name}({self._print(e.args[0])}, {axes}, leaf.extents({along}))"
        if isinstance(e, Cast):
            return f"Cast({self._print(e.args[0])}, leaf.dtype({str(e.args[1])!r}))"
        if isinstance(e, Truth):
            return f"Truth({self._print(e.args[0])}, leaf)"
        return self._call(name, *e.args)

    def _print_Max(self, e: Any) -> str:
        return self._print_Function(e)

    _print_Min = _print_Abs = _print_sign = _print_Max
    _print_Heaviside = _print_BooleanFunction = _print_Function
