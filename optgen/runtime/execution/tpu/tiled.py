"""A launch on one leaf, tile by tile; in several sweeps where it stays in VMEM between them.

The grid is sweeps × tiles. The pipeline brings the tiles of an array in the sweep that reads it
first, and sends those of a result in the sweep that writes it last: the first sweep of a resident
leaf runs while it arrives, and the last one while it goes. Between them its tiles are held in
scratch. What is small is there as a whole, from the first step to the last.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from optgen.runtime.execution.tpu.block import COMBINE, IDENTITY
from optgen.runtime.execution.tpu.calls import Call
from optgen.runtime.execution.tpu.frame import Frame
from optgen.runtime.execution.tpu.references import Argument, Bound, References, Result
from optgen.runtime.execution.tpu.sweeps import Sweep, Sweeps, held_shape
from optgen.runtime.execution.tpu.work import Functions, Work
from optgen.runtime.vocabulary.sequence import Kernel, Operand


def launch_tiled(
    name: str,
    functions: Functions,
    work: Work,
    arrays: dict[str, Any],
    scalars: Mapping[str, Any],
    pallas: Call,
) -> None:
    """Runs the kernels of a leaf.

    Args:
      name: what the launch is called.
      functions: the emitted functions.
      work: what is done to the leaf.
      arrays: those of the leaf, by name; results take the place of what was there.
      scalars: what is the same for all leaves.
      pallas: calls Pallas.
    """
    sweeps = Sweeps(work)
    references = _references(sweeps, arrays, {n: scalars[n] for n in work.scalars})
    independent = len(sweeps.sweeps) == 1 and not sweeps.small  # and so may be on two cores
    results = references.launch(
        pallas,
        lambda bound: _Step.now(sweeps, functions, bound).run(),
        name=name,
        vmem=sweeps.vmem,
        grid=(len(sweeps.sweeps), *work.frame.counts),
        parallel=(False, *(independent for _ in work.frame.counts)),
    )
    for array, x in results.items():
        arrays[array] = work.arrays[array].from_kernel(x, arrays.get(array))


def _references(
    sweeps: Sweeps, arrays: Mapping[str, Any], scalars: Mapping[str, Any]
) -> References[str]:
    """Large arrays tile by tile, with those that are held in scratch; small ones as a whole."""
    from jax.experimental.pallas import tpu as pltpu

    references: References[str] = References(scalars)
    large, frame = sweeps.work.arrays, sweeps.work.frame
    for name, k in sweeps.loads.items():
        array = large[name].to_kernel(arrays[name])
        references.arguments[name] = Argument(array, _tiles(sweeps, k), in_hbm=True)
    for name, k in sweeps.stores.items():
        references.results[name] = Result(large[name].shape, _tiles(sweeps, k))
    for name in sweeps.held:
        references.scratch[name] = pltpu.VMEM(held_shape(frame), large[name].dtype)
    for x in sweeps.small:
        assert x.small is not None
        if x.read:
            array, lasts = x.to_kernel(arrays[x.name]), x.operand.lifetime == "leaf"
            references.arguments[x.name] = Argument(array, _whole(x.shape.shape), in_hbm=lasts)
        if x.written:
            references.results[x.name] = Result(x.shape, _whole(x.shape.shape))
        references.scratch[x.name] = pltpu.VMEM(x.small.scratch_shape, x.dtype)
    return references


def _tiles(sweeps: Sweeps, k: int) -> Any:
    """Tile by tile in one sweep; before it the first tile waits, after it the last."""
    from jax.experimental import pallas as pl

    frame = sweeps.work.frame

    def index(sweep: Any, *ids: Any) -> tuple[Any, ...]:
        if len(sweeps.sweeps) == 1:
            return ids
        return tuple(
            jnp.where(sweep < k, 0, jnp.where(sweep > k, count - 1, i))
            for i, count in zip(ids, frame.counts, strict=True)
        )

    return pl.BlockSpec(frame.tile, index)


def _whole(shape: tuple[int, ...]) -> Any:
    from jax.experimental import pallas as pl

    return pl.BlockSpec(shape, lambda *_: (0,) * len(shape))


@dataclass(frozen=True)
class _Step:
    """One step of the grid: a tile in a sweep.

    Attributes:
      sweeps: the sweeps of the launch.
      functions: the emitted functions.
      refs: the references of the launch.
      sweep: the number of the sweep.
      ids: the number of the tile along each dimension.
      tile: its number among all.
    """

    sweeps: Sweeps
    functions: Functions
    refs: Bound[str]
    sweep: Any
    ids: tuple[Any, ...]
    tile: Any

    @classmethod
    def now(cls, sweeps: Sweeps, functions: Functions, refs: Bound[str]) -> _Step:
        """The step at which a kernel is."""
        from jax.experimental import pallas as pl

        frame = sweeps.work.frame
        ids = tuple(pl.program_id(1 + d) for d in range(len(frame.dims)))
        tile: Any = 0
        for number, count in zip(ids, frame.counts, strict=True):
            tile = tile * count + number
        return cls(sweeps, functions, refs, pl.program_id(0), ids, tile)

    @property
    def work(self) -> Work:
        """The kernels and their arrays."""
        return self.sweeps.work

    @property
    def frame(self) -> Frame:
        """The leaf as kernels see it."""
        return self.work.frame

    def run(self) -> None:
        """Small arrays arrive at the first step, each sweep has its steps, and they go."""
        from jax.experimental import pallas as pl

        sweeps = self.sweeps.sweeps
        begins, ends = self.tile == 0, self.tile == self.frame.tiles - 1
        pl.when(begins & (self.sweep == 0))(self._load_small)
        for k, sweep in enumerate(sweeps):
            run = functools.partial(self._run_sweep, k, sweep, begins)
            if len(sweeps) == 1:
                run()
            else:
                pl.when(self.sweep == k)(run)
        pl.when(ends & (self.sweep == len(sweeps) - 1))(self._store_small)

    def _load_small(self) -> None:
        for x in self.sweeps.small:
            if x.small and x.read:
                x.small.load(self.refs.arguments[x.name], self.refs.scratch[x.name])

    def _store_small(self) -> None:
        self._finalize(self.sweeps.after)
        for x in self.sweeps.small:
            if x.small and x.written:
                x.small.store(self.refs.scratch[x.name], self.refs.results[x.name])

    def _run_sweep(self, k: int, sweep: Sweep, begins: Any) -> None:
        from jax.experimental import pallas as pl

        kernel = sweep.kernel
        pl.when(begins)(functools.partial(self._begin_sweep, sweep))
        values = {x.name: self._read(x, k) for x in kernel.operands if x.read}
        self._hold_what_arrives(kernel, k)
        inside = {
            d: n - self.ids[d] * t
            for d, (n, t) in enumerate(zip(self.frame.dims, self.frame.tile, strict=True))
            if n % t
        }
        results = self.work.call(kernel, self.functions, values, self.refs.scalars, inside)
        for x in kernel.operands:
            if x.partial:
                self._accumulate(x, results[x.name])
            elif x.written:
                self._write(x, k, results[x.name])

    def _begin_sweep(self, sweep: Sweep) -> None:
        self._finalize(sweep.before)
        for x in sweep.kernel.operands:
            if x.partial:
                scratch = self.refs.scratch[x.name]
                identity = IDENTITY[str(x.buffer.combine)]
                scratch[...] = jnp.full(scratch.shape, identity, scratch.dtype)

    def _finalize(self, kernels: Sequence[Kernel]) -> None:
        """Computes small values as a whole."""
        for kernel in kernels:
            values = {x.name: self._gathered(x) for x in kernel.operands if x.read}
            results = self.work.call(kernel, self.functions, values, self.refs.scalars)
            for x in kernel.operands:
                small = self.work.arrays[x.name].small
                if small and x.written:
                    small.scatter(self.refs.scratch[x.name], results[x.name])

    def _gathered(self, x: Operand) -> Any:
        small = self.work.arrays[x.name].small
        assert small is not None, "a finalize reads small arrays only"
        return small.gather(self.refs.scratch[x.name])

    def _read(self, x: Operand, k: int) -> Any:
        """The part of an array that a tile of a sweep reads."""
        small = self.work.arrays[x.name].small
        if small:
            return small.read(self.refs.scratch[x.name], self.ids)
        if self.sweeps.loads.get(x.name) == k:
            return self.refs.arguments[x.name][...]
        return self.refs.scratch[x.name][self.tile].reshape(self.frame.tile)

    def _hold_what_arrives(self, kernel: Kernel, k: int) -> None:
        """Keeps the tiles that later sweeps read, and that this one does not replace."""
        for x in kernel.operands:
            arrives = self.sweeps.loads.get(x.name) == k
            if arrives and x.name in self.sweeps.held and not x.written:
                self._hold(x.name, self.refs.arguments[x.name][...])

    def _hold(self, name: str, value: Any) -> None:
        self.refs.scratch[name][self.tile] = value.reshape(held_shape(self.frame)[1:])

    def _write(self, x: Operand, k: int, value: Any) -> None:
        """Replaces a tile of a large array."""
        if self.sweeps.stores.get(x.name) == k:
            self.refs.results[x.name][...] = value
        if x.name in self.sweeps.held:
            self._hold(x.name, value)

    def _accumulate(self, x: Operand, part: Any) -> None:
        """Combines the part of a tile with those before it."""
        small = self.work.arrays[x.name].small
        assert small is not None, "reductions are small"
        scratch = self.refs.scratch[x.name]
        before = small.read(scratch, self.ids)
        small.write(scratch, self.ids, COMBINE[str(x.buffer.combine)](before, part))
