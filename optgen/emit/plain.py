"""The equations of a math program as short lines of plain text, for readers of emitted code."""

from __future__ import annotations

from collections.abc import Mapping

from optgen.emit.outline import idiom, is_input, meaning, outline, partial_axes
from optgen.ir.node import Node
from optgen.ir.ops import OPS
from optgen.ir.program import Program
from optgen.ir.types import BOOL, GRAD, LEAF, PARAM, REAL, Axes

_COMPARE, _OR, _AND, _SUM, _PRODUCT, _NEGATIVE, _POWER, _ATOM = range(8)

_OPERATORS = {
    "or": (" | ", _OR),
    "and": (" & ", _AND),
    "lt": (" < ", _COMPARE),
    "le": (" <= ", _COMPARE),
    "gt": (" > ", _COMPARE),
    "ge": (" >= ", _COMPARE),
    "eq": (" == ", _COMPARE),
    "ne": (" != ", _COMPARE),
    "add": (" + ", _SUM),
    "sub": (" - ", _SUM),
    "mul": ("*", _PRODUCT),
    "div": ("/", _PRODUCT),
}


def plain(program: Program) -> list[str]:
    """The recurrence of a rule, a line for each equation.

    Args:
      program: a math program, as it was traced.

    Returns:
      Lines such as ``mu' = b1*mu + (1 - b1)*g``, in the order in which they are computed: the
      next value of each slot is primed, and the parameter comes last. Operators have Python's
      precedence, and group as the program does.
    """
    plan = outline(program)
    known = {n: name for n, name in plan.names.items() if is_input(n)}
    lines = []
    for line in plan.lines:
        text, bound = _Printer(known)(line.node)
        if line.role == "update":
            text = _added("p", text, bound)
        lines.append(f"{line.name} = {text}")
        if line.role != "update" and plan.names.get(line.node) == line.name:
            known[line.node] = line.name
    return lines


def _added(left: str, text: str, bound: int) -> str:
    """``left + text``, or ``left - …`` where the text is a product that starts with a minus."""
    if text.startswith("-") and bound >= _PRODUCT:
        return f"{left} - {text[1:]}"
    return f"{left} + {text}" if bound > _SUM else f"{left} + ({text})"


class _Printer:
    """Prints a value, and tells how tightly its outermost operator binds."""

    def __init__(self, known: Mapping[Node, str]) -> None:
        self.known = known

    def __call__(self, n: Node) -> tuple[str, int]:
        n = meaning(n)
        if n in self.known:
            return self.known[n], _ATOM
        if n.op == "const":
            text = _number(n.attr)
            return text, _NEGATIVE if text.startswith("-") else _ATOM
        if found := idiom(n, self.known):
            axes = () if found.word == "global_norm" else partial_axes(found.total)
            return f"{found.word}({self.at(found.of, _COMPARE)}{_axis(axes)})", _ATOM
        if n.op in _OPERATORS:
            return self._operator(n)
        if n.op == "neg":
            text, bound = self(n.args[0])  # -(a*b) is (-a)*b, to the last bit
            return (f"-{text}" if bound >= _PRODUCT else f"-({text})"), max(
                _PRODUCT, min(bound, _NEGATIVE)
            )
        if n.op == "not":
            return "~" + self.at(n.args[0], _ATOM), _NEGATIVE
        if n.op == "pow":
            return f"{self.at(n.args[0], _ATOM)}**{self.at(n.args[1], _NEGATIVE)}", _POWER
        if n.op == "cast":
            return self._cast(n)
        axes = partial_axes(n) if OPS[n.op].kind == "reduce" else ()
        args = ", ".join(self.at(arg, _COMPARE) for arg in n.args)
        return f"{n.op}({args}{_axis(axes)})", _ATOM

    def at(self, n: Node, bound: int) -> str:
        """The text of ``n``, in parentheses where it binds less tightly than ``bound``."""
        text, own = self(n)
        return text if own >= bound else f"({text})"

    def _operator(self, n: Node) -> tuple[str, int]:
        symbol, bound = _OPERATORS[n.op]
        a, b = n.args
        if n.op == "mul" and a is b:
            return f"{self.at(a, _ATOM)}**2", _POWER
        # Python chains comparisons; and a compensation should show as (t - s) - y.
        left = self.at(a, bound + (bound == _COMPARE or n.op == "sub"))
        if n.op == "add":
            return _added(left, *self(b)), _SUM
        return f"{left}{symbol}{self.at(b, bound + 1)}", bound

    def _cast(self, n: Node) -> tuple[str, int]:
        (x,) = n.args
        if x.type.dtype == BOOL and n.type.dtype == REAL:
            return self(x)
        dtype = {PARAM: "p.dtype", GRAD: "g.dtype"}.get(n.type.dtype, n.type.dtype)
        return f"cast({self.at(x, _COMPARE)}, {dtype})", _ATOM


def _number(value: float) -> str:
    return str(int(value)) if abs(value) < 1e15 and value == int(value) else repr(value)


def _axis(axes: Axes) -> str:
    if axes == LEAF or not axes:
        return ""
    return f", axis={axes[0] if len(axes) == 1 else axes}"
