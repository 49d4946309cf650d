"""Runs the leaf programs of a step by its launch list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optgen.runtime.execution.leaves import Leaf, Result, contributions, finished
from optgen.runtime.execution.target import Executor, Task
from optgen.runtime.vocabulary.launches import Launch, LaunchList, PlacedLeaf
from optgen.runtime.vocabulary.sequence import Mode


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
        in_jnp = {run.leaf for x in launches for run in x.runs if run.kernels[0].kind == "xla"}
        launched = {run.leaf for x in launches for run in x.runs} - in_jnp
        self.launched = [place in launched for place in range(len(leaves))]

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
            if launch.phase == phase and launch.runs[0].kernels[0].kind != "xla":
                self.executor.launch(launch, self._tasks(launch), scalars)

    def _tasks(self, launch: Launch) -> list[Task]:
        return [
            Task(self.placed[run.leaf], run.kernels, run.resident, self.arrays[run.leaf])
            for run in launch.runs
        ]

    def _result(self, place: int) -> Result:
        arrays, slots = self.arrays[place], self.leaves[place].slots
        out = arrays["p" if self.mode == "step" else "update"]
        return out, {name: _shaped(arrays[name], old.shape) for name, old in slots.items()}


def _shaped(array: Any, shape: tuple[int, ...]) -> Any:
    """An array in a shape; tracing a reshape of every slot would take a while."""
    return array if array.shape == shape else array.reshape(shape)
