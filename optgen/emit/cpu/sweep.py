"""Sweeps as C++: each element of a leaf is read once, by one loop over slices or tiles."""

from __future__ import annotations

from optgen.emit.cpu.axes import mask, roles, stored_along
from optgen.emit.cpu.printer import (
    Cpp,
    cpp_type,
    data,
    identity,
    indented,
    joined,
    singular,
)
from optgen.emit.printer import ATOM
from optgen.ir.evaluate import Dtypes
from optgen.ir.node import Node
from optgen.ir.program import Program
from optgen.runtime.vocabulary.sequence import Kernel, Operand
from optgen.schedule.graph import is_reduction

_CLAUSES = {"sum": "+", "max": "optgen::largest", "min": "optgen::smallest"}
_WIDTH = 96  # of a pragma


def reduction_type(x: Operand, dimensions: int) -> str:
    """The type of a parameter that takes a tile's part of a reduction."""
    arguments = [cpp_type(x.dtype), f"optgen::{x.buffer.combine}"]
    along = stored_along(x.axes, dimensions)
    if "row" not in along and "column" not in along:
        name = "PerMatrix" if along else "PerLeaf"
        return f"optgen::{name}<{', '.join(arguments)}>"
    arguments.insert(0, "Order")
    if "row" in along and "column" in along:
        return f"optgen::Matrices<{', '.join(arguments)}>"
    if "batch" in along:
        name = "PerRow" if "row" in along else "PerColumn"
        return f"optgen::{name}<{', '.join(arguments)}>"
    return f"optgen::Lines<{', '.join(arguments)}, {mask(along)}>"


class Sweep:
    """The body of the function of a sweep."""

    def __init__(self, kernel: Kernel, body: Program, dtypes: Dtypes) -> None:
        self.kernel = kernel
        self.operands = {x.name: x for x in kernel.operands}
        self.totals: list[tuple[str, str]] = []  # of all tiles: names, and how they are combined
        self.of_line: list[tuple[str, str]] = []  # those of one line, where it is a row or column
        self.stores: list[str] = []  # the end of the loop over elements
        self.row_lines: list[str] = []  # of it, where rows are lines
        self.column_lines: list[str] = []  # of it, where columns are
        self.before: list[str] = []  # the loop over lines
        self.line: list[str] = []  # before the loop over elements
        self.line_ends: list[str] = []
        self.after: list[str] = []
        self.printer = _SweepPrinter(kernel, body, dtypes)
        for output in body.outputs:
            value = output.args[0]
            if is_reduction(value):
                self._reduce(self.operands[output.attr], value)
            else:
                self.stores.append(f"{data(output.attr)}[i] = {self.printer.text(value)[0]};")

    def lines(self) -> list[str]:
        """The statements of the function."""
        return self._slice() if self.kernel.flat else self._tile()

    def _reduce(self, x: Operand, value: Node) -> None:
        """Adds what a reduction needs in the loop over elements, and around it."""
        printer, how = self.printer, value.op
        total = printer.unique(singular(x))
        along = roles(x.axes, self.kernel.dimensions)
        if "row" not in along and "column" not in along:
            self.totals.append((total, how))
            term = printer.reduced(value.args[0])
            self.stores.append(joined(how, total, f"double({term})"))
            self.after.append(f"{x.name}_part.store({total});")
            return
        if "row" in along and "column" in along:
            term = printer.reduced(value.args[0])
            self.line.append(f"double* __restrict {total} = {x.name}_part.line(line);")
            self.stores.append(f"{total}[position] = double({term});")
            return
        term = printer.named(value.args[0])
        sums = printer.unique(f"{x.name}_across")
        self.before.append(f"auto* __restrict {sums} = {x.name}_part.across();")
        self.of_line.append((total, how))
        of_this, of_others = (
            (self.row_lines, self.column_lines)
            if "row" in along
            else (self.column_lines, self.row_lines)
        )
        of_this.append(joined(how, total, f"double({term})"))
        of_others.append(joined(how, f"{sums}[position]", term))
        self.line_ends.append(f"{x.name}_part.end_line(line, {total});")

    def _slice(self) -> list[str]:
        levels = self.printer.levels
        return [
            *levels["scalar"],
            *_declared(self.totals),
            *self._simd(self.totals),
            "for (int64_t i = slice.begin; i < slice.end; ++i) {",
            *indented([*levels["element"], *self.stores]),
            "}",
            *self.after,
        ]

    def _tile(self) -> list[str]:
        levels = self.printer.levels
        element = [*levels["element"], *self.stores]
        if self.row_lines:
            element += [
                "if constexpr (Order::kRowsAreLines) {",
                *indented(self.row_lines),
                "} else {",
                *indented(self.column_lines),
                "}",
            ]
        for role in ("column", "row"):
            if any(f"[{role}]" in line for line in element):
                element.insert(0, f"const int64_t {role} = tile.{role}(line, position);")
        if any("[i]" in line for line in element):
            element.insert(0, "const int64_t i = start + position;")
            self.line.insert(0, "const int64_t start = tile.at(line, 0);")
        return [
            *levels["scalar"],
            *self._ahead("row"),
            *self._ahead("column"),
            *self.before,
            *_declared(self.totals),
            "for (int64_t line = 0; line < tile.lines; ++line) {",
            *indented(
                [
                    *self.line,
                    *_declared(self.of_line),
                    *self._simd([*self.totals, *self.of_line]),
                    "for (int64_t position = 0; position < tile.width; ++position) {",
                    *indented(element),
                    "}",
                    *self.line_ends,
                ]
            ),
            "}",
            *self.after,
        ]

    def _ahead(self, level: str) -> list[str]:
        """Loop over rows, or columns, that computes their values before the loop over lines."""
        if not self.printer.levels[level]:
            return []
        vectors = [
            f"std::vector<Real> {name}(tile.{level}s);" for name in self.printer.vectors[level]
        ]
        return [
            *vectors,
            "OPTGEN_SIMD",
            f"for (int64_t {level} = 0; {level} < tile.{level}s; ++{level}) {{",
            *indented(self.printer.levels[level]),
            "}",
        ]

    def _simd(self, totals: list[tuple[str, str]]) -> list[str]:
        """The pragma of the loop over elements; what it sums is summed in lanes of double."""
        if not totals:
            return ["OPTGEN_SIMD"]
        clauses = []
        for how, operator in _CLAUSES.items():
            if names := [name for name, other in totals if other == how]:
                clauses.append(f"reduction({operator} : {', '.join(names)})")
        line = f"OPTGEN_SIMD_REDUCING({' '.join(clauses)})"
        if len(line) <= _WIDTH:
            return [line]
        first, *rest = clauses
        lines = [f"OPTGEN_SIMD_REDUCING({first}", *(f"    {clause}" for clause in rest)]
        return [*lines[:-1], f"{lines[-1]})"]


