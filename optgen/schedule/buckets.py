"""Leaves with the same kernel share a launch, so that a large tree costs a handful of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from optgen.ir.evaluate import Dtypes
from optgen.ir.types import LEAF
from optgen.schedule.kernel import Kernel, Launch, kernel_of
from optgen.schedule.leaf import Leaf
from optgen.schedule.machine import Machine
from optgen.schedule.stages import Step
from optgen.schedule.views import Grouping, Layout, layout_without_view


@dataclass(frozen=True)
class Scheduled:
    """A leaf, its place in the tree, and the steps chosen for it."""

    place: int
    leaf: Leaf
    steps: tuple[Step, ...]


def bucket(leaves: Iterable[Scheduled], machine: Machine) -> tuple[Launch, ...]:
    """The launches that run the steps of all leaves, in an order that respects each leaf's own.

    Two leaves share a launch where they come to the same kernel at the same point of a phase,
    and have the same dtypes; those at one point share one in any case where the machine mixes
    kernels.
    """
    buckets: dict[tuple[int, int, Kernel, Dtypes], list[tuple[int, Layout]]] = {}
    for scheduled in leaves:
        begun: dict[int, int] = {}
        for step in scheduled.steps:
            point = begun[step.phase] = begun.get(step.phase, -1) + 1
            kernel, grouping = kernel_of(step)
            key = (step.phase, point, kernel, scheduled.leaf.dtypes)
            layout = _layout(grouping, scheduled.leaf.shape)
            buckets.setdefault(key, []).append((scheduled.place, layout))
    launches: list[Launch] = []
    points: list[int] = []
    for (phase, point, kernel, dtypes), members in sorted(buckets.items(), key=lambda b: b[0][:2]):
        for part in _split(members, kernel, machine):
            places, layouts = zip(*part, strict=True)
            launches.append(Launch(phase, kernel, dtypes, places, layouts))
            points.append(point)
    return _joined(launches, points, machine) if machine.mixes_kernels else tuple(launches)


def _joined(
    launches: Sequence[Launch], points: Sequence[int], machine: Machine
) -> tuple[Launch, ...]:
    """The same, each in the launch of the one before where that is at the same point and fits."""
    found: list[Launch] = []
    before, operands = None, 0
    for launch, point in zip(launches, points, strict=True):
        here = None if launch.kernel.kind == "xla" else (launch.phase, point)
        own = len(launch.kernel.operands) * len(launch.leaves)
        fits = machine.max_operands is None or operands + own <= machine.max_operands
        joined = here is not None and here == before and fits
        operands = operands + own if joined else own
        before = here
        found.append(replace(launch, joined=joined))
    return tuple(found)


def _layout(grouping: Grouping | None, shape: tuple[int, ...]) -> Layout:
    return grouping.layout(shape) if grouping else layout_without_view(shape)


def _split(
    members: Sequence[tuple[int, Layout]], kernel: Kernel, machine: Machine
) -> Iterator[Sequence[tuple[int, Layout]]]:
    """Parts of a bucket that one launch can be given: so many operands, and small leaves or one."""
    if machine.shared_elements is not None:
        sizes = [(layout.elements(LEAF), (place, layout)) for place, layout in members]
        yield from ([m] for size, m in sizes if size > machine.shared_elements)
        members = [m for size, m in sizes if size <= machine.shared_elements]
    most = max(1, len(members))
    if machine.max_operands is not None:
        most = max(1, machine.max_operands // len(kernel.operands))
    for start in range(0, len(members), most):
        yield members[start : start + most]
