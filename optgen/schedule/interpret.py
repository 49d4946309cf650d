"""Runs a plan in NumPy as a target would: launch by launch, tile by tile, and in place.

It is what a plan means, and the proof that none reads what it has overwritten.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from optgen.ir.build import const
from optgen.ir.evaluate import Dtypes, Inputs, evaluate
from optgen.ir.ops import IDENTITY_OF_REDUCTION
from optgen.ir.program import Program
from optgen.ir.types import LEAF, SCALAR, Axes
from optgen.schedule.kernel import Launch, Operand
from optgen.schedule.plan import Plan
from optgen.schedule.views import Layout

Array: TypeAlias = np.ndarray[Any, Any]
Scalars = Callable[[int, Sequence[Mapping[str, float]]], Mapping[str, float]]
Tile = tuple[slice, ...]

_COMBINE = {"sum": np.add, "max": np.maximum, "min": np.minimum}


def interpret(
    plan: Plan,
    arrays: Sequence[Mapping[str, Array]],
    scalars: Scalars,
    tile: int | None = None,
) -> list[dict[str, Array]]:
    """Runs a plan.

    Args:
      plan: the plan.
      arrays: for each leaf what the programs load, by name. They are copied first.
      scalars: called before each phase with its number and with what each leaf has contributed
        so far; returns all the scalars that the phase's kernels may read.
      tile: the extent of a tile along each dimension of a sweep's view, or None for whole leaves.

    Returns:
      For each leaf all arrays by name, flat; contributions, temporaries and statistics too.
    """
    buffers = [{name: np.array(x).reshape(-1) for name, x in of_leaf.items()} for of_leaf in arrays]
    contributed: list[dict[str, float]] = [{} for _ in plan.leaves]
    phase, given = 0, scalars(0, contributed)
    for launch in plan.launches:
        while phase < launch.phase:
            phase += 1
            given = scalars(phase, contributed)
        for leaf, layout in zip(launch.leaves, launch.layouts, strict=True):
            _Run(launch, layout, buffers[leaf], given, tile).run()
            for x in launch.kernel.operands:
                if x.purpose == "contribution":
                    contributed[leaf][x.name] = float(buffers[leaf][x.name][0])
    return buffers


class _Run:
    """One kernel on one leaf."""

    def __init__(
        self,
        launch: Launch,
        layout: Layout,
        buffers: dict[str, Array],
        scalars: Mapping[str, float],
        tile: int | None,
    ) -> None:
        self.kernel, self.dtypes, self.layout = launch.kernel, launch.dtypes, layout
        self.buffers, self.scalars = buffers, scalars
        self.tile = tile if self.kernel.kind == "sweep" else None
        self.body = _with_extents(self.kernel.body, layout)

    def run(self) -> None:
        parts: dict[str, Array] = {}
        for x in self.kernel.operands:
            if x.access == "partial":
                shape = self.array_shape(x.type.axes)
                parts[x.name] = np.full(shape, IDENTITY_OF_REDUCTION[x.combine or ""], np.float64)
            if x.name not in self.buffers:
                self.buffers[x.name] = _buffer(x, self.layout, self.dtypes)
        for tile in self.tiles():
            self.run_tile(tile, parts)
        everything = tuple(slice(0, extent) for extent in self.layout.extents)
        for name, whole in parts.items():
            self.window(self.operand(name), everything)[...] = whole

    def run_tile(self, tile: Tile, parts: dict[str, Array]) -> None:
        loads = {
            x.name: self.window(x, tile)
            for x in self.kernel.operands
            if x.access in ("in", "in-out")
        }
        shape = tuple(s.stop - s.start for s in tile)
        inputs = Inputs(loads, scalars=self.scalars, shape=shape, dtypes=self.dtypes)
        for name, value in evaluate(self.body, inputs).items():
            x = self.operand(name)
            if x.access == "partial":
                part = parts[name][self.index(x.type.axes, tile)]
                part[...] = _COMBINE[x.combine or ""](part, value)
            else:
                self.window(x, tile)[...] = value

    def operand(self, name: str) -> Operand:
        return next(x for x in self.kernel.operands if x.name == name)

    def tiles(self) -> Iterator[Tile]:
        ranges = []
        for extent in self.layout.extents:
            step = self.tile or max(1, extent)
            # Of an empty leaf only whole kernels run: they have small values to store.
            starts = range(0, extent, step) if self.kernel.kind == "sweep" else (0,)
            ranges.append([slice(start, min(extent, start + step)) for start in starts])
        return itertools.product(*ranges)

    def window(self, x: Operand, tile: Tile) -> Array:
        """The part of an array that belongs to a tile, as a view of its buffer."""
        buffer, strides = self.buffers[x.name], self.layout.strides(x.type.axes)
        whole = np.lib.stride_tricks.as_strided(
            buffer,
            self.array_shape(x.type.axes),
            [] if x.type.axes == SCALAR else [s * buffer.itemsize for s in strides],
        )
        return whole[self.index(x.type.axes, tile)]

    def array_shape(self, axes: Axes) -> tuple[int, ...]:
        """The extents of an array in the view, 1 along what it does not vary along."""
        if axes == SCALAR:
            return ()
        extents = enumerate(self.layout.extents)
        return tuple(e if axes == LEAF or d in axes else 1 for d, e in extents)

    def index(self, axes: Axes, tile: Tile) -> Any:
        if axes == SCALAR:
            return ...
        whole = slice(None)
        return tuple(s if axes == LEAF or d in axes else whole for d, s in enumerate(tile))


def _buffer(x: Operand, layout: Layout, dtypes: Dtypes) -> Array:
    """A new array, of which nothing may be read before it is written."""
    return np.full(layout.elements(x.type.axes), np.nan, dtypes.numpy(x.type.dtype))


def _with_extents(body: Program, layout: Layout) -> Program:
    """The body with the leaf's sizes in it: a tile cannot count what it is a part of."""
    return body.rewrite(lambda n: const(max(1, layout.elements(n.attr))) if n.op == "extent" else n)
