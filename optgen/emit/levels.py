"""Prints kernel bodies: each value is computed at its own level.

Once for a tile if it varies along nothing, once for a row, once for each column, or for each
element.
"""

from __future__ import annotations

from collections.abc import Iterable

from optgen.emit.printer import ATOM, Printer, Text
from optgen.ir.node import Node
from optgen.ir.program import Program
from optgen.ir.types import LEAF, REAL, SCALAR, Axes

LEVELS = ("scalar", "row", "column", "element")


class Leveled(Printer):
    """The expressions of a kernel body over the arrays of a leaf; a language spells them."""

    def __init__(self, program: Program, dimensions: int, reserved: Iterable[str]) -> None:
        self.dimensions = dimensions
        self.levels: dict[str, list[str]] = {level: [] for level in LEVELS}
        self.computed: dict[Node, str] = {}  # reductions that are there already
        self._level = "element"
        reserved = set(reserved)
        super().__init__(program, reserved)
        inputs = {n.attr for n in program.nodes() if n.op in ("load", "scalar")}
        self._taken -= inputs - reserved  # values are called what the arrays are called
        self._crossing = {
            self.visible(arg)
            for n in program.nodes()
            for arg in n.args
            if self.level(self.visible(arg).type.axes) != self.level(n.type.axes)
        }

    # What a language spells besides.

    def load(self, n: Node) -> Text:
        """An element of an array of the leaf, at the level that is being printed."""
        raise NotImplementedError

    def scalar(self, n: Node) -> str:
        """A value that was computed once for all leaves."""
        raise NotImplementedError

    # What is shared.

    def level(self, axes: Axes) -> str:
        """At which level a value that varies along these dimensions is computed."""
        if axes == LEAF:
            return "element"
        if axes == SCALAR:
            return "scalar"
        along_columns, along_rows = self.dimensions - 1 in axes, self.dimensions - 2 in axes
        if along_columns:
            return "element" if self.tiled and along_rows else "column"
        return "row" if along_rows or not self.tiled else "scalar"

    tiled = False
    """Whether all that varies along the batch alone is one value for a tile."""

    def reduction(self, n: Node) -> Text:
        """A reduction that was computed before."""
        return self.computed[n], ATOM

    def cast_is_silent(self, n: Node) -> bool:
        """Loads and stores convert; only what is rounded inside the body is spelled."""
        (arg,) = n.args
        if n.op == "broadcast":
            return True
        if n.type.dtype != REAL:
            return True
        return arg.op == "load"

    def text(self, n: Node) -> Text:
        """How a value is written where it is used; what crosses levels gets a name at its own."""
        n = self.visible(n)
        if n in self._texts:
            return self._texts[n]
        outer, self._level = self._level, self.level(n.type.axes)
        if n.op == "load":
            self.read(n.attr)
            self._texts[n] = self.load(n)
        elif n.op == "scalar":
            self._texts[n] = self.bind(n.attr, (self.scalar(n), ATOM))
        elif n.op == "extent":
            self._texts[n] = self.bind("size", self.extent(n))
        elif n in self._crossing and n.op != "const" and n not in self.computed:
            self._texts[n] = self.bind(self.name(n) or self.default_name(n), self._expression(n))
        else:
            super().text(n)
        self._level = outer
        return self._texts[n]
