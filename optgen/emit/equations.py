"""The mathematics of a program as plain lines, for the head of emitted code."""

from __future__ import annotations

from optgen.emit.printer import ATOM, Printer, Text
from optgen.ir.node import Node
from optgen.ir.program import Program
from optgen.ir.types import LEAF, SCALAR


class Equations(Printer):
    """Prints a math program as a recurrence: ``mu' = b1*mu + (1 - b1)*g``."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self._next = {
            self.visible(effect.args[0]): f"{effect.attr}'"
            for effect in program.outputs
            if effect.attr != "update"
        }

    def name(self, n: Node) -> str | None:
        """A slot's next value is primed; the author's names stand for the others."""
        return self._next.get(n) or super().name(n)

    def unique(self, name: str) -> str:
        """Primed names are unique already."""
        return name if name.endswith("'") else super().unique(name)

    def reduction(self, n: Node) -> Text:
        """A reduction with the axes that it reduces, or the tree."""
        where = "tree" if n.op.startswith("tree") else _over(n)
        op = n.op.removeprefix("tree_")
        inner = n.args[0]
        if n.op.startswith("tree") and inner.op == op:  # the leaf's share says nothing more
            inner = inner.args[0]
        return f"{op}_{where}({self.text(inner)[0]})", ATOM

    def mean(self, total: Node) -> Text:
        """A mean with the axes that it is over."""
        return f"mean_{_over(total)}({self.text(total.args[0])[0]})", ATOM

    def extent(self, n: Node) -> Text:
        """A number of elements."""
        return ("size" if n.attr == LEAF else f"extent{_axes(n.attr)}"), ATOM

    def cast_is_silent(self, n: Node) -> bool:
        """Only a rounding inside the rule is spelled."""
        return n.op == "broadcast" or n.type.dtype != "real" or n.args[0].op != "cast"

    def cast(self, n: Node) -> Text:
        """A rounding inside the rule."""
        return f"round_{n.args[0].type.dtype}({self.text(n.args[0].args[0])[0]})", ATOM


def _over(n: Node) -> str:
    return "leaf" if n.attr == LEAF or n.type.axes == SCALAR else f"axis{_axes(n.attr)}"


def _axes(axes: tuple[int, ...]) -> str:
    return "_".join(map(str, axes))


def equations(program: Program) -> list[str]:
    """The recurrence of a program, a line for each value that has a name."""
    printer = Equations(program)
    texts = {effect.attr: printer.text(effect.args[0])[0] for effect in program.outputs}
    lines = [f"{name} = {text}" for name, text in printer.statements]
    bound = {name for name, _ in printer.statements}
    lines += [
        f"{name}' = {text}"
        for name, text in texts.items()
        if name != "update" and f"{name}'" not in bound
    ]
    if "update" in texts:
        lines.append(f"p' = p + {texts['update']}")
    return [_compact(line) for line in lines]


def _compact(line: str) -> str:
    left, _, right = line.partition(" = ")
    return f"{left} = {right.replace(' * ', '*').replace(' / ', '/')}"
