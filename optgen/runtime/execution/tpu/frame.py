"""The layout of a leaf in a TPU's memory, and the tiles that it is cut into.

A TPU stores the last two dimensions of an array in tiles of 8×128 elements. XLA takes the two axes
that waste the least on padding for these, whatever the order of the axes is. A kernel whose
operands have the axes in that order reads them where they are; any other would be sent a copy.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass
from typing import Any

from optgen.runtime.vocabulary.view import Groups

LANES, SUBLANES = 128, 8

TILE = 1 << 17
"""The most elements of a tile: 512 KiB of float32, long transfers and a short unrolled body."""

_HEIGHT = 128  # rows of a tile that are worth cutting long rows for


def round_up(n: int, multiple: int) -> int:
    """The least multiple that is not less."""
    return -(-n // multiple) * multiple


def padded(dims: tuple[int, ...], itemsize: int) -> int:
    """The elements that an array takes in VMEM, whose last two dimensions are cut into tiles."""
    if len(dims) < 2:
        return round_up(math.prod(dims), SUBLANES * LANES)
    *outer, rows, columns = dims
    rows, columns = round_up(rows, SUBLANES * 4 // itemsize), round_up(columns, LANES)
    return math.prod(outer) * rows * columns


@functools.lru_cache(maxsize=4096)
def order_of(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """The axes from the outermost in memory to the innermost, as XLA chooses them for TPUs."""
    rank = len(shape)
    if rank < 2:
        return tuple(range(rank))
    # Of pairs that waste as little as others it takes the last axes; its tiles have fewer rows
    # than eight where the array does.
    pairs = [(rank - 2, rank - 1)]
    pairs += [(row, column) for column, row in itertools.permutations(reversed(range(rank)), 2)]
    row, column = min(pairs, key=lambda pair: _stored(shape, pair, max(1, 4 // itemsize)))
    return (*(axis for axis in range(rank) if axis not in (row, column)), row, column)


def _stored(shape: tuple[int, ...], last: tuple[int, int], packed: int) -> int:
    """The elements that an array takes in memory, if these are its last two axes."""
    row, column = last
    sublanes = packed
    while sublanes < min(shape[row], SUBLANES):
        sublanes *= 2
    others = math.prod(n for axis, n in enumerate(shape) if axis not in (row, column))
    return others * round_up(shape[row], sublanes) * round_up(shape[column], LANES)


@dataclass(frozen=True, slots=True)
class Frame:
    """A leaf as kernels see it.

    Attributes:
      shape: the leaf's.
      order: its axes from the outermost in memory.
      dims: the extents of what kernels see. A vector is seen as rows of 128, where it is some.
      axes: of each of these dimensions the axis of the leaf that it is, or is a part of.
      tile: the extents of a tile.
    """

    shape: tuple[int, ...]
    order: tuple[int, ...]
    dims: tuple[int, ...]
    axes: tuple[int, ...]
    tile: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """The number of tiles along each dimension."""
        return tuple(-(-n // t) for n, t in zip(self.dims, self.tile, strict=True))

    @property
    def tiles(self) -> int:
        """The number of tiles."""
        return math.prod(self.counts)

    def to_kernel(self, x: Any) -> Any:
        """An array of the leaf's shape as kernels see it."""
        return x.transpose(self.order).reshape(self.dims)

    def from_kernel(self, x: Any) -> Any:
        """The array of the leaf's shape that kernels see so."""
        stored = x.reshape([self.shape[axis] for axis in self.order])
        return stored.transpose([self.order.index(axis) for axis in range(len(self.shape))])

    def tags(self, groups: Groups) -> tuple[int, ...]:
        """Of each dimension the dimension of a view that it is a part of.

        A dimension of a view that has no axes is that of none.
        """
        if not groups:
            return (0,) * len(self.dims)
        return tuple(next(d for d, group in enumerate(groups) if a in group) for a in self.axes)

    def along(self, groups: Groups, axes: tuple[int, ...]) -> tuple[int, ...]:
        """The dimensions that some dimensions of a view are made of."""
        return tuple(d for d, tag in enumerate(self.tags(groups)) if tag in axes)


@functools.lru_cache(maxsize=4096)
def frame_of(shape: tuple[int, ...], itemsize: int) -> Frame:
    """The frame of a leaf of this shape, whose parameter has elements of so many bytes."""
    order = order_of(shape, itemsize)
    dims, axes = tuple(shape[axis] for axis in order), order
    if len(shape) == 1 and shape[0] % LANES == 0:  # the same bytes, eight times as dense in VMEM
        dims, axes = (shape[0] // LANES, LANES), (0, 0)
    return Frame(shape, order, dims, axes, tile_of(dims))


def tile_of(dims: tuple[int, ...]) -> tuple[int, ...]:
    """The tiles that an array is cut into: whole rows where they are short, then more of them."""
    if len(dims) == 1:
        step = SUBLANES * LANES
        # Widened to float32, vectors of bfloat16 take several times their size in VMEM.
        return (min(dims[0], max(step, TILE // 4 // step * step)),)
    *outer, rows, columns = dims
    widest = max(LANES, TILE // round_up(min(rows, _HEIGHT), SUBLANES) // LANES * LANES)
    parts = -(-columns // widest)
    width = columns if parts == 1 else round_up(-(-columns // parts), LANES)
    most = max(TILE // round_up(width, LANES), 4 * SUBLANES)
    # Statistics of rows lie along lanes, 128 of them in a register.
    most -= most % (LANES if most >= LANES else 4 * SUBLANES)
    height = min(rows, most)
    tile = [height, width]
    left = most // round_up(rows, SUBLANES) if parts == 1 and height == rows else 1
    for extent in reversed(outer):
        tile.insert(0, max(1, min(extent, left)))
        left = left // extent
    return tuple(tile)
