"""What a program is told of its leaf: extents, strides, and where parts of reductions are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optgen.runtime.execution.triton.options import BUSY, FEWEST_ROWS, MOST_ROWS, Options
from optgen.runtime.vocabulary.kernels import Operand, Routine, elements, layout, strides


@dataclass(frozen=True, slots=True)
class Parts:
    """A statistic of a leaf: a place in an array that all leaves of a launch share.

    Attributes:
      array: the array.
      offset: where the leaf's first part begins.
      parts: how many parts there are, one behind the other.
      elements: of one part.
    """

    array: Any
    offset: int
    parts: int
    elements: int


def words(dimensions: int) -> tuple[str, ...]:
    """What emitted functions call the dimensions of a view."""
    if dimensions == 1:
        return ("element",)
    batch = dimensions - 2
    batches = ("batch",) if batch == 1 else tuple(f"batch_{i + 1}" for i in range(batch))
    return (*batches, "row", "column")


def plural(word: str) -> str:
    """What they call the extent of a dimension."""
    return "size" if word == "element" else word.replace("batch", "batche") + "s"


class Geometry:
    """One leaf in a launch.

    Attributes:
      extents: of the dimensions of its view.
      order: the dimensions from the outermost in memory to the innermost.
    """

    def __init__(self, routine: Routine, shape: tuple[int, ...], options: Options) -> None:
        self.routine, self.options = routine, options
        self.extents, self.order = layout(routine.view, shape)
        self.words = words(len(self.extents))

    def elements(self, axes: tuple[int, ...] | str) -> int:
        """How many elements an array has that varies along these dimensions."""
        return elements(self.extents, axes)

    def strides(self, axes: tuple[int, ...] | str) -> tuple[int, ...]:
        """The strides of such an array in elements; 0 along what it does not vary along."""
        return strides(self.extents, self.order, axes)

    @property
    def tiles(self) -> int:
        """How many tiles a sweep has; a program takes some of them."""
        if len(self.extents) == 1:
            return math.ceil(self.extents[0] / self.options.block)
        *_, rows, columns = self.extents
        return self.batches * self.across(columns) * math.ceil(rows / self.options.rows)

    @property
    def batches(self) -> int:
        """How many matrices there are."""
        return math.prod(self.extents[:-2])

    def across(self, columns: int) -> int:
        """How many tiles there are in a row of tiles."""
        return math.ceil(columns / self.options.columns)

    def programs(self, tiles: int) -> int:
        """How many programs a leaf has, each with so many tiles."""
        kind, extents = self.routine.kind, self.extents
        if kind == "settle" and self.routine.sections:
            return sum(self._blocks(along) for along, _ in self.routine.sections)
        if kind == "settle":
            return math.prod(extents[d] for d in self.routine.apart)
        if len(extents) == 1:
            return math.ceil(self.tiles / tiles)
        *_, rows, columns = extents
        return self.batches * self.across(columns) * math.ceil(rows / (self.options.rows * tiles))

    def _blocks(self, along: tuple[int, ...]) -> int:
        """How many blocks the elements along some dimensions of a settling kernel are."""
        return math.ceil(self.elements(along) / self.options.settled)

    def parts(self, x: Operand, tiles: int) -> int:
        """How many parts of a reduction the programs leave."""
        if x.access != "partial":
            return 1
        if self.routine.kind == "settle":
            sections = self.routine.sections
            return sum(self._blocks(along) for along, reduced in sections if x.name in reduced)
        if len(self.extents) == 1:
            return self.programs(tiles)
        *_, rows, columns = self.extents
        counts = [*self.extents[:-2], math.ceil(rows / (self.options.rows * tiles))]
        counts.append(self.across(columns))
        return math.prod(count for d, count in enumerate(counts) if d not in x.axes)

    def integers(self, tiles: int) -> dict[str, int]:
        """The numbers of a leaf by the names that emitted functions have for them."""
        numbers = {"tiles": tiles}
        own = self.strides("*")
        for d, word in enumerate(self.words):
            numbers[plural(word)] = self.extents[d]
            numbers[f"{word}_stride"] = own[d]
        for x in self.routine.operands:
            for d, stride in enumerate(self.strides(x.axes)):
                numbers[f"{x.name}_{self.words[d]}_stride"] = stride
        return numbers


def statistics(found: Mapping[str, Parts]) -> dict[str, int]:
    """The numbers of a leaf's statistics, by name."""
    numbers = {}
    for name, parts in found.items():
        numbers[f"{name}_offset"] = parts.offset
        numbers[f"{name}_parts"] = parts.parts
        numbers[f"{name}_elements"] = parts.elements
    return numbers


def tiles_of_a_program(leaves: list[Geometry]) -> int:
    """How many tiles each program of a launch takes."""
    first = leaves[0]
    routine, options = first.routine, first.options
    total = sum(leaf.tiles for leaf in leaves)
    flat = len(first.extents) == 1
    reduces = any(x.access == "partial" for x in routine.operands)
    if flat and not reduces:
        return 1
    tiles = max(1, total // options.programs)
    if flat:
        return tiles
    column = len(first.extents) - 1
    if any(x.access == "partial" and column in x.axes for x in routine.operands):
        rows = sum(leaf.elements("*") for leaf in leaves) // (BUSY * options.columns)
        tiles = min(max(rows, FEWEST_ROWS), MOST_ROWS) // options.rows
    return max(1, tiles)
