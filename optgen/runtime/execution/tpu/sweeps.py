"""The sweeps of a launch on one leaf: when the tiles of its arrays move, and what they take."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from optgen.runtime.execution.tpu.frame import Frame, padded
from optgen.runtime.execution.tpu.work import Array, Work
from optgen.runtime.vocabulary.sequence import Kernel

_UNROLLED = 4
"""Tiles of float32 that the compiler needs for values on the way, by the kernels it was given."""


@dataclass(frozen=True)
class Sweep:
    """One pass over the tiles.

    Attributes:
      kernel: what is done to each tile.
      before: the finalizes that run first.
    """

    kernel: Kernel
    before: tuple[Kernel, ...]


@dataclass(frozen=True)
class Sweeps:
    """All sweeps of a launch, by their numbers.

    Attributes:
      work: the kernels and their arrays.
    """

    work: Work

    @functools.cached_property
    def _cut(self) -> tuple[tuple[Sweep, ...], tuple[Kernel, ...]]:
        sweeps: list[Sweep] = []
        finalizes: list[Kernel] = []
        for kernel in self.work.kernels:
            if kernel.kind == "finalize":
                finalizes.append(kernel)
            else:
                sweeps.append(Sweep(kernel, tuple(finalizes)))
                finalizes = []
        return tuple(sweeps), tuple(finalizes)

    @property
    def sweeps(self) -> tuple[Sweep, ...]:
        """The sweeps, in order."""
        return self._cut[0]

    @property
    def after(self) -> tuple[Kernel, ...]:
        """The finalizes that run after the last one."""
        return self._cut[1]

    @functools.cached_property
    def _reads(self) -> Mapping[str, list[int]]:
        return self._mentions(read=True)

    @functools.cached_property
    def _writes(self) -> Mapping[str, list[int]]:
        return self._mentions(read=False)

    def _mentions(self, read: bool) -> Mapping[str, list[int]]:
        """The sweeps that read, or that write, each large array."""
        mentions: dict[str, list[int]] = {}
        for k, sweep in enumerate(self.sweeps):
            for x in sweep.kernel.operands:
                if x.large and (x.read if read else x.written):
                    mentions.setdefault(x.name, []).append(k)
        return mentions

    @functools.cached_property
    def loads(self) -> Mapping[str, int]:
        """The sweep in which the tiles of a large array are read from memory: the first."""
        arrays = self.work.arrays
        return {name: ks[0] for name, ks in self._reads.items() if arrays[name].read}

    @functools.cached_property
    def stores(self) -> Mapping[str, int]:
        """The sweep in which the tiles of a large array are written to memory: the last."""
        arrays = self.work.arrays
        return {name: ks[-1] for name, ks in self._writes.items() if arrays[name].written}

    @functools.cached_property
    def held(self) -> tuple[str, ...]:
        """The large arrays whose tiles are kept, as a later sweep reads them."""
        return tuple(
            sorted(
                name
                for name, ks in self._reads.items()
                if ks[-1] > min(ks + self._writes.get(name, []))
            )
        )

    @property
    def small(self) -> tuple[Array, ...]:
        """The arrays that are in VMEM as a whole throughout the launch."""
        return tuple(x for x in self.work.arrays.values() if x.small is not None)

    @functools.cached_property
    def vmem(self) -> int:
        """The VMEM that a launch takes: tiles that come and go, tiles that stay, small arrays."""
        frame, arrays = self.work.frame, self.work.arrays
        moving = sum(2 * _bytes(frame.tile, arrays[name]) for name in (*self.loads, *self.stores))
        staying = sum(_bytes(held_shape(frame), arrays[name]) for name in self.held)
        small = sum(x.small.bytes for x in self.small if x.small)
        return moving + staying + small + _UNROLLED * 4 * padded(frame.tile, 4)


def held_shape(frame: Frame) -> tuple[int, ...]:
    """The shape of all tiles of an array, told apart by a dimension that is not in registers."""
    rank_two = frame.tile if len(frame.tile) > 1 else (1, *frame.tile)
    return (frame.tiles, *rank_two)


def _bytes(dims: tuple[int, ...], x: Array) -> int:
    return padded(dims, x.dtype.itemsize) * int(x.dtype.itemsize)
