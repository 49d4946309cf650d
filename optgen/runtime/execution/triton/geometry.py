"""Geometry of a leaf for its programs: extents, strides, tiles, and parts of reductions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optgen.runtime.execution.triton.options import BUSY, FEWEST_LINES, MOST_LINES, Options
from optgen.runtime.vocabulary.launches import PlacedLeaf
from optgen.runtime.vocabulary.sequence import Kernel, Operand
from optgen.runtime.vocabulary.view import Axes, along, dimension_names, extent_name

_ALIGNED = 16
"""Bytes that a thread loads at once."""


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


@dataclass(frozen=True, slots=True)
class Section:
    """Elements that programs of a finalize share, and what is written for them.

    Attributes:
      apart: the dimensions of which every index has programs of its own, since something is
        reduced along all others.
      along: the other dimensions along which the elements vary; they are cut into blocks.
      written: what is stored, or left in parts.
    """

    apart: tuple[int, ...]
    along: tuple[int, ...]
    written: tuple[Operand, ...]


def sections(kernel: Kernel) -> list[Section]:
    """The sections of a finalize of which every element is independent, in order."""
    written: dict[Axes, list[Operand]] = {}
    for x in kernel.operands:
        if x.written:
            written.setdefault(x.buffer.over if x.partial else x.axes, []).append(x)
    result = []
    for axes, operands in written.items():
        apart = sorted({d for x in operands if x.partial for d in along(x.axes, kernel.dimensions)})
        rest = (d for d in along(axes, kernel.dimensions) if d not in apart)
        result.append(Section(tuple(apart), tuple(rest), tuple(operands)))
    return result


class Geometry:
    """One leaf in a launch of a kernel.

    Attributes:
      kernel: the kernel.
      options: how the launch is cut into programs.
      layout: where the elements of the leaf are.
      outer: the outer dimension of a tile of a matrix.
      inner: the inner one.
    """

    def __init__(self, kernel: Kernel, leaf: PlacedLeaf, options: Options) -> None:
        self.kernel, self.options = kernel, options
        self.layout = leaf.layout(kernel)
        self.words = dimension_names(kernel.dimensions)
        rows, columns = kernel.dimensions - 2, kernel.dimensions - 1
        self.outer, self.inner = (columns, rows) if self.rows_innermost else (rows, columns)

    @property
    def rows_innermost(self) -> bool:
        """The elements of a column are next to each other, and not those of a row."""
        if len(self.layout.extents) == 1:
            return False
        *_, rows, columns = self.layout.extents
        if rows == 1 or columns == 1:
            return rows > 1
        order, dimensions = self.layout.order, len(self.layout.order)
        return order.index(dimensions - 2) > order.index(dimensions - 1)

    @property
    def aligned(self) -> bool:
        """Every line of a matrix begins on 16 bytes, and is dense."""
        if self.kernel.flat or self.kernel.kind == "finalize":
            return True
        itemsize = min(np.dtype(x.dtype).itemsize for x in self.kernel.operands)
        dense = self.layout.strides("*")[self.inner] == 1
        return dense and self.layout.extents[self.inner] * itemsize % _ALIGNED == 0

    @property
    def tiles(self) -> int:
        """Number of tiles of a sweep; a program takes some of them."""
        if self.kernel.flat:
            return math.ceil(self.layout.extents[0] / self.options.block)
        lines = math.ceil(self.layout.extents[self.outer] / self.options.outer)
        return self.batches * self.strips * lines

    @property
    def batches(self) -> int:
        """Number of matrices."""
        return math.prod(self.layout.extents[:-2])

    @property
    def strips(self) -> int:
        """Number of tiles along the inner dimension."""
        return math.ceil(self.layout.extents[self.inner] / self.options.inner)

    def chunks(self, tiles: int) -> int:
        """Number of programs along the outer dimension, each with so many tiles."""
        return math.ceil(self.layout.extents[self.outer] / (self.options.outer * tiles))

    def programs(self, tiles: int) -> int:
        """Number of programs of a leaf, each with so many tiles."""
        if self.kernel.kind == "finalize":
            if self.kernel.item.independent == "*":
                return sum(self._programs(section) for section in sections(self.kernel))
            return self.layout.elements(self.kernel.item.independent)
        if self.kernel.flat:
            return math.ceil(self.tiles / tiles)
        return self.batches * self.strips * self.chunks(tiles)

    def _programs(self, section: Section) -> int:
        return self.layout.elements(section.apart) * self._blocks(section)

    def _blocks(self, section: Section) -> int:
        """Number of blocks of a section for each index of the dimensions that are apart."""
        return math.ceil(self.layout.elements(section.along) / self.options.small)

    def parts(self, x: Operand, tiles: int) -> int:
        """Number of parts that the programs leave of a reduction."""
        if not x.partial:
            return 1
        if self.kernel.kind == "finalize":
            section = next(s for s in sections(self.kernel) if x in s.written)
            return self._blocks(section) if x.axes else self._programs(section)
        if self.kernel.flat:
            return self.programs(tiles)
        counts = dict(enumerate(self.layout.extents))
        counts |= {self.outer: self.chunks(tiles), self.inner: self.strips}
        return math.prod(count for d, count in counts.items() if d not in x.axes)

    def integers(self, tiles: int, names: Names | None = None) -> dict[str, int]:
        """The numbers of a leaf by the names that emitted functions have for them.

        Args:
          tiles: that each program takes.
          names: those of its kernel, where many leaves share them.
        """
        names = names or names_of(self.kernel)
        extents, steps = self.layout.extents, self.layout.strides("*")
        numbers = {"tiles": tiles, **dict(zip(names.extents, extents, strict=True))}
        for axes, strides in names.strides:
            numbers.update(zip(strides, self.layout.strides(axes), strict=True))
        numbers |= {"outer_extent": extents[self.outer], "outer_stride": steps[self.outer]}
        numbers |= {"inner_extent": extents[self.inner], "inner_stride": steps[self.inner]}
        return numbers


@dataclass(frozen=True, slots=True)
class Names:
    """The names that an emitted function has for the numbers of a leaf.

    Attributes:
      extents: of the dimensions of the view.
      strides: of the leaf and of each operand along these, after the dimensions that it varies in.
    """

    extents: tuple[str, ...]
    strides: tuple[tuple[Axes, tuple[str, ...]], ...]


def names_of(kernel: Kernel) -> Names:
    """Returns the names for the leaves of a kernel."""
    words = dimension_names(kernel.dimensions)
    operands = (
        (x.axes, tuple(f"{x.name}_{word}_stride" for word in words)) for x in kernel.operands
    )
    leaf: tuple[Axes, tuple[str, ...]] = ("*", tuple(f"{word}_stride" for word in words))
    return Names(tuple(map(extent_name, words)), (leaf, *operands))


def statistics(parts: Mapping[str, Parts]) -> dict[str, int]:
    """The numbers of a leaf's statistics, by the names that emitted functions have for them."""
    numbers = {}
    for name, x in parts.items():
        numbers[f"{name}_parts"] = x.parts
        numbers[f"{name}_elements"] = x.elements
    return numbers


def tiles_of_a_program(leaves: Sequence[Geometry]) -> int:
    """Number of tiles of each program, for leaves of one kernel in one orientation."""
    first = leaves[0]
    kernel, options = first.kernel, first.options
    if kernel.kind == "finalize" or (kernel.flat and not kernel.reduces):
        return 1
    tiles = max(1, sum(leaf.tiles for leaf in leaves) // options.programs)
    if kernel.flat:
        return tiles
    if any(x.partial and first.inner in along(x.axes, kernel.dimensions) for x in kernel.operands):
        lines = sum(leaf.layout.elements("*") for leaf in leaves) // (BUSY * options.inner)
        tiles = min(max(lines, FEWEST_LINES), MOST_LINES) // options.outer
    return max(1, tiles)