def _declared(totals: list[tuple[str, str]]) -> list[str]:
    return [f"double {total} = {identity(how)};" for total, how in totals]


class _SweepPrinter(Cpp):
    """Prints what varies along rows or columns only in loops before that over the elements."""

    tiled = True

    def __init__(self, kernel: Kernel, body: Program, dtypes: Dtypes) -> None:
        super().__init__(kernel, body, dtypes, ("start",))
        self.kept = {n for n in self._crossing if self._is_ahead(n)}

    def _is_ahead(self, n: Node) -> bool:
        return n.op != "const" and self.level(n.type.axes) in ("row", "column")

    def reduced(self, n: Node) -> str:
        """A value that is added up in the loop over elements."""
        n = self.visible(n)
        if self._is_ahead(n):
            self.kept.add(n)
            self._crossing.add(n)
        return self.text(n)[0]

    def named(self, n: Node) -> str:
        """A value that is added up in one of two branches, under a name."""
        text = self.reduced(n)
        if text.isidentifier() or text.endswith("]"):
            return text
        self._level = "element"
        return self.bind(self.default_name(self.visible(n)), (text, ATOM))[0]

    def load(self, n: Node) -> str:
        """An element of an array."""
        along = stored_along(n.type.axes, self.dimensions)
        if self._level == "element" and set(along) >= {"batch", "row", "column"}:
            index = "i"
        elif self._level == "element":
            index = "i" if along == ("element",) else f"tile.at(line, position, {mask(along)})"
        elif self._level == "scalar":
            index = "tile.at_batch()" if along else "0"
        else:
            other = "" if "batch" in along else f", {mask(along)}"
            index = f"tile.at_{self._level}({self._level}{other})"
        return f"{data(n.attr)}[{index}]"
