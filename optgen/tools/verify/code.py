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

from optgen.emit.functions import Cast, NotANumber, Reduction, TreeMax, TreeSum, Truth
from optgen.emit.outline import Line, uniform
from optgen.emit.symbolic import Equation, equations
from optgen.ir.node import Node
from optgen.ir.ops import OPS
from optgen.ir.program import Program
from optgen.tools.verify.bounds import BOUNDS
from optgen.tools.verify.exact import EXACT

_POWERS = {
    sp.Integer(-1): "reciprocal",
    sp.Integer(2): "square",
    sp.Rational(1, 2): "sqrt",
    sp.Rational(-1, 2): "rsqrt",
}
_COMPARISONS = {
    sp.Lt: "lt",
    sp.Le: "le",
    sp.Gt: "gt",
    sp.Ge: "ge",
    sp.Eq: "eq",
    sp.Ne: "ne",
}
_LOGIC = {sp.And: " & ", sp.Or: " | ", sp.Not: ""}


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
    reduces = isinstance(value, (TreeSum, TreeMax))
    symbols = sorted((s for s in value.free_symbols if s.name in names), key=lambda s: s.name)
    (code,) = value.args if reduces else (value,)
    exact = sp.lambdify([sp.Symbol("leaf"), *symbols], code, [_globals(EXACT)], printer=_code)
    bounded = FunctionType(exact.__code__, _globals(BOUNDS))
    arguments = tuple(s.name for s in symbols)
    return Step(equation.line, arguments, exact, bounded, n if reduces else None, is_uniform)


def _globals(functions: Mapping[str, Callable[..., Any]]) -> dict[str, Any]:
    return {**functions, **{name: getattr(operator, name) for name in _COMPARISONS.values()}}


def _code(e: Any) -> str:
    """An expression as calls of the functions in ``EXACT`` and ``BOUNDS``."""
    if e.is_Symbol:
        return str(e.name)
    if isinstance(e, NotANumber):
        return "number(float('nan'), leaf)"
    if e.is_Number:
        return f"number(float('{float(e)!r}'), leaf)"
    args = [_code(arg) for arg in e.args if not isinstance(arg, sp.Tuple)]
    if e.is_Add or e.is_Mul:
        return _joined(" + " if e.is_Add else " * ", e, args)
    if e.is_Pow:
        known = _POWERS.get(e.exp)
        return f"{known}({args[0]})" if known else f"power({', '.join(args)})"
    if type(e) in _COMPARISONS:
        return f"compare({_COMPARISONS[type(e)]}, {', '.join(args)})"
    if type(e) in _LOGIC:
        return _joined(_LOGIC[type(e)], e, args)
    return _call(e, args)


def _joined(operator: str, e: Any, args: list[str]) -> str:
    if e.is_Mul and e.args[0] == -1:
        return f"(-{operator.join(args[1:])})"
    return f"(~{args[0]})" if isinstance(e, sp.Not) else f"({operator.join(args)})"


def _call(e: Any, args: list[str]) -> str:
    if isinstance(e, Reduction):
        axes, along = (tuple(map(int, axes)) for axes in e.args[1:])
        args += [str(axes), f"leaf.extents({along})"]
    elif isinstance(e, Cast):
        args[1] = f"leaf.dtype({args[1]!r})"
    elif isinstance(e, Truth):
        args.append("leaf")
    return f"{type(e).__name__}({', '.join(args)})"
