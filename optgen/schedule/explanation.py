"""Says what a step costs: its launches, what each moves, and the least time it can take."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from optgen.schedule.cost import count_launches, least_bytes, traffic
from optgen.schedule.kernel import Launch
from optgen.schedule.machine import Machine
from optgen.schedule.plan import Plan

_XLA_DECIDES = (
    "On the xla target XLA decides which kernels run and what they move. "
    "This is the plan that a kernel target would run."
)


@dataclass(frozen=True)
class StageReport:
    """One kernel of the plan, on all leaves that come to it at the same time.

    Attributes:
      phase: its phase, from 1; scalars are computed between phases.
      kind: ``sweep``, ``settle``, ``resident`` or ``xla``.
      view: ``flat``, ``matrix`` or ``batched``; None for ``xla``.
      leaves: on how many leaves it runs.
      launches: how many launches it is: 1, but 0 where it runs in the launch of the stage before,
        and one for each leaf that is left to xla.
      reads: bytes for each parameter of those leaves, by the name of the array.
      writes: the same.
      temporaries: large arrays that it writes for later stages of the same step.
      partial: the reductions that it leaves partial, and how they are combined.
      bytes_per_parameter: the sum of its reads and writes, over all parameters of the tree.
      why_xla: why it is left to xla; empty otherwise.
    """

    phase: int
    kind: str
    view: str | None
    leaves: int
    launches: int
    reads: Mapping[str, float]
    writes: Mapping[str, float]
    temporaries: tuple[str, ...]
    partial: Mapping[str, str]
    bytes_per_parameter: float
    why_xla: str


@dataclass(frozen=True)
class Explanation:
    """What a step costs; ``str()`` of it is text for a person.

    Attributes:
      mode: ``step`` or ``update``.
      target: the target that was asked about.
      machine: the machine that the floor is for.
      leaves: how many leaves the tree has.
      parameters: how many parameters.
      dtypes: the distinct dtypes of the parameters.
      bytes_per_parameter: read and written, for each parameter of the tree.
      launches: how many.
      floor_seconds: the least time that a step can take: bytes over bandwidth, and launches.
      least_bytes_per_parameter: what would be moved if each array of the leaves were moved once
        each way: the roofline.
      share_of_roofline: the time that takes at full bandwidth, divided by ``floor_seconds``.
      scratch_bytes: the memory that the plan adds to the leaves' own, until the step ends.
      stages: the launches, in order.
      note: what has to be said of the target; may be empty.
    """

    mode: str
    target: str
    machine: Machine
    leaves: int
    parameters: int
    dtypes: tuple[str, ...]
    bytes_per_parameter: float
    launches: int
    floor_seconds: float
    least_bytes_per_parameter: float
    share_of_roofline: float
    scratch_bytes: int
    stages: tuple[StageReport, ...]
    note: str

    def as_dict(self) -> dict[str, Any]:
        """The same as what JSON has."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def explain(plan: Plan, machine: Machine | None = None, target: str = "xla") -> Explanation:
    """Explains a plan.

    Args:
      plan: the plan.
      machine: the machine to name the floor for; by default the one that was planned for.
      target: the target that will run.
    """
    machine = machine or plan.machine
    least, floor = least_bytes(plan.launches), plan.floor_seconds(machine)
    return Explanation(
        mode=plan.mode,
        target=target,
        machine=machine,
        leaves=len(plan.leaves),
        parameters=plan.parameters,
        dtypes=tuple(dict.fromkeys(leaf.dtypes.param for leaf in plan.leaves)),
        bytes_per_parameter=plan.bytes_per_parameter,
        launches=plan.launch_count,
        floor_seconds=floor,
        least_bytes_per_parameter=least / max(1, plan.parameters),
        share_of_roofline=least / machine.bandwidth / floor if floor else 1.0,
        scratch_bytes=plan.scratch_bytes,
        stages=tuple(_report(plan, launch) for launch in plan.launches),
        note=_XLA_DECIDES if target == "xla" else "",
    )


def _report(plan: Plan, launch: Launch) -> StageReport:
    kernel, moved = launch.kernel, traffic(launch)
    own = max(1, sum(plan.leaves[i].size for i in launch.leaves))
    return StageReport(
        phase=launch.phase + 1,
        kind=kernel.kind,
        view=kernel.view.kind if kernel.view else None,
        leaves=len(launch.leaves),
        launches=count_launches([launch]),
        reads={name: n / own for name, n in moved.reads.items()},
        writes={name: n / own for name, n in moved.writes.items()},
        temporaries=tuple(
            x.name for x in kernel.operands if x.purpose == "temporary" and x.access == "out"
        ),
        partial={x.name: x.combine or "" for x in kernel.partial},
        bytes_per_parameter=moved.total / max(1, plan.parameters),
        why_xla=kernel.why_xla,
    )


def _lines(e: Explanation) -> Iterator[str]:
    dtypes = f", {' and '.join(e.dtypes)}" if e.dtypes else ""
    tree = f"{_count(e.leaves, 'leaf')} ({_count(e.parameters, 'parameter')}{dtypes})"
    moved = f"{e.bytes_per_parameter:.2f} bytes for each parameter"
    yield f"A {e.mode} of {tree} moves {moved} in {_count(e.launches, 'launch')}."
    yield (
        f"On {e.machine.title} ({e.machine.bandwidth / 1e9:,.0f} GB/s) it takes "
        f"{_duration(e.floor_seconds)} or more: {e.share_of_roofline:.0%} of the roofline, which "
        f"is every array moved once each way, {e.least_bytes_per_parameter:.2f} bytes."
    )
    if e.note:
        yield e.note
    phases = max((stage.phase for stage in e.stages), default=1)
    for number, stage in enumerate(e.stages, 1):
        begins = number == 1 or stage.phase != e.stages[number - 2].phase
        if phases > 1 and begins:
            yield ""
            yield f"phase {stage.phase}" + (", after reductions over the tree" * (stage.phase > 1))
        yield ""
        yield from _stage_lines(number, stage)


def _stage_lines(number: int, stage: StageReport) -> Iterator[str]:
    kind = f"{stage.kind}, {stage.view}" if stage.view else f"left to xla: {stage.why_xla}"
    yield (
        f"{number:3}. {_count(stage.leaves, 'leaf')}; {kind}; "
        f"{'' if stage.launches else 'in the same launch; '}"
        f"{_bytes(stage.bytes_per_parameter)} bytes for each parameter of the tree"
    )
    for label, arrays in (("reads", stage.reads), ("writes", stage.writes)):
        if arrays:
            listed = ", ".join(f"{name} {_bytes(n)}" for name, n in arrays.items())
            yield f"     {label:7} {listed}"
    if stage.temporaries:
        yield f"     keeps   {', '.join(stage.temporaries)} until the end of the step"
    if stage.partial:
        listed = ", ".join(f"{name} ({how})" for name, how in stage.partial.items())
        yield f"     partial {listed}"


_PLURALS = {"leaf": "leaves", "launch": "launches"}


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun if n == 1 else _PLURALS.get(noun, noun + 's')}"


def _bytes(n: float) -> str:
    """As many digits as matter beside the leaf's own: 4, 0.031, 12.01."""
    if n == round(n):
        return f"{n:.0f}"
    return f"{n:.2f}" if n >= 1 else f"{n:.3f}" if n >= 0.0005 else "<0.001"


def _duration(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{seconds * 1e6:.1f} µs"
    return f"{seconds * 1e3:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"
