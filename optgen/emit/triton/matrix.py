"""Sweeps that see a leaf as a batch of matrices.

One function serves matrices in both orientations: a tile lies along memory, OUTER by INNER
elements, and whether its inner dimension is that of rows is known when a launch is compiled. The
program goes along the outer dimension. What is reduced along the inner one is complete within a
tile; what is reduced along the outer one, when the program ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from optgen.emit.triton.function import (
    IDENTITY,
    assigned,
    definition,
    joined,
    mentioned,
    pointer,
    reduced,
)
from optgen.emit.triton.layout import docstring, indented, statement
from optgen.emit.triton.sweep import SweepFunction
from optgen.ir.node import Node
from optgen.ir.types import LEAF
from optgen.runtime.vocabulary.sequence import Operand

Branches = dict[bool | None, list[str]]
"""Statements for matrices whose rows are innermost, for others, and for both (None)."""


@dataclass(frozen=True)
class _Side:
    """Calls of a function for what is the same along each row, or along each column.

    Attributes:
      inner: before the loop, where this is the inner dimension.
      outer: within the loop, where it is the outer one.
    """

    inner: list[str]
    outer: list[str]


class MatrixSweep(SweepFunction):
    """A sweep over matrices: a program takes a part of a strip of one, tile by tile."""

    def text(self) -> str:
        """The function for a program, which calls those for a row and for a column."""
        within, after = self._reductions()
        elements = [*self.printer.levels["element"], *self.stores]
        used = [*elements, *(line for branch in within.values() for line in branch)]
        row, column = (self._side(side, used) for side in self.words[-2:])
        loop = [
            "first_outer = tile * OUTER",
            "outer = first_outer + tl.arange(0, OUTER)[:, None]",
            "inside = (outer < outer_extent) & (inner < inner_extent)",
            *self._coordinates(used),
            *_oriented({True: column.outer, False: row.outer}),
            *self._start(used),
            *elements,
            *_oriented(within),
        ]
        lines = [
            *self.printer.levels["scalar"],
            *_oriented({True: row.inner, False: column.inner}),
            *self._totals(),
            "first = chunk * tiles",
            "last = tl.minimum(first + tiles, tl.cdiv(outer_extent, OUTER))",
            "for tile in tl.range(first, last, num_stages=STAGES):",
            *indented(loop),
            *_oriented(after),
        ]
        lines = [self.about(), *self._part(lines), *lines]
        every = ("ROWS_INNERMOST", "OUTER", "INNER", "STAGES")
        constants = [f"{name}: tl.constexpr" for name in mentioned(every, lines)]
        arguments = [*self.arrays(), *self.numbers(), "tiles", "program", *constants]
        return definition(self.kernel.function, arguments, lines)

    def _part(self, lines: Iterable[str]) -> list[str]:
        """The part of a leaf that is a program's own: some tiles of a strip of a matrix."""
        inner, outer = self.integer("inner_extent"), self.integer("outer_extent")
        part = [
            f"strips = tl.cdiv({inner}, INNER)",
            f"chunks = tl.cdiv({outer}, OUTER * tiles)",
            "strip = program % strips",
            "chunk = program // strips % chunks",
        ]
        batch = range(self.dimensions - 2)
        moved = self._moved()
        if mentioned(self.words[:-2], [*moved, *lines]):
            rest = "program // strips // chunks"
            for d in reversed(batch[1:]):
                part.append(f"{self.words[d]} = {rest} % {self.extent(d)}")
                rest += f" // {self.extent(d)}"
            part.append(f"{self.words[0]} = {rest}")
        part += [
            "first_inner = strip * INNER",
            "inner = first_inner + tl.arange(0, INNER)[None, :]",
        ]
        if mentioned(["offsets"], lines):
            part.append(f"offsets = tl.arange(0, OUTER)[:, None] * {self.integer('outer_stride')}")
            part.append(f"offsets += tl.arange(0, INNER)[None, :] * {self.integer('inner_stride')}")
        return [*part, *moved]

    def _moved(self) -> list[str]:
        """The statements that move pointers of small arrays to a matrix."""
        lines = []
        for x in self.kernel.operands:
            axes = () if x.large else self.along(x.axes)
            batch = [d for d in axes if d < self.dimensions - 2]
            lines += [f"{pointer(x.name)} += {self.term(x, d)}" for d in batch]
        return lines

    def _coordinates(self, used: Sequence[str]) -> list[str]:
        if not mentioned(self.words[-2:], used):
            return []
        return ["row, column = device.oriented(outer, inner, ROWS_INNERMOST)"]

    def _start(self, used: Sequence[str]) -> list[str]:
        """Statements for the offset of the tile in the arrays of the leaf, in 64 bits."""
        if not mentioned(["start"], used):
            return []
        firsts = {"outer": "first_outer", "inner": "first_inner"}
        firsts |= {word: word for word in self.words[:-2]}
        terms = [
            f"tl.cast({first}, tl.int64) * {self.integer(f'{word}_stride')}"
            for word, first in firsts.items()
        ]
        return [f"start = {terms[0]}", *(f"start += {term}" for term in terms[1:])]

    # What is the same along a row or a column.

    def _side(self, side: str, used: Sequence[str]) -> _Side:
        lines = self.printer.levels[side]
        if not lines:
            return _Side([], [])
        values = ", ".join(mentioned(assigned(lines), used))
        known = [*map(pointer, self.operands), *self.numbers(), *self.words[:-2]]
        passed = mentioned([*known, *assigned(self.printer.levels["scalar"])], lines)
        about = docstring(f"Computes {values}, once for each {side}.")
        body = [about, *lines, f"return {values}"]
        name = self.helpers.add(f"{self.prefix}_{side}", [*passed, side], body)

        def call(index: str, indent: int) -> list[str]:
            return statement(f"{values} = {name}(", [*passed, index], ")", indent)

        return _Side(call("inner", 8), call("outer", 12))

    def at(self, x: Operand, before: list[str]) -> tuple[str, str]:
        """Address of a tile of an array, and its mask."""
        if x.axes == LEAF:
            return f"{pointer(x.name)} + start + offsets", "inside"
        matrix = [d for d in self.along(x.axes) if d >= self.dimensions - 2]
        terms = [self.term(x, d) for d in matrix]
        mask = "inside" if len(matrix) == 2 else ""
        if len(matrix) == 1:
            mask = f"{self.words[matrix[0]]} < {self.extent(matrix[0])}"
        return self.address(x, terms, before), mask

    def load(self, n: Node) -> str:
        """A tile of an array, or of its rows or columns, or a value of the whole matrix."""
        x = self.operands[n.attr]
        place, mask = self.at(x, self.printer.levels[self.printer.level(x.axes)])
        if x.buffer.combine:
            return self.combined(x, place, ["at", mask] if mask else [])
        return f"tl.load({place}, mask={mask})" if mask else f"tl.load({place})"

    def store(self, name: str, text: str) -> str:
        """The statement that stores a tile of an array of the leaf."""
        return f"tl.store({pointer(name)} + start + offsets, {text}, mask=inside)"

    # Reductions.

    def _totals(self) -> list[str]:
        """Initial values of the reductions that accumulate along the outer dimension."""
        lines = []
        for name, _ in self.reductions:
            if len(self._kept(name)) < 2:
                how = self.operands[name].buffer.combine or ""
                lines.append(f"{name} = tl.full((OUTER, INNER), {IDENTITY[how]}, {self.real})")
        return lines

    def _kept(self, name: str) -> list[int]:
        """The dimensions of a matrix along which a reduction varies: 0 for rows, 1 for columns."""
        first = self.dimensions - 2
        return [d - first for d in self.along(self.operands[name].axes) if d >= first]

    def _reductions(self) -> tuple[Branches, Branches]:
        """Statements of reductions in the loop over tiles, and after it."""
        within: Branches = {True: [], False: [], None: []}
        after: Branches = {True: [], False: [], None: []}
        for name, x in self.reductions:
            operand, kept = self.operands[name], self._kept(name)
            how = operand.buffer.combine or ""
            tile = f"tl.where(inside, {x}, {IDENTITY[how]})"
            if len(kept) == 2:
                terms = [self.term(operand, d) for d in self.along(operand.axes)[-2:]]
                within[None] += self._stored(operand, ("", ""), terms, x, "inside")
            elif not kept:
                within[None].append(joined(how, name, tile))
                part = ("program % (chunks * strips)", "(chunks * strips)")
                after[None] += self._stored(operand, part, [], reduced(how, name))
            else:
                rows = kept[0] == 0
                axis = self.dimensions - 2 + kept[0]
                within[rows].append(joined(how, name, tile))
                after[rows] += self._stored(
                    operand,
                    ("chunk", "chunks"),
                    [self.term(operand, axis, "inner")],
                    reduced(how, name, ", 0"),
                    "inner < inner_extent",
                )
                within[not rows] += self._stored(
                    operand,
                    ("strip", "strips"),
                    [self.term(operand, axis, "outer")],
                    reduced(how, tile, ", 1"),
                    "outer < outer_extent",
                )
        return within, after

    def _stored(
        self, x: Operand, part: tuple[str, str], terms: Sequence[str], text: str, mask: str = ""
    ) -> list[str]:
        """Stores a program's part of a reduction.

        Args:
          x: the reduction.
          part: the number of the part within a matrix, and how many there are.
          terms: of the address, within a matrix.
          text: what is stored.
          mask: where it is, if not everywhere.
        """
        lines: list[str] = []
        others = [d for d in range(self.dimensions - 2) if d not in x.axes]
        number = self._number(part, others) if x.axes else "program"
        if number and x.axes:
            inside = f"({number})" if " " in number else number
            number = f"{inside} * {self.integer(f'{x.name}_elements')}"
        place = self.address(x, [*filter(None, [number]), *terms], lines)
        return [*lines, f"tl.store({place}, {text}{f', mask={mask}' if mask else ''})"]

    def _number(self, part: tuple[str, str], batch: Sequence[int]) -> str:
        """The number of a part among those of all matrices along some dimensions."""
        number = ""
        for d in batch:
            number = f"({number}) * {self.extent(d)} + " if number else ""
            number += self.words[d]
        within, count = part
        if not within or not number:
            return within or number
        return f"{f'({number})' if ' ' in number else number} * {count} + {within}"


def _oriented(branches: Branches) -> list[str]:
    """Statements for both orientations, and those for one."""
    lines = list(branches.get(None, ()))
    rows, others = branches.get(True), branches.get(False)
    if rows:
        lines += ["if ROWS_INNERMOST:", *indented(rows)]
        lines += ["else:", *indented(others)] if others else []
    elif others:
        lines += ["if not ROWS_INNERMOST:", *indented(others)]
    return lines
