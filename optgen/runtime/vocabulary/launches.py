"""Launch lists: what a step of one tree runs, and the bytes that it moves.

A target makes the list of the leaves' kernel sequences and the limits of a machine (see
``optgen.runtime.execution.targets``); the runtime executes it, and ``explain``, ``tune`` and the
benchmark read it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import ml_dtypes  # noqa: F401  (registers bfloat16 with NumPy)
import numpy as np

from optgen.runtime.vocabulary.machine import Limits
from optgen.runtime.vocabulary.sequence import Kernel, KernelSequence, Operand
from optgen.runtime.vocabulary.view import Groups, Layout, layout


@dataclass(frozen=True)
class PlacedLeaf:
    """A leaf of a tree, and what is done to it.

    Attributes:
      sequence: its kernel sequence; that of ``jnp`` functions where kernels do not serve it.
      shape: its shape.
      groups: the axes of each dimension of the sequence's view.
      portable: the sequence of the ``jnp`` functions, for a target that finds that its kernels
        do not serve a leaf of this shape.
    """

    sequence: KernelSequence
    shape: tuple[int, ...]
    groups: Groups
    portable: KernelSequence

    @property
    def empty(self) -> bool:
        """It has no elements."""
        return 0 in self.shape

    @property
    def size(self) -> int:
        """Number of its elements."""
        return math.prod(self.shape)

    def layout(self, kernel: Kernel) -> Layout:
        """Where its elements are in the dimensions in which a kernel sees it."""
        return layout(() if kernel.flat else self.groups, self.shape)

    def bytes(self, kernel: Kernel, x: Operand) -> int:
        """The size of an operand."""
        return self.layout(kernel).elements(x.axes) * np.dtype(x.dtype).itemsize

    @property
    def least_bytes(self) -> int:
        """Bytes moved by a step that reads and writes every array of the leaf once."""
        least: dict[str, int] = {}
        for kernel in self.portable.kernels:
            for x in kernel.operands:
                if x.lifetime == "leaf":
                    moved = self.bytes(kernel, x) * (x.read + x.written)
                    least[x.name] = max(least.get(x.name, 0), moved)
        return sum(least.values())


@dataclass(frozen=True)
class Run:
    """The kernels that a launch runs on one leaf.

    Attributes:
      leaf: its place in the list of leaves.
      kernels: in their order.
      resident: whether the leaf stays on chip between them, so that each array is moved once.
    """

    leaf: int
    kernels: tuple[Kernel, ...]
    resident: bool = False


@dataclass(frozen=True)
class Launch:
    """One call of the device.

    Attributes:
      phase: the phase of the step.
      runs: what it does, leaf by leaf.
      reason: why XLA compiles it from ``jnp`` instead; empty for a launch of kernels.
    """

    phase: int
    runs: tuple[Run, ...]
    reason: str = ""

    @property
    def by_xla(self) -> bool:
        """XLA compiles it from ``jnp``."""
        return bool(self.reason)

    @property
    def functions(self) -> tuple[str, ...]:
        """The emitted functions that it runs, each once."""
        return tuple(dict.fromkeys(k.function for run in self.runs for k in run.kernels))


LaunchList = tuple[Launch, ...]
MakeLaunches = Callable[[Sequence[PlacedLeaf], Limits], LaunchList]
"""A target's rule for what shares a launch: a pure function of the leaves and the limits."""


@dataclass(frozen=True)
class Traffic:
    """Bytes that are read from and written to memory, by the name of the buffer."""

    reads: Counter[str]
    writes: Counter[str]

    @property
    def total(self) -> int:
        """All bytes."""
        return self.reads.total() + self.writes.total()

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(self.reads + other.reads, self.writes + other.writes)


def traffic(run: Run, leaf: PlacedLeaf) -> Traffic:
    """Bytes that a run moves.

    What programs leave of a reduction is counted once, in however many parts it is: for Adafactor
    on a GPU that is a few hundredths of a byte for each parameter.
    """
    parts = [run.kernels] if run.resident else [(kernel,) for kernel in run.kernels]
    moved = Traffic(Counter(), Counter())
    for kernels in parts:
        moved += _moved_at_once(kernels, leaf)
    return moved


def _moved_at_once(kernels: Sequence[Kernel], leaf: PlacedLeaf) -> Traffic:
    """Bytes of kernels that share what is on chip."""
    reads: Counter[str] = Counter()
    writes: Counter[str] = Counter()
    sequence = leaf.portable if kernels[-1].kind == "xla" else leaf.sequence
    later = sequence.read_after(kernels[-1])
    touched: set[str] = set()
    for kernel in kernels:
        for x in kernel.operands:
            size = leaf.bytes(kernel, x)
            if x.read and x.name not in touched:
                reads[x.name] = size
            if x.written and (x.lifetime in ("leaf", "contribution") or x.name in later):
                writes[x.name] = size
            touched.add(x.name)
    return Traffic(reads, writes)


def launch_traffic(launch: Launch, leaves: Sequence[PlacedLeaf]) -> Traffic:
    """Bytes that a launch moves."""
    moved = Traffic(Counter(), Counter())
    for run in launch.runs:
        moved += traffic(run, leaves[run.leaf])
    return moved


def count_launches(launches: Iterable[Launch]) -> int:
    """Number of launches of kernels; what is left to XLA is at least one for each leaf."""
    return sum(len(x.runs) if x.by_xla else 1 for x in launches)


def left_to_xla(place: int, leaf: PlacedLeaf, reason: str) -> Iterator[Launch]:
    """Launches of a leaf that no kernels serve: one for each phase."""
    for phase in range(leaf.portable.phases):
        if kernels := leaf.portable.of_phase(phase):
            yield Launch(phase, (Run(place, kernels, resident=True),), reason)


def why_left_to_xla(leaf: PlacedLeaf) -> str:
    """Why no target has kernels for a leaf; empty where that is for the target to say."""
    return "it has no elements" if leaf.empty else leaf.sequence.reason


def in_order(launches: Iterable[Launch]) -> LaunchList:
    """Launches in the order in which they run: by phase, what is left to XLA first."""
    return tuple(sorted(launches, key=lambda launch: (launch.phase, not launch.by_xla)))
