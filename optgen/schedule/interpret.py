"""Runs a launch list in NumPy as a target would: launch by launch, tile by tile, and in place.

It is what a sequence means, and the proof that none reads what it has overwritten, or what does
not live long enough: every part of a reduction is computed by itself and combined afterwards,
and a buffer that no later kernel reads is gone when its launch ends.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeAlias

import numpy as np

from optgen.ir.build import const
from optgen.ir.evaluate import Dtypes, Inputs, evaluate
from optgen.ir.ops import IDENTITY_OF_REDUCTION
from optgen.ir.program import Program
from optgen.ir.types import LEAF, SCALAR, Axes
from optgen.runtime.vocabulary.launches import LaunchList, PlacedLeaf, Run
from optgen.runtime.vocabulary.sequence import Kernel, Operand
from optgen.runtime.vocabulary.view import Layout, along
from optgen.schedule.sequence import section

Array: TypeAlias = np.ndarray[Any, Any]
Scalars = Callable[[int, Sequence[Mapping[str, float]]], Mapping[str, float]]
Tile = tuple[slice, ...]

_COMBINE = {"sum": np.add, "max": np.maximum, "min": np.minimum}


class Planned(Protocol):
    """Leaves, and what is launched for them, as in a ``Plan``."""

    @property
    def leaves(self) -> Sequence[PlacedLeaf]:
        """The leaves with their kernel sequences."""

    @property
    def launches(self) -> LaunchList:
        """Launches of the plan, in order."""


def interpret(
    plan: Planned,
    bodies: Mapping[str, Program],
    arrays: Sequence[Mapping[str, Array]],
    scalars: Scalars,
    tile: int | None = None,
) -> list[dict[str, Array]]:
    """Runs the launches of a plan.

    Args:
      plan: the leaves and the launches.
      bodies: what each function computes, by its name, over the dimensions of a view.
      arrays: for each leaf what the programs load, by name. They are copied first.
      scalars: called before each phase with its number and with what each leaf has contributed
        so far; returns all the scalars that the phase's kernels may read.
      tile: the extent of a tile along each dimension that a kernel may be cut along: those of a
        sweep's view, and those of which a finalize computes every index by itself. None for
        whole leaves.

    Returns:
      For each leaf by name the arrays that outlive the launches, flat, and its contributions.
    """
    buffers = [{name: np.array(x).reshape(-1) for name, x in of_leaf.items()} for of_leaf in arrays]
    contributed: list[dict[str, float]] = [{} for _ in plan.leaves]
    phase, values = 0, scalars(0, contributed)
    for launch in plan.launches:
        while phase < launch.phase:
            phase += 1
            values = scalars(phase, contributed)
        for run in launch.runs:
            _run(run, plan.leaves[run.leaf], bodies, buffers[run.leaf], values, tile)
            for name in _contributions(run):
                contributed[run.leaf][name] = float(buffers[run.leaf][name][0])
    return buffers


def _contributions(run: Run) -> Iterator[str]:
    for kernel in run.kernels:
        yield from (x.name for x in kernel.operands if x.lifetime == "contribution")


def _run(
    run: Run,
    leaf: PlacedLeaf,
    bodies: Mapping[str, Program],
    buffers: dict[str, Array],
    scalars: Mapping[str, float],
    tile: int | None,
) -> None:
    """Runs the kernels of a launch on one leaf, and forgets what no later kernel reads."""
    sequence = leaf.holder(run.kernels[-1])
    dtypes = Dtypes(*sequence.dtypes)
    for kernel in run.kernels:
        layout = leaf.layout(kernel)
        body = _with_extents(bodies[kernel.function], layout)
        _KernelOnLeaf(kernel, body, layout, dtypes, buffers, scalars).run(tile)
    later = sequence.read_after(run.kernels[-1])
    for x in {x.name: x for kernel in run.kernels for x in kernel.operands}.values():
        if x.lifetime in ("temporary", "statistic") and x.name not in later:
            buffers.pop(x.name, None)


class _KernelOnLeaf:
    """One kernel on one leaf."""

    def __init__(
        self,
        kernel: Kernel,
        body: Program,
        layout: Layout,
        dtypes: Dtypes,
        buffers: dict[str, Array],
        scalars: Mapping[str, float],
    ) -> None:
        self.kernel, self.body, self.layout, self.dtypes = kernel, body, layout, dtypes
        self.buffers, self.scalars = buffers, scalars
        self.operands = {x.name: x for x in kernel.operands}

    def run(self, tile: int | None) -> None:
        """Runs the body on every tile, and combines the parts of reductions."""
        parts: dict[str, Array] = {}
        for x in self.kernel.operands:
            if x.partial:
                identity = IDENTITY_OF_REDUCTION[x.buffer.combine or ""]
                parts[x.name] = np.full(self.array_shape(x.axes), identity, np.float64)
            if not x.read:  # nothing of it may be read before it is written
                self.buffers[x.name] = np.full(
                    self.layout.elements(x.axes), np.nan, self.dtypes.numpy(x.dtype)
                )
        for body, window in self.pieces(tile):
            self.run_piece(body, window, parts)
        leaf_window = tuple(slice(0, extent) for extent in self.layout.extents)
        for name, whole in parts.items():
            self.window(self.operands[name], leaf_window)[...] = whole

    def pieces(self, tile: int | None) -> Iterator[tuple[Program, Tile]]:
        """Pieces that run in any order: tiles of a sweep, and independent parts of a finalize."""
        kernel, dimensions = self.kernel, len(self.layout.extents)
        if kernel.kind == "xla" or tile is None:
            yield self.body, next(self.tiles((), 1))
        elif kernel.kind == "sweep":
            yield from ((self.body, window) for window in self.tiles(range(dimensions), tile))
        elif kernel.item.independent != LEAF:
            independent = along(kernel.item.independent, dimensions)
            yield from ((self.body, window) for window in self.tiles(independent, tile))
        else:
            for axes in dict.fromkeys(map(section, self.body.outputs)):
                same = tuple(o for o in self.body.outputs if section(o) == axes)
                body = replace(self.body, outputs=same)
                cut = along(axes, dimensions)
                yield from ((body, window) for window in self.tiles(cut, tile))

    def tiles(self, cut: Sequence[int], tile: int) -> Iterator[Tile]:
        """Tiles of a leaf that is cut along some dimensions."""
        ranges = []
        for dimension, extent in enumerate(self.layout.extents):
            step = tile if dimension in cut else max(1, extent)
            # Of an empty leaf there are only whole kernels: they have small values to store.
            starts = range(0, extent, step) if dimension in cut else (0,)
            ranges.append([slice(start, min(extent, start + step)) for start in starts])
        return itertools.product(*ranges)

    def run_piece(self, body: Program, window: Tile, parts: Mapping[str, Array]) -> None:
        """Computes a piece, and stores it where it is or adds it to the parts."""
        loads = {n.attr: self.window(self.operands[n.attr], window) for n in body.find("load")}
        shape = tuple(s.stop - s.start for s in window)
        inputs = Inputs(loads, scalars=self.scalars, shape=shape, dtypes=self.dtypes)
        for name, value in evaluate(body, inputs).items():
            x = self.operands[name]
            if x.partial:
                part = parts[name][self.index(x.axes, window)]
                part[...] = _COMBINE[x.buffer.combine or ""](part, value)
            else:
                self.window(x, window)[...] = value

    def window(self, x: Operand, window: Tile) -> Array:
        """The part of an array that belongs to a tile, as a view of its buffer."""
        buffer, strides = self.buffers[x.name], self.layout.strides(x.axes)
        whole = np.lib.stride_tricks.as_strided(
            buffer,
            self.array_shape(x.axes),
            [] if x.axes == SCALAR else [s * buffer.itemsize for s in strides],
        )
        return whole[self.index(x.axes, window)]

    def array_shape(self, axes: Axes) -> tuple[int, ...]:
        """The extents of an array in the view, 1 along what it does not vary along."""
        if axes == SCALAR:
            return ()
        varies = along(axes, len(self.layout.extents))
        return tuple(e if d in varies else 1 for d, e in enumerate(self.layout.extents))

    def index(self, axes: Axes, window: Tile) -> Any:
        """Index of a tile in an array that varies along these dimensions."""
        if axes == SCALAR:
            return ...
        varies = along(axes, len(self.layout.extents))
        return tuple(s if d in varies else slice(None) for d, s in enumerate(window))


def _with_extents(body: Program, layout: Layout) -> Program:
    """The body with the leaf's sizes in it: a tile cannot count what it is a part of."""
    return body.rewrite(lambda n: const(max(1, layout.elements(n.attr))) if n.op == "extent" else n)
