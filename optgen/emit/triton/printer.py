"""Prints expressions of Triton over tiles of the arrays of a leaf."""

from __future__ import annotations

from collections.abc import Iterable

from optgen.emit.levels import Leveled
from optgen.emit.printer import ATOM, Text
from optgen.emit.triton.function import KernelFunction
from optgen.ir.node import Node
from optgen.ir.ops import OPS, Operator, Spelling
from optgen.ir.program import Program
from optgen.ir.types import Axes


class Triton(Leveled):
    """Expressions of Triton over tiles of the arrays of a leaf."""

    tiled = True

    def __init__(
        self, function: KernelFunction, program: Program, reserved: Iterable[str] = ()
    ) -> None:
        self.function = function
        names = {*function.reserved, *reserved}
        super().__init__(program, function.dtypes, function.dimensions, names)

    def const(self, value: float) -> str:
        """A number."""
        if value != value or value in (float("inf"), float("-inf")):
            return f'float("{value}")'
        return super().const(value)

    def spelling(self, op: str) -> Spelling:
        """An operator, or a function: CUDA's are off by an ulp or two, Triton's by more."""
        return OPS[op].in_triton(self.dtypes.real)

    def spell(self, n: Node, parts: list[Text]) -> Text:
        """Joins an operation's arguments; numbers in calls are made tensors."""
        if not isinstance(self.spelling(n.op), Operator):
            parts = [
                (self.tensor(text[0]), ATOM) if self.visible(arg).op == "const" else text
                for arg, text in zip(n.args, parts, strict=True)
            ]
        return super().spell(n, parts)

    def tensor(self, number: str) -> str:
        """A number as a value of the leaf's precision."""
        return f"tl.full((), {number}, {self.function.real})"

    def mean(self, total: Node) -> Text:
        """A sum over the number of its terms."""
        return self.joined("div", [self.text(total), self._count(total.attr)])

    def extent(self, n: Node) -> Text:
        """A number of elements."""
        return self._count(n.attr)

    def _count(self, axes: Axes) -> Text:
        return f"tl.cast({self.function.count(axes)}, {self.function.real})", ATOM

    def cast(self, n: Node) -> Text:
        """A conversion; of a number, a tensor of the other dtype."""
        number, dtype = self.visible(n.args[0]), self.concrete(n.type.dtype)
        if number.op == "const":
            return f"tl.full((), {self.const(number.attr)}, tl.{dtype})", ATOM
        return super().cast(n)

    def convert(self, text: Text, dtype: str) -> Text:
        """A value in another dtype."""
        inside = text[0] if text[1] == ATOM else f"({text[0]})"
        return f"{inside}.to(tl.{dtype})", ATOM

    def truth(self, text: Text) -> Text:
        """A boolean as 0 or 1."""
        return f"tl.where({text[0]}, 1.0, 0.0).to({self.function.real})", ATOM

    def scalar(self, n: Node) -> str:
        """Scalars are in one array."""
        return f"tl.load(scalars + {self.function.kernel.scalars.index(n.attr)})"

    def load(self, n: Node) -> str:
        """A part of an array."""
        return self.function.load(n)

    def bind(self, name: str, text: Text) -> Text:
        """Makes a statement of an expression at the level that is being printed."""
        name = self.unique(name)
        self.levels[self._level].append(f"{name} = {text[0]}")
        return name, ATOM
