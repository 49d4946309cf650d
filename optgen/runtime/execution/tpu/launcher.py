"""Launches emitted Pallas kernels on the leaves of a bucket."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp

from optgen.runtime.execution.launches import Task
from optgen.runtime.execution.load import load_module
from optgen.runtime.execution.tpu import chip, packed, tiled
from optgen.runtime.execution.tpu.calls import Call
from optgen.runtime.execution.tpu.choice import chosen, work_of
from optgen.runtime.execution.tpu.work import Work, given, keep
from optgen.runtime.vocabulary.kernels import Chain, Kernels


class TpuLauncher:
    """See ``Launcher``.

    Attributes:
      kernels: what was emitted.
      pallas: what calls Pallas: ``calls.lowered`` or ``calls.interpreted``.
      together: small leaves share a launch whatever is done to them.
    """

    together = True

    def __init__(self, kernels: Kernels, pallas: Call) -> None:
        self.kernels, self.pallas = kernels, pallas

    def choose(self, chains: Sequence[Chain], shape: tuple[int, ...]) -> Chain | None:
        """The chain, in one launch for each phase where the leaf stays in VMEM.

        None where a leaf is a single number, or its statistics alone take too much VMEM.
        """
        return chosen(chains[0], shape, chip.room()) if chains else None

    def contributed(self, values: Sequence[Any]) -> list[Any]:
        """Each array once: it holds what all leaves of a launch contribute."""
        return list({id(x): x for x in values}.values())

    def launch(self, tasks: Sequence[Task], scalars: Mapping[str, Any]) -> None:
        """Runs small leaves together, and each large one by itself."""
        works = [(task, work_of(task.routine, task.shape)) for task in tasks]
        functions, name = vars(_module(self.kernels)), f"optgen_{self.kernels.name}"
        small = [(task, work) for task, work in works if packed.packable(work)]
        for pack in packed.packs(small, chip.room()):
            packed.launch_packed(f"{name}_small_leaves", functions, pack, scalars, self.pallas)
        for task, work in works:
            if packed.packable(work):
                continue
            routine = task.routine
            if routine.kind == "settle":
                _settle(functions, task, work, scalars)
            else:
                kernel = f"{name}_{routine.function}"
                tiled.launch_tiled(kernel, functions, task, work, scalars, self.pallas)


def _settle(
    functions: Mapping[str, Any], task: Task, work: Work, scalars: Mapping[str, Any]
) -> None:
    """Computes small values of a large leaf; XLA fuses them."""
    numbers = {name: scalars[name].astype(jnp.float32) for name in work.scalars}
    values = {
        x.name: x.small.raise_(given(x, work.frame, task.arrays[x.name]).astype(jnp.float32))
        for x in work.arrays.values()
        if x.read and x.small
    }
    packed.run_whole(work, work.parts, functions, values, numbers)
    for x in work.arrays.values():
        if x.written and x.small:
            keep(x, work.frame, task, x.small.lay(values[x.name]).astype(x.dtype))


@functools.cache
def _module(kernels: Kernels) -> Any:
    return load_module(f"{kernels.name}_{kernels.target}", kernels.text)
