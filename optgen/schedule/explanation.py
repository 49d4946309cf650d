"""Explanations: what a step costs, in its launches, what each moves, and the least time."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from optgen.runtime.vocabulary.launches import Launch, PlacedLeaf, Run, traffic
from optgen.runtime.vocabulary.machine import Machine
from optgen.runtime.vocabulary.sequence import Kernel
from optgen.schedule.plan import Plan


@dataclass(frozen=True)
class StageReport:
    """Like runs of one launch: the same functions, on leaves that are seen alike.

    Attributes:
      phase: its phase, from 1; scalars are computed between phases.
      launch: the number of its launch, from 1; several stages may share one.
      functions: the emitted functions, in order.
      kind: ``sweep``, ``finalize``, ``resident`` for several that share what is on chip, or
        ``xla``.
      view: ``flat``, ``matrix`` or ``batched``; None for what is left to XLA.
      leaves: on how many leaves it runs.
      launches: how many launches it begins: 1 or 0, and one for each leaf that is left to XLA.
      operands: the buffers that its functions are given, each once, in order.
      reads: bytes for each parameter of those leaves, by the name of the buffer.
      writes: the same.
      temporaries: large buffers that it writes for later kernels of the same step.
      partial: the reductions that it leaves in parts, and how they are combined.
      bytes_per_parameter: the sum of its reads and writes, over all parameters of the tree.
      why_xla: why it is left to XLA; empty otherwise.
    """

    phase: int
    launch: int
    functions: tuple[str, ...]
    kind: str
    view: str | None
    leaves: int
    launches: int
    operands: tuple[str, ...]
    reads: Mapping[str, float]
    writes: Mapping[str, float]
    temporaries: tuple[str, ...]
    partial: Mapping[str, str]
    bytes_per_parameter: float
    why_xla: str


@dataclass(frozen=True)
class Explanation:
    """Cost of a step; ``str()`` of it is text for a person.

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
      stages: what the launches do, in order.
      properties: what is proven of the rule, in short sentences.
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
    properties: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The same as what JSON has."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def explain(plan: Plan, properties: tuple[str, ...] = ()) -> Explanation:
    """Explains a plan.

    Args:
      plan: the plan.
      properties: what is proven of the rule.
    """
    floor = plan.floor_seconds
    return Explanation(
        mode=plan.mode,
        target=plan.target,
        machine=plan.machine,
        leaves=len(plan.leaves),
        parameters=plan.parameters,
        dtypes=tuple(dict.fromkeys(leaf.sequence.dtypes[0] for leaf in plan.leaves)),
        bytes_per_parameter=plan.bytes_per_parameter,
        launches=plan.launch_count,
        floor_seconds=floor,
        least_bytes_per_parameter=plan.least_bytes / max(1, plan.parameters),
        share_of_roofline=plan.least_bytes / plan.machine.bandwidth / floor if floor else 1.0,
        scratch_bytes=plan.scratch_bytes,
        stages=tuple(_stages(plan)),
        properties=properties,
    )


def _stages(plan: Plan) -> Iterator[StageReport]:
    """The stages of all launches; what is left to XLA for one reason is one stage of a phase."""
    grouped: dict[tuple[object, ...], list[tuple[int, Run]]] = {}
    for number, launch in enumerate(plan.launches, 1):
        for run in launch.runs:
            shared = None if launch.by_xla else number
            key = (launch.phase, shared, launch.reason, run.kernels, run.resident)
            grouped.setdefault(key, []).append((number, run))
    begun: set[int] = set()
    for members in grouped.values():
        numbers = {number for number, _ in members} - begun
        begun |= numbers
        first = plan.launches[members[0][0] - 1]
        launches = len(members) if first.by_xla else len(numbers)
        yield _report(plan, members[0][0], first, [run for _, run in members], launches)


def _report(plan: Plan, number: int, launch: Launch, runs: list[Run], launches: int) -> StageReport:
    reads: Counter[str] = Counter()
    writes: Counter[str] = Counter()
    for run in runs:
        moved = traffic(run, plan.leaves[run.leaf])
        reads += moved.reads
        writes += moved.writes
    elements = max(1, sum(plan.leaves[run.leaf].size for run in runs))
    kernels = runs[0].kernels
    leaf = plan.leaves[runs[0].leaf]
    operands = [x for kernel in kernels for x in leaf.operands(kernel)]
    temporary = {x.name for x in operands if x.lifetime == "temporary"}
    total = reads.total() + writes.total()
    return StageReport(
        phase=launch.phase + 1,
        launch=number,
        functions=tuple(kernel.function for kernel in kernels),
        kind=_kind(launch, runs[0]),
        view=None if launch.by_xla else _view(kernels, leaf),
        leaves=len(runs),
        launches=launches,
        operands=tuple(dict.fromkeys(x.name for x in operands)),
        reads={name: n / elements for name, n in reads.items()},
        writes={name: n / elements for name, n in writes.items()},
        temporaries=tuple(name for name in writes if name in temporary),
        partial={x.name: str(x.buffer.combine) for x in operands if x.partial},
        bytes_per_parameter=total / max(1, plan.parameters),
        why_xla=launch.reason,
    )


def _kind(launch: Launch, run: Run) -> str:
    if launch.by_xla:
        return "xla"
    if run.resident and len(run.kernels) > 1:
        return "resident"
    return ", ".join(dict.fromkeys(kernel.kind for kernel in run.kernels))


def _view(kernels: tuple[Kernel, ...], leaf: PlacedLeaf) -> str:
    extents = max((leaf.layout(kernel).extents for kernel in kernels), key=len)
    if len(extents) == 1:
        return "flat"
    return "batched" if any(n > 1 for n in extents[:-2]) else "matrix"


def _lines(e: Explanation) -> Iterator[str]:
    dtypes = f", {' and '.join(e.dtypes)}" if e.dtypes else ""
    tree = f"{_count(e.leaves, 'leaf')} ({_count(e.parameters, 'parameter')}{dtypes})"
    moved = f"{e.bytes_per_parameter:.2f} bytes for each parameter"
    yield f"{_MODES[e.mode]} of {tree} moves {moved} in {_count(e.launches, 'launch')}."
    yield (
        f"On {e.machine.title} ({e.machine.bandwidth / 1e9:,.0f} GB/s) it takes "
        f"{_duration(e.floor_seconds)} or more: {e.share_of_roofline:.0%} of the roofline, which "
        f"is every array moved once each way, {e.least_bytes_per_parameter:.2f} bytes."
    )
    if e.properties:
        yield f"Proven of the rule: {'; '.join(e.properties)}."
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
        f"{number:3}. {', '.join(stage.functions)}: {_count(stage.leaves, 'leaf')}; {kind}; "
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


_MODES = {"step": "A step", "update": "An update, applied in the same jit,"}
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
