"""Launch lists: the launches of a step of one tree, and the bytes that they move.

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
from optgen.runtime.vocabulary.sequence import RESULT, Buffer, Kernel, KernelSequence, Operand
from optgen.runtime.vocabulary.view import Groups, Layout, layout, reduced_shape


@dataclass(frozen=True)
class PlacedLeaf:
    """A leaf of a tree, and the kernel sequence that serves it.

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
        """True where the leaf has no elements."""
        return 0 in self.shape

    @property
    def size(self) -> int:
        """The number of its elements."""
        return math.prod(self.shape)

    def layout(self, kernel: Kernel) -> Layout:
        """The layout of its elements in the dimensions in which a kernel sees it."""
        return layout(() if kernel.flat else self.groups, self.shape)

    def bytes(self, kernel: Kernel, x: Operand) -> int:
        """The size of an operand."""
        return self.layout(kernel).elements(x.axes) * np.dtype(x.dtype).itemsize

    def reduced_shape(self, x: Operand) -> tuple[int, ...]:
        """The shape of an operand for ``jnp`` functions: extent 1 along the axes it lacks."""
        return reduced_shape(self.shape, self.groups, x.axes)

    def holder(self, kernel: Kernel) -> KernelSequence:
        """The sequence that a kernel is of: emitted kernels and what ends them, or ``jnp``."""
        return self.sequence if kernel in self.sequence.kernels else self.portable

    def operands(self, kernel: Kernel) -> Iterator[Operand]:
        """The operands of a kernel, as they are moved.

        An update is added to the parameter as it is computed, so in its place the parameter is
        read and written.
        """
        if not any(x.name == RESULT["update"] for x in kernel.operands):
            yield from kernel.operands
            return
        yield from (x for x in kernel.operands if x.name not in RESULT.values())
        yield Operand(Buffer("p", self.sequence.dtypes[0]), "update")

    @property
    def least_bytes(self) -> int:
        """Bytes moved by a step that reads and writes every array of the leaf once."""
        moved: dict[tuple[str, str], int] = {}
        for kernel in self.portable.kernels:
            for x in self.operands(kernel):
                if x.lifetime == "leaf":
                    ways = [way for way, done in (("in", x.read), ("out", x.written)) if done]
                    moved |= {(x.name, way): self.bytes(kernel, x) for way in ways}
        return sum(moved.values())


@dataclass(frozen=True)
class Run:
    """The kernels that a launch runs on one leaf.

    Attributes:
      leaf: its place in the list of leaves.
      kernels: in their order.
      resident: True where the leaf stays on chip between them, so that each array is moved once.
    """

    leaf: int
    kernels: tuple[Kernel, ...]
    resident: bool = False


@dataclass(frozen=True)
class Launch:
    """One call of the device.

    Attributes:
      phase: the phase of the step.
      runs: the kernels that it runs, leaf by leaf.
      reason: the reason for which XLA compiles it from ``jnp``; empty for a launch of kernels.
    """

    phase: int
    runs: tuple[Run, ...]
    reason: str = ""

    @property
    def by_xla(self) -> bool:
        """True where XLA compiles it from ``jnp``."""
        return bool(self.reason)

    @property
    def functions(self) -> tuple[str, ...]:
        """The emitted functions that it runs, each once."""
        return tuple(dict.fromkeys(k.function for run in self.runs for k in run.kernels))


LaunchList = tuple[Launch, ...]
MakeLaunches = Callable[[Sequence[PlacedLeaf], Limits], LaunchList]
"""A target's rule that groups runs into launches: a pure function of the leaves and the limits."""


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

    The partial values of a reduction are counted once, for any number of parts: for Adafactor on
    a GPU they are a few hundredths of a byte for each parameter.
    """
    parts = [run.kernels] if run.resident else [(kernel,) for kernel in run.kernels]
    moved = Traffic(Counter(), Counter())
    for kernels in parts:
        moved += _moved_at_once(kernels, leaf)
    return moved


def _moved_at_once(kernels: Sequence[Kernel], leaf: PlacedLeaf) -> Traffic:
    """Bytes of kernels that share arrays on chip."""
    reads: Counter[str] = Counter()
    writes: Counter[str] = Counter()
    later = leaf.holder(kernels[-1]).read_after(kernels[-1])
    touched: set[str] = set()
    for kernel in kernels:
        for x in leaf.operands(kernel):
            size = leaf.bytes(kernel, x)
            if x.read and x.name not in touched:
                reads[x.name] = size
            if x.written and (x.lifetime in ("leaf", "contribution") or x.name in later):
                writes[x.name] = size
        touched |= {x.name for x in kernel.operands}
    return Traffic(reads, writes)


def launch_traffic(launch: Launch, leaves: Sequence[PlacedLeaf]) -> Traffic:
    """Bytes that a launch moves."""
    moved = Traffic(Counter(), Counter())
    for run in launch.runs:
        moved += traffic(run, leaves[run.leaf])
    return moved


def count_launches(launches: Iterable[Launch]) -> int:
    """Number of launches of kernels, without those that XLA compiles, at least one a leaf."""
    return sum(len(x.runs) if x.by_xla else 1 for x in launches)


def left_to_xla(place: int, leaf: PlacedLeaf, reason: str) -> Iterator[Launch]:
    """Launches of a leaf that no kernels serve: one for each phase.

    A leaf without elements contributes nothing to reductions over the tree.
    """
    for phase in range(leaf.portable.phases):
        kernels = leaf.portable.of_phase(phase)
        if leaf.empty:
            kernels = tuple(kernel for kernel in kernels if not kernel.contributes)
        if kernels:
            yield Launch(phase, (Run(place, kernels, resident=True),), reason)


def last_sweep(place: int, leaf: PlacedLeaf) -> Iterator[Launch]:
    """Launches of the last sweep of an update, which XLA fuses with what takes it.

    That moves no more bytes than a kernel which writes the update, and ``apply_updates`` is
    launched for each leaf whoever computes it.
    """
    kernel = leaf.sequence.last_sweep
    if kernel is not None:
        yield Launch(kernel.phase, (Run(place, (kernel,)),), _FUSED)


_FUSED = "XLA fuses it with what takes the updates"


def why_left_to_xla(leaf: PlacedLeaf) -> str:
    """The reason for which no target has kernels for a leaf; empty where each target decides."""
    return "it has no elements" if leaf.empty else leaf.sequence.reason


def that_fit(
    runs: Iterable[Run], most: int | None, arrays: Callable[[Run], int]
) -> Iterator[tuple[Run, ...]]:
    """Cuts runs into launches, in their order, each of as many as a limit admits.

    Args:
      runs: the runs.
      most: the number of arrays that one launch takes; None for any number.
      arrays: returns how many of them a run needs.
    """
    part: list[Run] = []
    taken = 0
    for run in runs:
        needed = arrays(run)
        if part and most is not None and taken + needed > most:
            yield tuple(part)
            part, taken = [], 0
        part.append(run)
        taken += needed
    if part:
        yield tuple(part)


def in_order(launches: Iterable[Launch]) -> LaunchList:
    """Launches in the order in which they run: by phase, and in each what XLA compiles around.

    Leaves that no kernels serve come first, and the last sweeps of updates come last.
    """

    def place(launch: Launch) -> tuple[int, int]:
        kernel = launch.runs[0].kernels[0]
        return launch.phase, 2 if kernel.ends_update else 0 if kernel.kind == "xla" else 1

    return tuple(sorted(launches, key=place))
