"""Targets: one record for each, with everything that differs between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from optgen.runtime.vocabulary.launches import Launch, MakeLaunches, PlacedLeaf
from optgen.runtime.vocabulary.machine import Limits, Machine
from optgen.runtime.vocabulary.module import Kernels
from optgen.runtime.vocabulary.sequence import Kernel, Operand


@dataclass(frozen=True)
class Task:
    """A leaf in a launch.

    Attributes:
      leaf: the leaf.
      kernels: the kernels that run on it, in order.
      resident: True where it stays on chip between them.
      arrays: its arrays by name. A launch replaces them by its results: an array of the leaf by
        one of the same shape, any other by a value that the executor alone reads back.
    """

    leaf: PlacedLeaf
    kernels: tuple[Kernel, ...]
    resident: bool
    arrays: dict[str, Any]


class Executor(Protocol):
    """Executes the launches of one step, while it is traced."""

    def launch(self, launch: Launch, tasks: Sequence[Task], scalars: Mapping[str, Any]) -> None:
        """Executes a launch: its runs are the tasks."""

    def statistic(self, leaf: PlacedLeaf, kernel: Kernel, x: Operand, value: Any) -> Any:
        """Returns a statistic as ``jnp`` functions read it: with extent 1 along reduced axes.

        Args:
          leaf: the leaf.
          kernel: the kernel in ``jnp`` that reads it.
          x: its operand.
          value: the entry in the ``arrays`` of a task.
        """

    def contributed(self, values: Sequence[Any]) -> list[Any]:
        """Returns arrays whose elements are combined to a reduction over the tree.

        Args:
          values: the entries for one contribution in the ``arrays`` of tasks.
        """


@dataclass(frozen=True)
class UnrunStep:
    """A step that is compiled for a reader, and not run.

    Attributes:
      kernels: the emitted kernels of the target.
      leaves: arrays, or ``jax.ShapeDtypeStruct``.
      executed_by: returns a function of the leaves, which makes their state and takes a step with
        an executor; for ``jax.eval_shape`` or ``jax.jit``.
      compute_capability: of a GPU, as in 9.0; None for what the environment names.
    """

    kernels: Kernels
    leaves: list[Any]
    executed_by: Callable[[Executor], Callable[[list[Any]], Any]]
    compute_capability: float | None = None


@dataclass(frozen=True)
class Target:
    """A target.

    Attributes:
      name: its name in ``target=``.
      platform: JAX's name of the platform that it is lowered for; empty where it serves all.
      backend: JAX's name of the backend of that platform.
      unavailable: returns the reason for which it cannot serve in this process, or None.
      launches: makes the launch list of a tree.
      limits: returns the limits of launches on this machine.
      executor: makes the executor of kernels, interpreted or not; None where XLA compiles
        everything.
      machines: the machines that it serves, by name.
      prepare: compiles kernels before anything is lowered; None where lowering compiles them.
      forms: what a compiler makes of its kernels, as ``optgen show --ir`` calls it.
      listing: returns one of these forms of a step, as text; it needs no accelerator.
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
    forms: tuple[str, ...] = ()
    listing: Callable[[str, UnrunStep], str] | None = None
