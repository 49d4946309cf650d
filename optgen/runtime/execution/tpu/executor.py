"""Executes the launches of the ``tpu`` target, as its launch list has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp

from optgen.runtime.execution.target import Task
from optgen.runtime.execution.tpu.calls import Call
from optgen.runtime.execution.tpu.packed import launch_packed
from optgen.runtime.execution.tpu.tiled import launch_tiled
from optgen.runtime.execution.tpu.work import Functions, Work, functions_of
from optgen.runtime.vocabulary.launches import Launch, PlacedLeaf
from optgen.runtime.vocabulary.module import Kernels
from optgen.runtime.vocabulary.sequence import Kernel, Operand


class TpuExecutor:
    """See ``Executor``: leaves that share a launch are packed, one by itself is cut into tiles.

    Attributes:
      kernels: what was emitted.
      pallas: what calls Pallas: ``calls.lowered`` or ``calls.interpreted``.
    """

    def __init__(self, kernels: Kernels, pallas: Call) -> None:
        self.kernels, self.pallas = kernels, pallas

    def launch(self, launch: Launch, tasks: Sequence[Task], scalars: Mapping[str, Any]) -> None:
        """Executes a launch."""
        functions, name = functions_of(self.kernels), f"optgen_{self.kernels.name}"
        works = [Work(task.leaf, task.kernels) for task in tasks]
        arrays = [task.arrays for task in tasks]
        if launch.by_xla:
            for work, of_leaf in zip(works, arrays, strict=True):
                _compute_in_xla(functions, work, of_leaf, scalars)
        elif len(works) > 1:
            name = f"{name}_small_leaves"
            launch_packed(name, self.kernels, works, arrays, scalars, self.pallas)
        else:
            first, last = works[0].kernels[0].function, works[0].kernels[-1].function
            name = f"{name}_{'_to_'.join(dict.fromkeys((first, last)))}"
            launch_tiled(name, functions, works[0], arrays[0], scalars, self.pallas)

    def statistic(self, leaf: PlacedLeaf, kernel: Kernel, x: Operand, value: Any) -> Any:
        """Returns a statistic, which lies along lanes."""
        small = Work(leaf, (kernel,)).small(kernel, x)
        assert small is not None
        return small.to_slot(value, leaf.reduced_shape(x))

    def contributed(self, values: Sequence[Any]) -> list[Any]:
        """Each array once: it holds the contributions of all leaves of a launch."""
        return list({id(x): x for x in values}.values())


def _compute_in_xla(
    functions: Functions, work: Work, arrays: dict[str, Any], scalars: Mapping[str, Any]
) -> None:
    """Computes small values of a leaf; XLA fuses them."""
    small = {x.name: (x, x.small) for x in work.moved if x.small is not None}
    values = {
        name: form.from_lanes(x.to_kernel(arrays[name]))
        for name, (x, form) in small.items()
        if x.read
    }
    numbers = {name: scalars[name].astype(jnp.float32) for name in work.scalars}
    work.call_all(work.kernels, functions, values, numbers)
    for name, (x, form) in small.items():
        if x.written:
            arrays[name] = x.from_kernel(form.to_lanes(values[name]), arrays.get(name))
