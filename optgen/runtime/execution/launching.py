"""Runs the leaf programs of a step by its launch list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optgen.runtime.execution.leaves import Leaf, Result, contributions, finished, result_dtype
from optgen.runtime.execution.target import Executor, Task
from optgen.runtime.vocabulary.launches import Launch, LaunchList, PlacedLeaf
from optgen.runtime.vocabulary.sequence import RESULT, Kernel, Mode, Operand


class Launching:
    """Executes a launch list; leaves that are left to XLA are run in ``jnp`` beside it.

    Attributes:
      launches: the launch list.
      placed: the leaves with their kernel sequences.
    """

    def __init__(
        self,
        launches: LaunchList,
        placed: Sequence[PlacedLeaf],
        leaves: Sequence[Leaf],
        mode: Mode,
        executor: Executor,
    ) -> None:
        self.launches, self.placed, self.leaves = launches, placed, leaves
        self.mode, self.executor = mode, executor
        self.arrays = [dict(leaf.arrays) for leaf in leaves]
        self.next_phase = 0
        runs = [run for launch in launches for run in launch.runs]
        self.launched = [False] * len(leaves)
        for run in runs:
            self.launched[run.leaf] |= run.kernels[0].kind != "xla"

    def contribute(self, phase: int, scalars: Mapping[str, Any]) -> dict[str, list[Any]]:
        """See ``Execution``."""
        others = [x for x, launched in zip(self.leaves, self.launched, strict=True) if not launched]
        values = contributions(others, [x.variant.partials for x in others], phase, scalars)
        self._launch(phase, scalars)
        launched: dict[str, list[Any]] = {}
        for place, leaf in enumerate(self.placed):
            if self.launched[place]:
                for name in leaf.sequence.contributions(phase):
                    launched.setdefault(name, []).append(self.arrays[place][name])
        for name, arrays in launched.items():
            values[name] = [*values.get(name, []), *self.executor.contributed(arrays)]
        return values

    def finish(self, scalars: Mapping[str, Any]) -> list[Result]:
        """See ``Execution``."""
        last = max((launch.phase for launch in self.launches), default=0)
        for phase in range(self.next_phase, last + 1):  # none where all was done in earlier ones
            self._launch(phase, scalars)
        return [
            self._result(place) if launched else finished(self.leaves[place], scalars, self.mode)
            for place, launched in enumerate(self.launched)
        ]

    def _launch(self, phase: int, scalars: Mapping[str, Any]) -> None:
        self.next_phase = phase + 1
        for launch in self.launches:
            (first, *_) = launch.runs[0].kernels
            if launch.phase != phase:
                continue
            if first.ends_update:
                for run in launch.runs:
                    self._end_update(run.leaf, first, scalars)
            elif first.kind != "xla":
                self.executor.launch(launch, self._tasks(launch), scalars)

    def _tasks(self, launch: Launch) -> list[Task]:
        return [
            Task(self.placed[run.leaf], run.kernels, run.resident, self.arrays[run.leaf])
            for run in launch.runs
        ]

    def _end_update(self, place: int, kernel: Kernel, scalars: Mapping[str, Any]) -> None:
        """Computes the last sweep of an update in ``jnp``."""
        leaf, arrays = self.leaves[place], self.arrays[place]
        read = {x.name: self._whole(place, kernel, x) for x in kernel.operands if x.read}
        arrays |= leaf.call(leaf.variant.function(kernel.function), scalars, read)

    def _whole(self, place: int, kernel: Kernel, x: Operand) -> Any:
        """An array of a leaf as ``jnp`` functions have it."""
        array = self.arrays[place][x.name]
        if x.lifetime == "statistic":
            return self.executor.statistic(self.placed[place], kernel, x, array)
        return _shaped(array, self.placed[place].reduced_shape(x))

    def _result(self, place: int) -> Result:
        leaf, arrays = self.leaves[place], self.arrays[place]
        out = arrays[RESULT[self.mode]].astype(result_dtype(leaf, self.mode))
        return out, {n: _shaped(arrays[n], old.shape) for n, old in leaf.slots.items()}


def _shaped(array: Any, shape: tuple[int, ...]) -> Any:
    """An array in a shape; tracing a reshape of every slot would take a while."""
    return array if array.shape == shape else array.reshape(shape)
