"""Which launches serve a leaf; the planner asks here too, so that what is planned is what runs."""

from __future__ import annotations

import functools
import math
from dataclasses import replace

import jax.numpy as jnp

from optgen.runtime.execution.tpu import packed, tiled
from optgen.runtime.execution.tpu.frame import frame_of
from optgen.runtime.execution.tpu.work import Run, Work
from optgen.runtime.vocabulary.kernels import Chain, Routine


def chosen(chain: Chain, shape: tuple[int, ...], room: int) -> Chain | None:
    """The launches that serve a leaf, as ``Run``, or None where none do.

    A leaf is packed with others where it is small. Else it stays in VMEM throughout a phase where
    it fits, and has each routine to itself where it does not.

    Args:
      chain: the routines of the leaf.
      shape: its shape.
      room: the vector memory that a launch may take, in bytes.
    """
    if math.prod(shape) <= 1:  # nothing to do, or a single number, which XLA computes on the side
        return None
    phases = dict.fromkeys(routine.phase for routine in chain.routines)
    runs: list[Run] = []
    for phase in phases:
        parts = tuple(routine for routine in chain.routines if routine.phase == phase)
        whole = _run(chain, parts)
        if packed.packable(work_of(whole, shape)) or _resident(work_of(whole, shape), room):
            runs.append(whole)
            continue
        each = [_run(chain, (part,)) for part in parts]
        if not all(run.kind == "settle" or _fits(work_of(run, shape), room) for run in each):
            return None
        runs.extend(each)
    return replace(chain, routines=tuple(runs))


def _resident(work: Work, room: int) -> bool:
    """Whether a leaf had better stay in VMEM between the routines of a phase."""
    sweeps = any(part.kind != "settle" for part in work.parts)
    return len(work.parts) > 1 and sweeps and _fits(work, room)


def _fits(work: Work, room: int) -> bool:
    return tiled.held_bytes(work) <= room


@functools.cache
def _run(chain: Chain, parts: tuple[Routine, ...]) -> Run:
    """Routines of a chain as one launch."""
    last = chain.routines.index(parts[-1])
    later = [x for routine in chain.routines[last + 1 :] for x in routine.operands]
    return Run(
        function="_to_".join(dict.fromkeys((parts[0].function, parts[-1].function))),
        phase=parts[0].phase,
        kind=parts[0].kind if len(parts) == 1 else "resident",
        view=parts[0].view,
        operands=tuple(x for part in parts for x in part.operands),
        scalars=tuple(dict.fromkeys(name for part in parts for name in part.scalars)),
        parts=parts,
        kept=frozenset(x.name for x in later if x.access in ("in", "in-out")),
        itemsize=jnp.dtype(chain.dtypes[0]).itemsize,
    )


@functools.cache
def work_of(routine: Routine, shape: tuple[int, ...]) -> Work:
    """What a launch does to a leaf of this shape."""
    assert isinstance(routine, Run)
    return Work(frame_of(shape, routine.itemsize), routine.parts, routine.kept)
