"""Prints expressions of Triton over tiles of the arrays of a leaf."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from optgen.emit.levels import Leveled
from optgen.emit.printer import ATOM, INFIX, Operator, Text
from optgen.ir.node import Node
from optgen.ir.program import Program
from optgen.ir.types import BOOL, REAL, Axes

if TYPE_CHECKING:
    from optgen.emit.triton.kernel import KernelEmitter

_LIBRARY = {"round": "rint"} | {
    name: name
    for name in ("cbrt", "exp", "log", "log1p", "expm1", "tanh", "sin", "cos", "atan2", "pow")
}
"""What CUDA's mathematical library computes, to an ulp or two; Triton's own are approximate."""

_DEVICE = ("maximum", "minimum", "sign")


class Triton(Leveled):
    """Expressions of Triton over tiles of the arrays of a leaf, in the leaf's precision."""

    infix = {op: how for op, how in INFIX.items() if op not in ("div", "pow")}  # noqa: RUF012
    tiled = True

    def __init__(
        self, emitter: KernelEmitter, program: Program, reserved: Iterable[str] = ()
    ) -> None:
        self.emitter = emitter
        self.real = getattr(emitter.dtypes, REAL)
        if self.real == "float64":
            self.infix = {**self.infix, "div": Operator("/", 6)}
        super().__init__(program, emitter.dimensions, (*emitter.reserved, *reserved))

    def const(self, value: float) -> str:
        """A number."""
        if value != value or value in (float("inf"), float("-inf")):
            return f'float("{value}")'
        return super().const(value)

    def call(self, op: str, args: list[str]) -> str:
        """An operation that has no operator."""
        if op == "div":
            return f"tl.div_rn({', '.join(args)})"
        if op == "sqrt":
            return self._root(args[0])
        if op == "rsqrt":
            root = self._root(args[0])
            return f"(1.0 / {root})" if self.real == "float64" else f"tl.div_rn(1.0, {root})"
        if op == "isfinite":
            return f'(tl.abs({args[0]}) < float("inf"))'
        if op in _LIBRARY:
            return f"libdevice.{_LIBRARY[op]}({', '.join(args)})"
        module = "device" if op in _DEVICE else "tl"
        return f"{module}.{op}({', '.join(args)})"

    def _root(self, x: str) -> str:
        return f"tl.sqrt({x})" if self.real == "float64" else f"tl.sqrt_rn({x})"

    def spell(self, n: Node, parts: list[Text]) -> Text:
        """Joins an operation's arguments; numbers in calls are made tensors."""
        if n.op not in self.infix and n.op not in self.prefix:
            parts = [
                (self.tensor(text[0]), ATOM) if self.visible(arg).op == "const" else text
                for arg, text in zip(n.args, parts, strict=True)
            ]
        return super().spell(n, parts)

    def tensor(self, number: str) -> str:
        """A number as a value of the leaf's precision."""
        return f"tl.full((), {number}, tl.{self.real})"

    def mean(self, total: Node) -> Text:
        """A sum over the number of its terms."""
        parts = [self.text(total), self._count(total.attr)]
        if "div" in self.infix:
            return f"{parts[0][0]} / {parts[1][0]}", self.infix["div"].precedence
        return self.call("div", [text for text, _ in parts]), ATOM

    def extent(self, n: Node) -> Text:
        """A number of elements."""
        return self._count(n.attr)

    def _count(self, axes: Axes) -> Text:
        return f"tl.cast({self.emitter.count(axes)}, tl.{self.real})", ATOM

    def cast(self, n: Node) -> Text:
        """A boolean as 0 or 1, or a rounding inside the body."""
        (arg,) = n.args
        if arg.type.dtype == BOOL:
            return f"tl.where({self.text(arg)[0]}, 1.0, 0.0).to(tl.{self.real})", ATOM
        storage = getattr(self.emitter.dtypes, arg.type.dtype, arg.type.dtype)
        inner = self.text(arg.args[0])
        text = inner[0] if inner[1] == ATOM else f"({inner[0]})"
        return f"{text}.to(tl.{storage}).to(tl.{self.real})", ATOM

    def scalar(self, n: Node) -> str:
        """Scalars are in one array."""
        place = self.emitter.kernel.scalars.index(n.attr)
        return f"tl.load(scalars + {place}).to(tl.{self.real})"

    def load(self, n: Node) -> Text:
        """A part of an array, in the precision of the leaf."""
        return self.bind(n.attr, (self.emitter.load(n), ATOM))

    def bind(self, name: str, text: Text) -> Text:
        """Makes a statement of an expression at the level that is being printed."""
        name = self.unique(name)
        self.levels[self._level].append(f"{name} = {text[0]}")
        return name, ATOM
