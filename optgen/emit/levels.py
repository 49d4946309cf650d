"""Printer of kernel bodies that computes each value at its own level.

A value is computed once for a tile if it varies along nothing, once for a row, once for each
column, or for each element. Conversions between storage and arithmetic are printed where the body
has them; those between equal dtypes are left out.
"""

from __future__ import annotations

from collections.abc import Iterable

from optgen.emit.printer import ATOM, Printer, Text
from optgen.ir.evaluate import Dtypes
from optgen.ir.node import Node
from optgen.ir.program import Program
from optgen.ir.types import BOOL, LEAF, SCALAR, Axes

LEVELS = ("scalar", "row", "column", "element")


class Leveled(Printer):
    """The expressions of a kernel body over the arrays of a leaf; a language spells them."""

    def __init__(
        self, program: Program, dtypes: Dtypes, dimensions: int, reserved: Iterable[str]
    ) -> None:
        self.dtypes, self.dimensions = dtypes, dimensions
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

    def load(self, n: Node) -> str:
        """An element of an array of the leaf, as it is stored, at the level being printed."""
        raise NotImplementedError

    def scalar(self, n: Node) -> str:
        """A value that was computed once for all leaves."""
        raise NotImplementedError

    def convert(self, text: Text, dtype: str) -> Text:
        """A value in another dtype, which is given by its concrete name."""
        raise NotImplementedError

    def truth(self, text: Text) -> Text:
        """A boolean as 0 or 1, in the precision of the leaf."""
        raise NotImplementedError

    # What is shared.

    def level(self, axes: Axes) -> str:
        """The level at which a value that varies along these dimensions is computed."""
        if axes == LEAF:
            return "element"
        if axes == SCALAR:
            return "scalar"
        along_columns, along_rows = self.dimensions - 1 in axes, self.dimensions - 2 in axes
        if along_columns:
            return "element" if self.tiled and along_rows else "column"
        return "row" if along_rows or not self.tiled else "scalar"

    tiled = False
    """True where values that vary along the batch alone are computed once for a tile."""

    def concrete(self, dtype: str) -> str:
        """The name of the dtype that a symbolic one stands for."""
        return str(getattr(self.dtypes, dtype, dtype))

    def reduction(self, n: Node) -> Text:
        """A reduction that was computed before."""
        return self.computed[n], ATOM

    def cast_is_silent(self, n: Node) -> bool:
        """True where a move is not spelled: a broadcast, or a cast between equal dtypes."""
        if n.op == "broadcast":
            return True
        before = n.args[0].type.dtype
        return before != BOOL and self.concrete(before) == self.concrete(n.type.dtype)

    def cast(self, n: Node) -> Text:
        """A boolean as 0 or 1, or a value in another dtype."""
        (x,) = n.args
        if x.type.dtype == BOOL:
            return self.truth(self.text(x))
        return self.convert(self.text(x), self.concrete(n.type.dtype))

    def text(self, n: Node) -> Text:
        """The text of a value in an expression; one that crosses levels gets a name at its own."""
        n = self.visible(n)
        if n in self._texts:
            return self._texts[n]
        outer, self._level = self._level, self.level(n.type.axes)
        loaded = self._loaded(n)
        if loaded is not None:
            self.read(loaded.attr)
            element: Text = self.load(loaded), ATOM
            if n is not loaded:
                element = self.convert(element, self.concrete(n.type.dtype))
            self._texts[n] = self.bind(loaded.attr, element)
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

    def _loaded(self, n: Node) -> Node | None:
        """The load that a value is, or that it alone decodes; None for other values."""
        if n.op == "load":
            return n
        if n.op == "cast":
            inner = self.visible(n.args[0])
            if inner.op == "load" and self._uses[inner] == 1:
                return inner
        return None
