"""The equations of a math program as short lines of plain text, for readers of emitted code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from optgen.emit.outline import idiom, is_input, meaning, outline, partial_axes
from optgen.ir.node import Node, walk
from optgen.ir.ops import OPS, Operator
from optgen.ir.program import Program
from optgen.ir.types import BOOL, GRAD, LEAF, PARAM, REAL, Axes

_COMPARE, _SUM, _PRODUCT, _NEGATIVE, _POWER = (
    OPS[op].operator.precedence  # type: ignore[union-attr]
    for op in ("lt", "add", "mul", "neg", "pow")
)
_ATOM = 100  # more than any


def plain(program: Program, dimensions: Sequence[str] = ()) -> list[str]:
    """The recurrence of a rule, a line for each equation.

    Args:
      program: a math program.
      dimensions: the names of its axes, where they are dimensions of a view.

    Returns:
      Lines such as ``mu' = b1*mu + (1 - b1)*g``, in the order in which they are computed: the
      next value of each slot is primed, and the parameter comes last. Operators have Python's
      precedence, and group as the program does.
    """
    plan = outline(program)
    known = {n: name for n, name in plan.names.items() if is_input(n)}
    lines = []
    for line in plan.lines:
        text, bound = _Printer(known, dimensions)(line.node)
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

    def __init__(self, known: Mapping[Node, str], dimensions: Sequence[str] = ()) -> None:
        self.known, self.dimensions = known, dimensions
        self._texts: dict[Node, tuple[str, int]] = {}

    def __call__(self, n: Node) -> tuple[str, int]:
        for m in walk([meaning(n)], self._texts, self._operands):
            self._texts[m] = self._text(m)
        return self._texts[meaning(n)]

    def _operands(self, n: Node) -> Iterable[Node]:
        """The nodes whose text is a part of the text of ``n``."""
        if n in self.known:
            return ()
        phrase = idiom(n, self.known)
        return map(meaning, n.args if phrase is None else (phrase.of,))

    def _text(self, n: Node) -> tuple[str, int]:
        if n in self.known:
            return self.known[n], _ATOM
        if n.op == "const":
            text = _number(n.attr)
            return text, _NEGATIVE if text.startswith("-") else _ATOM
        if phrase := idiom(n, self.known):
            axes = () if phrase.word == "global_norm" else partial_axes(phrase.total)
            return f"{phrase.word}({self.at(phrase.of, _COMPARE)}{self._axis(axes)})", _ATOM
        if n.op == "neg":
            text, bound = self(n.args[0])  # -(a*b) is (-a)*b, to the last bit
            return (f"-{text}" if bound >= _PRODUCT else f"-({text})"), max(
                _PRODUCT, min(bound, _NEGATIVE)
            )
        if n.op == "pow":
            return f"{self.at(n.args[0], _ATOM)}**{self.at(n.args[1], _NEGATIVE)}", _POWER
        if operator := OPS[n.op].operator:
            if len(n.args) == 1:
                return operator.symbol + self.at(n.args[0], _ATOM), operator.precedence
            return self._infix(n, operator)
        if n.op == "cast":
            return self._cast(n)
        axes = partial_axes(n) if OPS[n.op].kind == "reduce" else ()
        args = ", ".join(self.at(arg, _COMPARE) for arg in n.args)
        return f"{n.op}({args}{self._axis(axes)})", _ATOM

    def at(self, n: Node, bound: int) -> str:
        """The text of ``n``, in parentheses where it binds less tightly than ``bound``."""
        text, own = self(n)
        return text if own >= bound else f"({text})"

    def _infix(self, n: Node, operator: Operator) -> tuple[str, int]:
        bound, (a, b) = operator.precedence, n.args
        symbol = operator.symbol if bound == _PRODUCT else f" {operator.symbol} "
        if n.op == "mul" and a is b:
            return f"{self.at(a, _ATOM)}**2", _POWER
        # Python chains comparisons; and a compensation should show as (t - s) - y.
        left = self.at(a, bound + (bound == _COMPARE or n.op == "sub"))
        if n.op == "add":
            return _added(left, *self(b)), _SUM
        return f"{left}{symbol}{self.at(b, bound + 1)}", bound

    def _axis(self, axes: Axes) -> str:
        if axes == LEAF or not axes:
            return ""
        names = [self.dimensions[d] if self.dimensions else str(d) for d in axes]
        return f", axis={names[0] if len(names) == 1 else '(' + ', '.join(names) + ')'}"

    def _cast(self, n: Node) -> tuple[str, int]:
        (x,) = n.args
        if x.type.dtype == BOOL and n.type.dtype == REAL:
            return self(x)
        dtype = {PARAM: "p.dtype", GRAD: "g.dtype"}.get(n.type.dtype, n.type.dtype)
        return f"cast({self.at(x, _COMPARE)}, {dtype})", _ATOM


def _number(value: float) -> str:
    return str(int(value)) if abs(value) < 1e15 and value == int(value) else repr(value)
