"""Targets: one record for each, on which hangs everything that differs between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from optgen.runtime.vocabulary.launches import Launch, MakeLaunches, PlacedLeaf
from optgen.runtime.vocabulary.machine import Limits, Machine
from optgen.runtime.vocabulary.module import Kernels
from optgen.runtime.vocabulary.sequence import Kernel


@dataclass(frozen=True)
class Task:
    """A leaf in a launch.

    Attributes:
      leaf: the leaf.
      kernels: what is run on it, in order.
      resident: whether it stays on chip between them.
      arrays: its arrays by name. What a launch computes replaces what was there: an array of the
        leaf by one of the same shape, any other by whatever the executor reads it back from.
    """

    leaf: PlacedLeaf
    kernels: tuple[Kernel, ...]
    resident: bool
    arrays: dict[str, Any]


class Executor(Protocol):
    """Executes the launches of one step, while it is traced."""

    def launch(self, launch: Launch, tasks: Sequence[Task], scalars: Mapping[str, Any]) -> None:
        """Executes a launch: its runs are the tasks."""

    def contributed(self, values: Sequence[Any]) -> list[Any]:
        """Returns arrays whose elements are combined to a reduction over the tree.

        Args:
          values: what launches left in the ``arrays`` of tasks for one contribution.
        """


@dataclass(frozen=True)
class Target:
    """A target.

    Attributes:
      name: what ``target=`` calls it.
      platform: what JAX calls the platform that it serves where it lowers; empty for every one.
      backend: what JAX calls the backend of that platform.
      unavailable: says why it cannot serve in this process; None where it can.
      launches: makes the launch list of a tree.
      limits: of the launches of computations that are lowered here.
      executor: makes what executes launches, of kernels and whether they are interpreted; None
        where XLA compiles everything.
      machines: the machines that it serves, by name.
      prepare: compiles kernels before anything is lowered; None where that waits until then.
    """

    name: str
    platform: str
    backend: str
    unavailable: Callable[[], str | None]
    launches: MakeLaunches
    limits: Callable[[], Limits] = Limits
    executor: Callable[[Kernels, bool], Executor] | None = None
    machines: Callable[[], Mapping[str, Machine]] = dict
    prepare: Callable[[Kernels], None] | None = None
