"""Launches emitted Pallas kernels on the leaves of a bucket."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax.numpy as jnp

from optgen.runtime.kernels import Chain, Kernels, Routine
from optgen.runtime.launches import Task
from optgen.runtime.load import load_module
from optgen.runtime.tpu import chip, packed, tiled
from optgen.runtime.tpu.calls import Call
from optgen.runtime.tpu.frame import frame_of
from optgen.runtime.tpu.work import Run, Work, given, keep, size_of


class TpuLauncher:
    """See ``Launcher``.

    Attributes:
      kernels: what was emitted.
      pallas: what calls Pallas: ``calls.lowered`` or ``calls.interpreted``.
    """

    def __init__(self, kernels: Kernels, pallas: Call) -> None:
        self.kernels, self.pallas = kernels, pallas

    def choose(self, chains: Sequence[Chain], shape: tuple[int, ...]) -> Chain | None:
        """The chain, in one launch for each phase where the leaf stays in VMEM.

        None where a leaf is one number, or is a vector that does not fit.
        """
        if not chains or size_of(shape) == 1:
            return None
        return chosen(chains[0], shape, chip.vmem())

    def contributed(self, values: Sequence[Any]) -> list[Any]:
        """Each array once: it holds what all leaves of a launch contribute."""
        return list({id(x): x for x in values}.values())

    def launch(self, tasks: Sequence[Task], scalars: Mapping[str, Any]) -> None:
        """Runs small leaves together, and each large one by itself."""
        works = [(task, _work(task.routine, task.shape)) for task in tasks]
        small = [(task, work) for task, work in works if packed.packable(work)]
        functions = vars(_module(self.kernels))
        for pack in packed.packs(small, chip.vmem()):
            packed.launch_packed(self._name(tasks[0]), functions, pack, scalars, self.pallas)
        for task, work in works:
            if packed.packable(work):
                continue
            if task.routine.kind == "settle":
                _settle(functions, task, work, scalars)
            else:
                tiled.launch_tiled(self._name(task), functions, task, work, scalars, self.pallas)

    def _name(self, task: Task) -> str:
        return f"optgen_{self.kernels.name}_{task.routine.function}"


def chosen(chain: Chain, shape: tuple[int, ...], vmem: int) -> Chain | None:
    """How a leaf of this shape is served by a chain, on a core with so much VMEM."""
    phases = dict.fromkeys(routine.phase for routine in chain.routines)
    runs: list[Run] = []
    for phase in phases:
        parts = tuple(routine for routine in chain.routines if routine.phase == phase)
        whole = _run(chain, parts)
        if packed.packable(_work(whole, shape)) or _resident(_work(whole, shape), vmem):
            runs.append(whole)
            continue
        each = [_run(chain, (part,)) for part in parts]
        if not all(run.kind == "settle" or _fits(_work(run, shape), vmem) for run in each):
            return None
        runs.extend(each)
    return replace(chain, routines=tuple(runs))


def _resident(work: Work, vmem: int) -> bool:
    """Whether a leaf had better stay in VMEM between the routines of a phase."""
    sweeps = any(part.kind != "settle" for part in work.parts)
    return len(work.parts) > 1 and sweeps and _fits(work, vmem)


def _fits(work: Work, vmem: int) -> bool:
    return tiled.held_bytes(work) <= vmem * 3 // 4


@functools.cache
def _run(chain: Chain, parts: tuple[Routine, ...]) -> Run:
    """Routines of a chain as one launch."""
    last = chain.routines.index(parts[-1])
    later = [x for routine in chain.routines[last + 1 :] for x in routine.operands]
    return Run(
        function="_and_".join(part.function for part in parts),
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
def _work(routine: Routine, shape: tuple[int, ...]) -> Work:
    assert isinstance(routine, Run)
    return Work(frame_of(shape, routine.itemsize), routine.parts, routine.kept)


def _settle(
    functions: Mapping[str, Any], task: Task, work: Work, scalars: Mapping[str, Any]
) -> None:
    """Computes small values of a large leaf; XLA fuses them."""
    numbers = {name: scalars[name].astype(jnp.float32) for name in work.scalars}
    values = {
        x.name: x.small.whole(given(x, work.frame, task.arrays[x.name]).astype(jnp.float32))
        for x in work.arrays.values()
        if x.read and x.small
    }
    packed.run_whole(work, work.parts, functions, values, numbers)
    for x in work.arrays.values():
        if x.written and x.small:
            keep(x, work.frame, task, x.small.unwhole(values[x.name]).astype(x.dtype))


@functools.cache
def _module(kernels: Kernels) -> Any:
    return load_module(f"{kernels.name}_{kernels.target}", kernels.text)
