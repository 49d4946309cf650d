"""Values that vary along some dimensions of a leaf only: statistics, and slots made of them.

A value of each row lies along the lanes of registers, in memory and in VMEM: upright it would take
one lane in 128. In VMEM it is cut like the leaf, into a part for each tile along its dimensions.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from optgen.runtime.execution.tpu.frame import Frame, padded

Window = tuple[slice, ...]


@dataclass(frozen=True, slots=True)
class Small:
    """The places of the elements of a small value of a leaf.

    Attributes:
      frame: the leaf.
      along: the dimensions along which it varies.
    """

    frame: Frame
    along: tuple[int, ...]

    @property
    def rank(self) -> int:
        """The number of dimensions of the leaf, as kernels see it."""
        return len(self.frame.dims)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value: as the leaf, of extent 1 along what it does not vary along."""
        return self._of(self.frame.dims)

    @property
    def part_shape(self) -> tuple[int, ...]:
        """The shape of the part of a tile."""
        return self._of(self.frame.tile)

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """The shape of the array in memory."""
        return self._in_lanes(self.shape)

    @property
    def scratch_shape(self) -> tuple[int, ...]:
        """The shape of the parts of all tiles, one after another."""
        return (math.prod(self._counts), *self._in_lanes(self.part_shape))

    @property
    def bytes(self) -> int:
        """The VMEM of its parts, and of what is read from memory and written to it."""
        return 4 * (padded(self.scratch_shape, 4) + 4 * padded(self.stored_shape, 4))

    def _of(self, extents: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(n if d in self.along else 1 for d, n in enumerate(extents))

    @property
    def _along_rows_only(self) -> bool:
        """True where it varies along rows and not along columns, of the tiles in memory."""
        return self.rank >= 2 and self.rank - 2 in self.along and self.rank - 1 not in self.along

    def _in_lanes(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of a value as it lies in memory."""
        if not self.along:
            return 1, 1
        return (*shape[:-2], shape[-1], shape[-2]) if self._along_rows_only else shape

    def to_lanes(self, value: Any) -> Any:
        """A value, or a part of it, as it lies in memory."""
        if not self.along:
            return value.reshape(1, 1)
        return jnp.swapaxes(value, -1, -2) if self._along_rows_only else value

    def from_lanes(self, x: Any) -> Any:
        """The value, or the part of it, that lies so in memory."""
        if not self.along:
            return x.reshape((1,) * self.rank)
        return jnp.swapaxes(x, -1, -2) if self._along_rows_only else x

    # A slot of the leaf, whose axes have the extent 1 or the leaf's, or which has none.

    def from_slot(self, slot: Any) -> Any:
        """The array in memory of a slot."""
        if not self.along:
            return slot.reshape(1, 1)
        return self.to_lanes(slot.transpose(self.frame.order).reshape(self.shape))

    def to_slot(self, x: Any, shape: tuple[int, ...]) -> Any:
        """The slot of this shape that is stored so."""
        if not self.along:
            return x.reshape(shape)
        order = self.frame.order
        value = self.from_lanes(x).reshape([shape[axis] for axis in order])
        return value.transpose([order.index(axis) for axis in range(len(shape))])

    # Its parts in VMEM.

    @property
    def _counts(self) -> tuple[int, ...]:
        return tuple(self.frame.counts[d] for d in self.along)

    def _place(self, ids: Sequence[Any]) -> Any:
        place: Any = 0
        for d, count in zip(self.along, self._counts, strict=True):
            place = place * count + ids[d]
        return place

    def read(self, scratch: Any, ids: Sequence[Any]) -> Any:
        """The part of a tile, given its number along each dimension."""
        return self.from_lanes(scratch[self._place(ids)])

    def write(self, scratch: Any, ids: Sequence[Any], part: Any) -> None:
        """Keeps the part of a tile."""
        scratch[self._place(ids)] = self.to_lanes(part)

    def load(self, stored: Any, scratch: Any) -> None:
        """Brings all parts from memory."""
        for ids in self._tiles():
            window, corner = self._windows(ids)
            scratch[(self._place(ids), *corner)] = stored[window]

    def store(self, scratch: Any, stored: Any) -> None:
        """Sends all parts to memory."""
        for ids in self._tiles():
            window, corner = self._windows(ids)
            stored[window] = scratch[(self._place(ids), *corner)]

    def gather(self, scratch: Any) -> Any:
        """The value."""
        return self.from_lanes(self._joined(scratch, {}, self.along))

    def _joined(self, scratch: Any, ids: dict[int, int], rest: tuple[int, ...]) -> Any:
        if not rest:
            numbers = [ids.get(d, 0) for d in range(self.rank)]
            return scratch[(self._place(numbers), *self._windows(numbers)[1])]
        d, *others = rest
        count, axis = self.frame.counts[d], self._axis(d)
        parts = [self._joined(scratch, {**ids, d: i}, tuple(others)) for i in range(count)]
        return parts[0] if count == 1 else jnp.concatenate(parts, axis)

    def _axis(self, d: int) -> int:
        return d + 1 if self._along_rows_only and d == self.rank - 2 else d

    def scatter(self, scratch: Any, value: Any) -> None:
        """Keeps all parts of a value."""
        whole = self.to_lanes(value)
        for ids in self._tiles():
            window, corner = self._windows(ids)
            scratch[(self._place(ids), *corner)] = whole[window]

    def _tiles(self) -> Iterator[list[int]]:
        for numbers in itertools.product(*(range(n) for n in self._counts)):
            ids = dict(zip(self.along, numbers, strict=True))
            yield [ids.get(d, 0) for d in range(self.rank)]

    def _windows(self, ids: Sequence[int]) -> tuple[Window, Window]:
        """The windows of the part of a tile in what is stored, and of that in the part."""
        begins = self._in_lanes(tuple(i * t for i, t in zip(ids, self.part_shape, strict=True)))
        parts = self._in_lanes(self.part_shape)
        if not self.along:
            begins = (0, 0)
        windows = [
            slice(begin, min(n, begin + t))
            for begin, t, n in zip(begins, parts, self.stored_shape, strict=True)
        ]
        return tuple(windows), tuple(slice(0, w.stop - w.start) for w in windows)
