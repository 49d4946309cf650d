"""A launch on one large leaf, tile by tile; in several sweeps where it stays in VMEM between them.

The grid is sweeps × tiles. The pipeline brings the tiles of an array in the sweep that reads it
first, and sends those of a result in the sweep that writes it last: the first sweep of a resident
leaf runs while it arrives, and the last one while it leaves. Between them its tiles are kept in
scratch. What is small is there as a whole, from the first step to the last.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from optgen.runtime.execution.launches import Task
from optgen.runtime.execution.tpu.block import COMBINE, IDENTITY
from optgen.runtime.execution.tpu.calls import Call
from optgen.runtime.execution.tpu.frame import Frame, padded
from optgen.runtime.execution.tpu.packed import run_whole
from optgen.runtime.execution.tpu.work import (
    Array,
    Work,
    call,
    given,
    keep,
    stacked,
    stored_shape,
)
from optgen.runtime.vocabulary.kernels import Routine

_UNROLLED = 4
"""Tiles of float32 that the compiler needs for values on the way, by the kernels it was given."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """One pass over the tiles.

    Attributes:
      routine: what is done to each tile.
      before: the settling routines that run first.
    """

    routine: Routine
    before: tuple[Routine, ...]


@dataclass(frozen=True, slots=True)
class Course:
    """When the large arrays of a launch move.

    Attributes:
      arrives: in which sweep the tiles of an array are read from memory.
      leaves: in which sweep those of a result are written to it.
      held: the arrays whose tiles a later sweep reads, and which are kept for it.
    """

    arrives: Mapping[str, int]
    leaves: Mapping[str, int]
    held: frozenset[str]


def sweeps_of(work: Work) -> tuple[tuple[Sweep, ...], tuple[Routine, ...]]:
    """The sweeps of a launch, and what settles after the last one."""
    found: list[Sweep] = []
    waiting: list[Routine] = []
    for part in work.parts:
        if part.kind == "settle":
            waiting.append(part)
        else:
            found.append(Sweep(part, tuple(waiting)))
            waiting = []
    return tuple(found), tuple(waiting)


@functools.cache
def course_of(work: Work) -> Course:
    """When the large arrays of a launch move."""
    sweeps, _ = sweeps_of(work)
    reads: dict[str, list[int]] = {}
    writes: dict[str, list[int]] = {}
    for k, sweep in enumerate(sweeps):
        for x in sweep.routine.operands:
            if work.arrays[x.name].small is None:
                if x.access in ("in", "in-out"):
                    reads.setdefault(x.name, []).append(k)
                if x.access != "in":
                    writes.setdefault(x.name, []).append(k)
    arrives = {n: ks[0] for n, ks in reads.items() if work.arrays[n].read}
    leaves = {n: ks[-1] for n, ks in writes.items() if work.arrays[n].written}
    touched = {n: min(reads.get(n, []) + writes.get(n, [])) for n in (*reads, *writes)}
    held = frozenset(n for n, ks in reads.items() if ks[-1] > touched[n])
    return Course(arrives, leaves, held)


def held_bytes(work: Work) -> int:
    """The VMEM that a launch takes: tiles that come and go, tiles that stay, and what is small."""
    course, frame, arrays = course_of(work), work.frame, work.arrays
    tile = {n: padded(frame.tile, _size(x)) * _size(x) for n, x in arrays.items()}
    moving = sum(2 * tile[n] for n in (*course.arrives, *course.leaves))
    staying = sum(
        padded(_held_shape(frame), _size(arrays[n])) * _size(arrays[n]) for n in course.held
    )
    small = sum(x.small.bytes for x in work.arrays.values() if x.small)
    return moving + staying + small + _UNROLLED * 4 * padded(frame.tile, 4)


def _held_shape(frame: Frame) -> tuple[int, ...]:
    """The shape of all tiles of an array, told apart by a dimension that is not in registers."""
    rank_two = frame.tile if len(frame.tile) > 1 else (1, *frame.tile)
    return (frame.tiles, *rank_two)


def _size(x: Array) -> int:
    return jnp.dtype(x.dtype).itemsize


def launch_tiled(
    name: str,
    functions: Mapping[str, Callable[..., Any]],
    task: Task,
    work: Work,
    scalars: Mapping[str, Any],
    pallas: Call,
) -> None:
    """Runs the routines of a leaf.

    Args:
      name: what the kernel is called.
      functions: the emitted functions.
      task: the leaf.
      work: what is done to it.
      scalars: what is the same for all leaves.
      pallas: calls Pallas.
    """
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import tpu as pltpu

    frame, course = work.frame, course_of(work)
    sweeps, after = sweeps_of(work)
    arrays = work.arrays
    held_shape = _held_shape(frame)[1:]
    small = {n: x.small for n, x in arrays.items() if x.small}
    large_in, large_out = list(course.arrives), list(course.leaves)
    small_in = [n for n in small if arrays[n].read]
    small_out = [n for n in small if arrays[n].written]

    def kernel(*refs: Any) -> None:
        take = iter(refs)
        given_scalars = next(take)
        sources = {n: next(take) for n in large_in}
        stored = {n: next(take) for n in small_in}
        targets = {n: next(take) for n in large_out}
        made = {n: next(take) for n in small_out}
        kept = {n: next(take) for n in sorted(course.held)}
        scratch = {n: next(take) for n in small}
        numbers = {s: given_scalars[i] for i, s in enumerate(work.scalars)}
        ids = [pl.program_id(1 + d) for d in range(len(frame.dims))]
        tile: Any = 0
        for number, count in zip(ids, frame.counts, strict=True):
            tile = tile * count + number
        begins, ends = tile == 0, tile == frame.tiles - 1
        inside = {
            d: n - ids[d] * t
            for d, (n, t) in enumerate(zip(frame.dims, frame.tile, strict=True))
            if n % t
        }

        def settle(routines: Sequence[Routine]) -> None:
            for part in routines:
                values = {
                    x.name: small[x.name].gather(scratch[x.name])
                    for x in part.operands
                    if x.access in ("in", "in-out")
                }
                run_whole(work, [part], functions, values, numbers)
                for x in part.operands:
                    if x.access != "in":
                        small[x.name].scatter(scratch[x.name], values[x.name])

        def read(n: str, k: int) -> Any:
            if n in small:
                return small[n].read(scratch[n], ids)
            if course.arrives.get(n) == k:
                return sources[n][...].astype(jnp.float32)
            return kept[n][tile].astype(jnp.float32).reshape(frame.tile)

        def write(n: str, k: int, value: Any) -> None:
            value = jnp.broadcast_to(value, frame.tile).astype(arrays[n].dtype)
            if course.leaves.get(n) == k:
                targets[n][...] = value
            if n in course.held:
                kept[n][tile] = value.reshape(held_shape)

        def sweep(k: int) -> None:
            part = sweeps[k].routine
            partial = [x for x in part.operands if x.access == "partial"]

            @pl.when(begins)
            def _() -> None:
                settle(sweeps[k].before)
                for x in partial:
                    scratch[x.name][...] = jnp.full(
                        scratch[x.name].shape, IDENTITY[str(x.combine)], jnp.float32
                    )

            values = {x.name: read(x.name, k) for x in part.operands if x.access[:2] == "in"}
            for x in part.operands:  # what arrives, and is not replaced at once, is kept
                if x.name in course.held and course.arrives.get(x.name) == k and x.access == "in":
                    kept[x.name][tile] = sources[x.name][...].reshape(held_shape)
            block = work.block(part, whole=False, inside=inside)
            found = call(functions[part.function], block, part, values, numbers)
            for x in part.operands:
                if x.access == "partial":
                    before = small[x.name].read(scratch[x.name], ids)
                    total = COMBINE[str(x.combine)](before, found[x.name])
                    small[x.name].write(scratch[x.name], ids, total)
                elif x.access != "in":
                    write(x.name, k, found[x.name])

        @pl.when(begins & (pl.program_id(0) == 0))
        def _() -> None:
            for n in small_in:
                small[n].load(stored[n], scratch[n])

        for k in range(len(sweeps)):
            if len(sweeps) == 1:
                sweep(k)
            else:
                pl.when(pl.program_id(0) == k)(functools.partial(sweep, k))

        @pl.when(ends & (pl.program_id(0) == len(sweeps) - 1))
        def _() -> None:
            settle(after)
            for n in small_out:
                small[n].store(scratch[n], made[n])

    def tiles(k: int) -> pl.BlockSpec:
        """Tile by tile in one sweep; before it the first tile waits, after it the last."""

        def index(sweep: Any, *ids: Any) -> tuple[Any, ...]:
            if len(sweeps) == 1:
                return ids
            return tuple(
                jnp.where(sweep < k, 0, jnp.where(sweep > k, count - 1, i))
                for i, count in zip(ids, frame.counts, strict=True)
            )

        return pl.BlockSpec(frame.tile, index)

    def whole(n: str) -> pl.BlockSpec:
        shape = stored_shape(arrays[n], frame)
        return pl.BlockSpec(shape, lambda *_: (0,) * len(shape))

    reads, writes = [*large_in, *small_in], [*large_out, *small_out]
    independent = len(sweeps) == 1 and not small  # and so may be shared by two cores
    outputs = pallas(
        kernel,
        [stacked(work.scalars, scalars)] + [given(arrays[n], frame, task.arrays[n]) for n in reads],
        name=name,
        vmem=held_bytes(work),
        grid=(len(sweeps), *frame.counts),
        parallel=(False, *(independent for _ in frame.counts)),
        out_shape=[
            jax.ShapeDtypeStruct(stored_shape(arrays[n], frame), jnp.dtype(arrays[n].dtype))
            for n in writes
        ],
        in_specs=[
            pl.BlockSpec(memory_space=pltpu.SMEM),
            *(tiles(course.arrives[n]) for n in large_in),
            *(whole(n) for n in small_in),
        ],
        out_specs=[
            *(tiles(course.leaves[n]) for n in large_out),
            *(whole(n) for n in small_out),
        ],
        scratch_shapes=[
            *(
                pltpu.VMEM(_held_shape(frame), jnp.dtype(arrays[n].dtype))
                for n in sorted(course.held)
            ),
            *(pltpu.VMEM(x.scratch_shape, jnp.float32) for x in small.values()),
        ],
        lasting=[False, *(arrays[n].purpose in ("leaf", "temporary") for n in reads)],
        input_output_aliases={1 + i: writes.index(n) for i, n in enumerate(reads) if n in writes},
    )
    for n, x in zip(writes, outputs, strict=True):
        keep(arrays[n], frame, task, x)
