"""Implementations of a step that can be timed, and the work that they step over."""

from __future__ import annotations

import abc
import dataclasses
import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from optgen.tools import workloads


@dataclasses.dataclass(frozen=True)
class Work:
    """One tree to step over, with the arrays that every contestant starts from.

    Attributes:
      name: as the user gave it.
      tree: a pytree of `jax.ShapeDtypeStruct`.
    """

    name: str
    tree: workloads.Tree

    def parameters(self) -> workloads.Tree:
        """Returns fresh NumPy parameters, the same at every call."""
        return workloads.materialise(self.tree)

    def gradients(self) -> workloads.Tree:
        """Returns fresh NumPy gradients, the same at every call."""
        return workloads.gradients(self.tree)

    @functools.cached_property
    def jax_gradients(self) -> workloads.Tree:
        """The gradients on JAX's device; shared by contestants, because none donates them."""
        return jax.tree.map(jnp.array, self.gradients())

    @property
    def dtype(self) -> str:
        """The dtype of the leaves; those of a mixed tree, joined."""
        return "+".join(sorted({str(jnp.dtype(x.dtype)) for x in jax.tree.leaves(self.tree)}))

    @property
    def size(self) -> int:
        """The number of elements of all leaves."""
        return workloads.parameters(self.tree)


@dataclasses.dataclass(frozen=True)
class Costs:
    """Seconds of each phase before the first step, and bytes held while stepping.

    The phases run in one process, where a contestant may find what an earlier one left in JAX's
    caches.
    `peak_bytes` is XLA's own account of the compiled step: arguments, results and temporaries.
    """

    build: float | None = None
    trace: float | None = None
    lower: float | None = None
    compile: float | None = None
    peak_bytes: int | None = None


class Contestant(abc.ABC):
    """One implementation of a step, to be timed.

    Attributes:
      name: unique among the contestants of a case.
      protocol: "step" for a step of its own, "update" for an optax `update` and `apply_updates`.
      ours: whether it is optgen's.
    """

    name: str
    protocol: str = "step"
    ours: bool = False

    def memory(self, work: Work) -> int:
        """Returns an estimate of the bytes that it will hold, besides JAX's gradients.

        Asked before `prepare`, when state may still be left out, and again after it.
        """
        return 0

    @abc.abstractmethod
    def prepare(self, work: Work) -> Costs:
        """Builds and compiles the step, and allocates nothing."""

    @abc.abstractmethod
    def allocate(self, work: Work) -> None:
        """Makes parameters and state; comes after `prepare`, before the first step."""

    @abc.abstractmethod
    def step(self) -> None:
        """Takes one step, or puts it in the device's queue."""

    def take(self, count: int) -> None:
        """Takes so many steps, or puts them in the device's queue."""
        for _ in range(count):
            self.step()

    @abc.abstractmethod
    def wait(self) -> None:
        """Returns when every step that was taken is done."""

    def state(self, work: Work) -> workloads.Tree | None:
        """Returns the shapes of its state, once prepared, or None where it does not tell."""
        return None

    def plan(self, work: Work) -> tuple[float, float] | None:
        """Returns the bytes for each parameter that its plan (reads, writes), once prepared."""
        return None

    def launches(self, work: Work) -> int | None:
        """Returns how many operations XLA runs in a step, once prepared, or None where unknown."""
        return None

    def current(self) -> Iterator[np.ndarray] | None:
        """Yields the parameters leaf by leaf, or is None where it keeps none."""
        return None

    @abc.abstractmethod
    def release(self) -> None:
        """Frees what `allocate` made; it may not have been called, or may have failed."""
