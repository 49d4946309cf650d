"""Values that vary along some dimensions of a leaf only: statistics, and slots made of them.

In VMEM such a value is cut like the leaf, a part for each tile along its own dimensions. A part
that varies along rows alone lies along the lanes of registers, of which it would fill one in 128
otherwise. In memory it is one row, where it varies along one of the last two dimensions.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from optgen.runtime.tpu.frame import Frame, padded


@dataclass(frozen=True, slots=True)
class Small:
    """Where the elements of a small value of a leaf are.

    Attributes:
      frame: the leaf.
      along: the dimensions along which it varies.
    """

    frame: Frame
    along: tuple[int, ...]

    @property
    def rank(self) -> int:
        """How many dimensions the leaf has, as kernels see it."""
        return len(self.frame.dims)

    @property
    def whole_shape(self) -> tuple[int, ...]:
        """The shape of the value: as the leaf, of extent 1 along what it does not vary along."""
        return tuple(n if d in self.along else 1 for d, n in enumerate(self.frame.dims))

    @property
    def part_shape(self) -> tuple[int, ...]:
        """The shape of the part of a tile."""
        return tuple(n if d in self.along else 1 for d, n in enumerate(self.frame.tile))

    # In the device's memory.

    @property
    def one_row(self) -> bool:
        """Whether it is one row in memory."""
        return not self.along or (len(self.along) == 1 and self.along[0] >= self.rank - 2 >= 0)

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """The shape of the array in memory."""
        if self.one_row:
            return 1, math.prod(self.frame.dims[d] for d in self.along)
        return self.whole_shape

    def stored(self, slot: Any) -> Any:
        """The array in memory of a slot of the leaf, whose axes have the extent 1 or the leaf's."""
        if self.one_row:
            return slot.reshape(self.stored_shape)
        return slot.transpose(self.frame.order).reshape(self.whole_shape)

    def unstored(self, x: Any, shape: tuple[int, ...]) -> Any:
        """The slot of this shape that is stored so."""
        if self.one_row:
            return x.reshape(shape)
        order = self.frame.order
        stored = x.reshape([shape[axis] for axis in order])
        return stored.transpose([order.index(axis) for axis in range(len(shape))])

    def whole(self, x: Any) -> Any:
        """The value, of what is stored."""
        if not self.one_row:
            return x
        if self._upright:
            x = jnp.swapaxes(x, 0, 1)
        return x.reshape(self.whole_shape)

    def unwhole(self, value: Any) -> Any:
        """What is stored of the value."""
        if not self.one_row:
            return value
        if self._upright:
            value = jnp.swapaxes(value.reshape(self.whole_shape[-2:]), 0, 1)
        return value.reshape(self.stored_shape)

    # In VMEM.

    @property
    def _upright(self) -> bool:
        """Whether it varies along rows and not along columns."""
        return self.rank >= 2 and self.rank - 2 in self.along and self.rank - 1 not in self.along

    @property
    def scratch_shape(self) -> tuple[int, ...]:
        """The parts of all tiles, one after another."""
        *outer, rows, columns = self.part_shape if self.rank > 1 else (1, *self.part_shape)
        last = (columns, rows) if self._upright else (rows, columns)
        return (math.prod(self._counts), *outer, *last)

    @property
    def scratch_bytes(self) -> int:
        """The VMEM that they take, and what is read from memory and written to it."""
        return 4 * (padded(self.scratch_shape, 4) + 2 * padded(self.stored_shape, 4))

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
        x = scratch[self._place(ids)]
        return (jnp.swapaxes(x, -1, -2) if self._upright else x).reshape(self.part_shape)

    def write(self, scratch: Any, ids: Sequence[Any], value: Any) -> None:
        """Keeps the part of a tile."""
        value = jnp.broadcast_to(value, self.part_shape)
        value = jnp.swapaxes(value, -1, -2) if self._upright else value
        scratch[self._place(ids)] = value.reshape(self.scratch_shape[1:])

    def gather(self, scratch: Any) -> Any:
        """The value, of the parts of all tiles."""

        def joined(ids: dict[int, int], rest: tuple[int, ...]) -> Any:
            if not rest:
                part = self.read(scratch, [ids.get(d, 0) for d in range(self.rank)])
                return part[self._inside(ids)]
            d, *others = rest
            parts = [joined({**ids, d: i}, tuple(others)) for i in range(self.frame.counts[d])]
            return parts[0] if len(parts) == 1 else jnp.concatenate(parts, d)

        return joined({}, self.along)

    def scatter(self, scratch: Any, value: Any) -> None:
        """Keeps the parts of all tiles."""
        value = jnp.broadcast_to(value, self.whole_shape)
        for ids in self._tiles():
            part = value[self._window(ids)]
            part = jnp.swapaxes(part, -1, -2) if self._upright else part
            shape = part.shape if self.rank > 1 else (1, *part.shape)
            window = tuple(slice(0, n) for n in shape)
            scratch[(self._place(ids), *window)] = part.reshape(shape)

    def load(self, stored: Any, scratch: Any) -> None:
        """Fetches it from memory."""
        if not (self.one_row and self._upright):
            self.scatter(scratch, self.whole(stored[...].astype(jnp.float32)))
            return
        for ids in self._tiles():  # the parts are along lanes on both sides
            window = self._window(ids)[self.rank - 2]
            part = stored[:, window].astype(jnp.float32)
            scratch[(self._place(ids), *self._flat(part.shape))] = part.reshape(self._deep(part))

    def store(self, scratch: Any, stored: Any) -> None:
        """Sends it to memory."""
        if not (self.one_row and self._upright):
            stored[...] = self.unwhole(self.gather(scratch)).astype(stored.dtype)
            return
        for ids in self._tiles():
            window = self._window(ids)[self.rank - 2]
            width = window.stop - window.start
            part = scratch[(self._place(ids), *self._flat((1, width)))]
            stored[:, window] = part.reshape(1, width).astype(stored.dtype)

    def _flat(self, shape: tuple[int, int]) -> tuple[Any, ...]:
        return (*(slice(0, 1) for _ in range(self.rank - 2)), slice(0, 1), slice(0, shape[1]))

    def _deep(self, part: Any) -> tuple[int, ...]:
        return (*(1 for _ in range(self.rank - 2)), 1, part.shape[1])

    def _tiles(self) -> Iterator[list[int]]:
        for numbers in itertools.product(*(range(n) for n in self._counts)):
            ids = dict(zip(self.along, numbers, strict=True))
            yield [ids.get(d, 0) for d in range(self.rank)]

    def _window(self, ids: Sequence[int]) -> tuple[slice, ...]:
        """The part of a tile in the value."""
        return tuple(
            slice(i * t, min(n, (i + 1) * t))
            for i, t, n in zip(ids, self.part_shape, self.whole_shape, strict=True)
        )

    def _inside(self, ids: dict[int, int]) -> tuple[slice, ...]:
        """What is inside the leaf, in the part of a tile."""
        windows = self._window([ids.get(d, 0) for d in range(self.rank)])
        return tuple(slice(0, w.stop - w.start) for w in windows)
