"""Kernels that read each element of a leaf once, tile by tile."""

from __future__ import annotations

import re
from collections.abc import Callable

from optgen.emit.triton.kernel import (
    IDENTITY,
    KernelEmitter,
    TritonFunction,
    joined,
    pointer,
    reduced,
)
from optgen.emit.triton.layout import indented, statement
from optgen.emit.triton.printer import Triton
from optgen.ir.node import Node
from optgen.ir.types import LEAF, SCALAR
from optgen.schedule.graph import is_reduction
from optgen.schedule.kernel import Operand


class _Sweep(KernelEmitter):
    """A kernel that reads each element once, tile by tile."""

    def prepare(self) -> None:
        """Prints the body, and collects what is reduced."""
        self.out = Triton(self, self.kernel.body)
        self.stores: list[str] = []
        self.reduced: list[tuple[Node, str]] = []  # what is reduced, and its expression
        for output in self.kernel.body.outputs:
            value = output.args[0]
            if is_reduction(value):
                # A value to reduce has a name, and every element of the tile.
                self.reduced.append((output, self.out.text(value.args[0])[0]))
            else:
                self.stores.append(self.store(output, self.out.text(value)[0]))

    def store(self, output: Node, text: str) -> str:
        """The statement that stores a tile of an array of the leaf."""
        raise NotImplementedError


def _total(output: Node) -> str:
    return f"{output.attr}_total"


Call = Callable[[str, str], tuple[str, list[str], str]]
"""What stands before, between and after the arguments of a call on a tile with this mask."""


class Flat(_Sweep):
    """A leaf as a vector: whole tiles without a mask, and the rest with one."""

    def function(self) -> TritonFunction:
        self.prepare()
        tile = f"{self.name}_tile"
        scalars = [line.split(" = ", 1)[0] for line in self.out.levels["scalar"]]
        returned = [x for _, x in self.reduced]
        inner = "\n".join([*self.out.levels["element"], *self.stores, *returned])
        passed = [s for s in scalars if _mentions(inner, s)]
        large = [pointer(x.name) for x in self.kernel.operands if x.type.axes == LEAF]
        body = [self.about(), *self.out.levels["element"], *self.stores]
        if returned:
            body.append(f"return {', '.join(returned)}")
        first = self.definition(tile, [*large, "offsets", "inside", *passed], body)

        def call(start: str, inside: str) -> tuple[str, list[str], str]:
            given = [*(f"{p} + {start}" for p in large), "offsets", inside, *passed]
            return f"{tile}(", given, ")"

        lines = [self.about(), *self.out.levels["scalar"], "offsets = tl.arange(0, BLOCK)"]
        self.extent(0)
        lines += self._reducing(call) if returned else self._plain(call)
        partial = {o.attr: o.args[0].op for o, _ in self.reduced}
        integers = [*self.integers, *(["tiles"] if returned else [])]
        constants = ["BLOCK: tl.constexpr", *(["STAGES: tl.constexpr"] if returned else [])]
        arguments = [*self.arrays(), *integers, "program", *constants]
        second = self.definition(self.name, arguments, lines)
        return TritonFunction(f"{first}\n\n\n{second}", self.marked(partial))

    def _plain(self, call: Call) -> list[str]:
        return [
            "start = tl.cast(program, tl.int64) * BLOCK",
            "if start + BLOCK <= size:",
            *indented(statement(*call("start", "None"), indent=8)),
            "else:",
            *indented(statement(*call("start", "offsets < size - start"), indent=8)),
        ]

    def _reducing(self, call: Call) -> list[str]:
        totals = [(_total(o), o.args[0].op, o.attr) for o, _ in self.reduced]
        found = [f"{name}_tile" for _, _, name in totals]
        assigned = ", ".join(found) + " = "
        lines = [
            f"{total} = tl.full((BLOCK,), {IDENTITY[how]}, {self.real})" for total, how, _ in totals
        ]
        head, items, tail = call("start", "None")
        whole = [
            "start = tl.cast(tile, tl.int64) * BLOCK",
            *statement(assigned + head, items, tail, indent=8),
            *(joined(how, t, x) for (t, how, _), x in zip(totals, found, strict=True)),
        ]
        head, items, tail = call("start", "inside")
        rest = [
            "start = tl.cast(whole, tl.int64) * BLOCK",
            "inside = offsets < size - start",
            *statement(assigned + head, items, tail, indent=8),
            *(
                joined(how, t, f"tl.where(inside, {x}, {IDENTITY[how]})")
                for (t, how, _), x in zip(totals, found, strict=True)
            ),
        ]
        lines += [
            "whole = tl.cast(size // BLOCK, tl.int32)",
            "first = program * tiles",
            "last = tl.minimum(first + tiles, whole)",
            "for tile in tl.range(first, last, num_stages=STAGES):",
            *indented(whole),
            "if (first + tiles > whole) & (size % BLOCK != 0):",
            *indented(rest),
        ]
        for total, how, name in totals:
            place = f"{self.array(self.operands[name])} + program"
            lines.append(f"tl.store({place}, {reduced(how, total)})")
        return lines

    def load(self, n: Node) -> str:
        x = self.operands[n.attr]
        if x.type.axes == LEAF:
            return self.widened(f"tl.load({pointer(x.name)} + offsets, mask=inside)")
        if how := self.combined.get(x.name):
            parts = self.integer(f"{x.name}_parts")
            return f"device.{how}_of_parts({self.array(x)}, {parts}, {self.real})"
        return self.widened(f"tl.load({self.array(x)})")

    def store(self, output: Node, text: str) -> str:
        return f"tl.store({pointer(output.attr)} + offsets, {text}, mask=inside)"


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", text) is not None


