"""Leaves with the same kernel share a launch, so that a large tree costs a handful of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from optgen.ir.evaluate import Dtypes
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
    and have the same dtypes.
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
    for (phase, _, kernel, dtypes), members in sorted(buckets.items(), key=lambda b: b[0][:2]):
        for part in _split(members, kernel, machine):
            places, layouts = zip(*part, strict=True)
            launches.append(Launch(phase, kernel, dtypes, places, layouts))
    return tuple(launches)


def _layout(grouping: Grouping | None, shape: tuple[int, ...]) -> Layout:
    return grouping.layout(shape) if grouping else layout_without_view(shape)


def _split(
    members: Sequence[tuple[int, Layout]], kernel: Kernel, machine: Machine
) -> Iterator[Sequence[tuple[int, Layout]]]:
    """Parts of a bucket whose operands one launch can be given."""
    most = len(members)
    if machine.max_operands is not None:
        most = max(1, machine.max_operands // len(kernel.operands))
    for start in range(0, len(members), most):
        yield members[start : start + most]
