"""Runs the leaf programs of a step launch by launch, on an accelerator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from optgen.runtime.execution.leaves import Leaf, Mode, Result, contributions, finished, leaf_dtypes
from optgen.runtime.vocabulary.kernels import Chain, Kernels, Routine


@dataclass(frozen=True, slots=True)
class Task:
    """A leaf in a launch.

    Attributes:
      routine: what is run on it. The routines of a launch differ in their views at most.
      shape: the leaf's shape.
      arrays: its arrays by name. What a launch makes replaces what was there: an array of the
        leaf by one of the same shape, a temporary, statistic or contribution by whatever the
        launcher reads it back from.
    """

    routine: Routine
    shape: tuple[int, ...]
    arrays: dict[str, Any]


class Launcher(Protocol):
    """How a target launches.

    Attributes:
      together: whether a launch may run different functions; else one is for one function.
    """

    together: bool

    def choose(self, chains: Sequence[Chain], shape: tuple[int, ...]) -> Chain | None:
        """The chain that serves a leaf of this shape, if one does."""

    def launch(self, tasks: Sequence[Task], scalars: Mapping[str, Any]) -> None:
        """Runs the routine of each task."""

    def contributed(self, values: Sequence[Any]) -> list[Any]:
        """The arrays whose elements are combined to a reduction over the tree."""


class KernelLeaves:
    """Launches kernels for all leaves that they serve, and runs the others in ``jnp``.

    Leaves that come to the same point of a phase share a launch, if need be those alone that come
    to the same function.
    """

    def __init__(
        self,
        kernels: Kernels,
        assignment: Sequence[int],
        leaves: Sequence[Leaf],
        mode: Mode,
        launcher: Launcher,
    ) -> None:
        self.leaves, self.mode, self.launcher = leaves, mode, launcher
        every: tuple[Chain, ...] = getattr(kernels, mode)
        by_kind: dict[tuple[int, tuple[str, ...]], list[Chain]] = {}
        for chain in every:
            by_kind.setdefault((chain.variant, chain.dtypes), []).append(chain)
        self.chains: list[Chain | None] = []
        for variant, leaf in zip(assignment, leaves, strict=True):
            dtypes = None if leaf.empty else leaf_dtypes(leaf)
            found = by_kind.get((variant, dtypes), []) if dtypes else []
            self.chains.append(launcher.choose(found, tuple(leaf.g.shape)) if found else None)
        self.arrays = [dict(leaf.arrays) for leaf in leaves]

    def contribute(self, phase: int, scalars: Mapping[str, Any]) -> dict[str, list[Any]]:
        """See ``Execution``."""
        others = [leaf for leaf, chain in zip(self.leaves, self.chains, strict=True) if not chain]
        found = contributions(others, [v.variant.partials for v in others], phase, scalars)
        self._run(phase, scalars)
        made: dict[str, list[Any]] = {}
        for i, chain in enumerate(self.chains):
            for routine in _of_phase(chain, phase):
                for x in routine.operands:
                    if x.purpose == "contribution":
                        made.setdefault(x.name, []).append(self.arrays[i][x.name])
        for name, values in made.items():
            found[name] = [*found.get(name, []), *self.launcher.contributed(values)]
        return found

    def finish(self, scalars: Mapping[str, Any]) -> list[Result]:
        """See ``Execution``."""
        last = max((r.phase for c in self.chains if c for r in c.routines), default=0)
        self._run(last, scalars)
        return [
            self._result(i) if chain else finished(leaf, scalars, self.mode)
            for i, (leaf, chain) in enumerate(zip(self.leaves, self.chains, strict=True))
        ]

    def _run(self, phase: int, scalars: Mapping[str, Any]) -> None:
        buckets: dict[tuple[int, str], list[Task]] = {}
        for i, chain in enumerate(self.chains):
            for point, routine in enumerate(_of_phase(chain, phase)):
                task = Task(routine, tuple(self.leaves[i].g.shape), self.arrays[i])
                function = "" if self.launcher.together else routine.function
                buckets.setdefault((point, function), []).append(task)
        for (_, _), tasks in sorted(buckets.items(), key=lambda bucket: bucket[0][0]):
            self.launcher.launch(tasks, scalars)

    def _result(self, i: int) -> Result:
        arrays, slots = self.arrays[i], self.leaves[i].slots
        out = arrays["p" if self.mode == "step" else "update"]
        return out, {name: arrays[name].reshape(old.shape) for name, old in slots.items()}


def _of_phase(chain: Chain | None, phase: int) -> list[Routine]:
    return [r for r in chain.routines if r.phase == phase] if chain else []