class Matrix(_Sweep):
    """A leaf as a batch of matrices: a program takes some rows of one, and a tile of columns."""

    def function(self) -> TritonFunction:
        self.prepare()
        last = self.dimensions - 1
        batch = range(self.dimensions - 2)
        self.row, self.column = last - 1, last
        rows, columns = self.extent(self.row), self.extent(self.column)
        lines = [
            self.about(),
            f"column_tiles = tl.cdiv({columns}, COLUMNS)",
            f"row_chunks = tl.cdiv({rows}, ROWS * tiles)",
            "column_tile = program % column_tiles",
            "first_column = column_tile * COLUMNS",
            "row_chunk = program // column_tiles % row_chunks",
        ]
        if batch:
            rest = "program // column_tiles // row_chunks"
            for d in reversed(batch[1:]):
                lines.append(f"{self.words[d]} = {rest} % {self.extent(d)}")
                rest += f" // {self.extent(d)}"
            lines.append(f"{self.words[0]} = {rest}")
        lines += [
            f"inside_columns = tl.arange(0, COLUMNS)[None, :] < {columns} - first_column",
            "column = first_column + tl.arange(0, COLUMNS)[None, :]",
        ]
        row, column = f"{self.words[-2]}_stride", f"{self.words[-1]}_stride"
        if any(x.type.axes == LEAF for x in self.kernel.operands):
            self.integer(row), self.integer(column)
            lines.append(f"offsets = tl.arange(0, ROWS)[:, None] * {row}")
            lines.append(f"offsets += tl.arange(0, COLUMNS)[None, :] * {column}")
        lines += [*self.out.levels["scalar"], *self.out.levels["column"]]
        inner, after, before = self._reductions()
        lines += before
        lines += [
            f"whole = tl.cdiv({rows}, ROWS)",
            "first = row_chunk * tiles",
            "last = tl.minimum(first + tiles, whole)",
            "for tile in tl.range(first, last, num_stages=STAGES):",
        ]
        loop = [
            "first_row = tile * ROWS",
            "row = first_row + tl.arange(0, ROWS)[:, None]",
            f"inside = (row < {rows}) & inside_columns",
            *self._start(),
            *self.out.levels["row"],
            *self.out.levels["element"],
            *self.stores,
            *inner,
        ]
        lines += [*indented(loop), *after]
        partial = {
            o.attr: o.args[0].op
            for o, _ in self.reduced
            if not set(o.args[0].type.axes) >= set(range(self.dimensions))
        }
        integers = [*self.integers, "tiles", "program"]
        constants = [f"{name}: tl.constexpr" for name in ("ROWS", "COLUMNS", "STAGES")]
        text = self.definition(self.name, [*self.arrays(), *integers, *constants], lines)
        return TritonFunction(text, self.marked(partial))

    def _start(self) -> list[str]:
        """Where the tile begins in the arrays of the leaf, in 64 bits."""
        if "offsets" not in "".join(self.out.levels["element"] + self.stores):
            return []
        firsts = [*self.words[:-2], "first_row", "first_column"]
        terms = [
            f"tl.cast({first}, tl.int64) * {self.integer(f'{word}_stride')}"
            for first, word in zip(firsts, self.words, strict=True)
        ]
        return [f"start = {terms[0]}", *(f"start += {term}" for term in terms[1:])]

    def at(self, x: Operand, before: list[str], part: str = "") -> tuple[str, str | None]:
        """Where a tile of an array is, or of one of its parts; and its mask."""
        if x.type.axes == LEAF:
            return f"{pointer(x.name)} + start + offsets", "inside"
        terms = [part] if part else []
        terms += [f"{self.words[d]} * {self.stride(x, d)}" for d in x.type.axes]
        rows, columns = (d in x.type.axes for d in (self.dimensions - 2, self.dimensions - 1))
        mask = "inside" if columns and rows else "inside_columns" if columns else None
        if rows and not columns:
            mask = f"row < {self.extent(self.dimensions - 2)}"
        return self.address(x, terms, before), mask

    def load(self, n: Node) -> str:
        x = self.operands[n.attr]
        place, mask = self.at(x, self.out.levels[self.out.level(x.type.axes)])
        if how := self.combined.get(x.name):
            parts = self.integer(f"{x.name}_parts")
            if x.type.axes == SCALAR:
                return f"device.{how}_of_parts({place}, {parts}, {self.real})"
            elements = self.integer(f"{x.name}_elements")
            given = [place, parts, elements, mask or "True", self.real]
            return f"device.{how}_of_parts_at({', '.join(given)})"
        return self.widened(f"tl.load({place}, mask={mask})" if mask else f"tl.load({place})")

    def store(self, output: Node, text: str) -> str:
        place, mask = self.at(self.operands[output.attr], self.stores)
        return f"tl.store({place}, {text}, mask={mask})"

    def _reductions(self) -> tuple[list[str], list[str], list[str]]:
        """What reductions need in the loop over tiles, after it and before it."""
        inner: list[str] = []
        after: list[str] = []
        before: list[str] = []
        for output, x in self.reduced:
            value, how = output.args[0], output.args[0].op
            operand, kept = self.operands[output.attr], set(value.type.axes)
            rows, columns = self.dimensions - 2 in kept, self.dimensions - 1 in kept
            total, identity = self.out.unique(_total(output)), IDENTITY[how]
            tile = f"tl.where(inside, {x}, {identity})"
            lines = inner if rows else after
            place, mask = self.at(operand, lines, self._part(operand))
            masked = f", mask={mask}" if mask else ""
            if rows and columns:
                inner.append(f"tl.store({place}, {x}{masked})")
            elif rows:
                inner.append(f"tl.store({place}, {reduced(how, tile, ', 1')}{masked})")
            else:
                before.append(f"{total} = tl.full((ROWS, COLUMNS), {identity}, {self.real})")
                inner.append(joined(how, total, tile))
                axis = ", 0" if columns else ""
                after.append(f"tl.store({place}, {reduced(how, total, axis)}{masked})")
        return inner, after, before

    def _part(self, x: Operand) -> str:
        """Where a program's part of a reduction is, from the beginning of the first part."""
        kept = set(x.type.axes)
        number = ""
        for d in range(self.dimensions):
            if d in kept:
                continue
            chunks = {self.dimensions - 2: "row_chunks", self.dimensions - 1: "column_tiles"}
            places = {
                self.dimensions - 2: "row_chunk",
                self.dimensions - 1: "column_tile",
            }
            place, count = places.get(d, self.words[d]), chunks.get(d, self.plural(d))
            if d not in places:
                self.extent(d)
            outer = f"({number})" if " " in number else number
            number = f"{outer} * {count} + {place}" if number else place
        if kept and number:
            number = f"({number})" if " " in number else number
            return f"{number} * {self.integer(f'{x.name}_elements')}"
        return number
