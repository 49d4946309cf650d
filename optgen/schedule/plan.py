"""The plan of one optimizer step over a tree of leaves."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optgen.errors import PlanError
from optgen.ir.evaluate import Dtypes
from optgen.schedule.buckets import Scheduled, bucket
from optgen.schedule.check import check_launch
from optgen.schedule.cost import (
    bytes_held,
    bytes_moved,
    count_launches,
    floor_seconds,
    scratch_bytes,
    traffic,
)
from optgen.schedule.kernel import Launch, kernel_of
from optgen.schedule.leaf import Leaf, LeafProgram, Mode, check_program
from optgen.schedule.machine import Machine
from optgen.schedule.render import launch_dict, launch_text
from optgen.schedule.resident import stays_in_vmem
from optgen.schedule.stages import Step, steps
from optgen.schedule.views import layout_without_view


@dataclass(frozen=True)
class Plan:
    """What a step runs, in order.

    Attributes:
      mode: whether new parameters are stored, or what is to be added to them.
      machine: what it was planned for.
      programs: what is done to the leaves.
      leaves: the leaves.
      launches: the kernel program; scalars are computed after each phase but the last.
    """

    mode: Mode
    machine: Machine
    programs: tuple[LeafProgram, ...]
    leaves: tuple[Leaf, ...]
    launches: tuple[Launch, ...]

    @property
    def parameters(self) -> int:
        """How many parameters the tree has."""
        return sum(leaf.size for leaf in self.leaves)

    @functools.cached_property
    def bytes(self) -> int:
        """The bytes that a step reads from and writes to memory."""
        return sum(traffic(launch).total for launch in self.launches)

    @property
    def bytes_per_parameter(self) -> float:
        """The same for each parameter; 0.0 for a tree without any."""
        return self.bytes / self.parameters if self.parameters else 0.0

    @property
    def scratch_bytes(self) -> int:
        """The memory that what the planner adds to the leaves takes, until the step ends."""
        return scratch_bytes(self.launches)

    @property
    def phases(self) -> int:
        """How many phases there are; after each but the last scalars are computed."""
        return max((len(program.phases) for program in self.programs), default=1)

    @property
    def launch_count(self) -> int:
        """How many launches there are; what is left to xla is at least one for each leaf."""
        return count_launches(self.launches)

    def floor_seconds(self, machine: Machine | None = None) -> float:
        """The least time that a step takes on a machine, in seconds."""
        return floor_seconds(self.launches, machine or self.machine)

    def __str__(self) -> str:
        head = f"plan of a {self.mode} of {len(self.leaves)} leaves for {self.machine.title}"
        return "\n\n".join([head, *(launch_text(i, x) for i, x in enumerate(self.launches, 1))])

    def as_dict(self) -> dict[str, Any]:
        """The plan as what JSON has: the launches with their operands, bodies and leaves."""
        return {
            "mode": self.mode,
            "machine": self.machine.name,
            "leaves": [
                {"name": leaf.name, "shape": list(leaf.shape), "dtypes": vars(leaf.dtypes)}
                for leaf in self.leaves
            ],
            "launches": [launch_dict(launch) for launch in self.launches],
            "bytes": self.bytes,
            "bytes_per_parameter": self.bytes_per_parameter,
            "scratch_bytes": self.scratch_bytes,
        }


def plan(
    programs: Sequence[LeafProgram],
    leaves: Sequence[Leaf],
    machine: Machine,
    mode: Mode = "step",
) -> Plan:
    """Plans one step.

    Args:
      programs: what is done to the distinct kinds of leaves.
      leaves: the leaves of the tree, each with the place of its program.
      machine: what to plan for.
      mode: ``"step"`` where the programs store ``p``, ``"update"`` where they store ``update``.

    Raises:
      IRError: if a program is not a legal kernel body.
      PlanError: if a program has the wrong effects for the mode, or does not fit a leaf.
    """
    for program in programs:
        check_program(program, mode)
    scheduled = []
    for place, leaf in enumerate(leaves):
        program = programs[leaf.program]
        if program.rank not in (None, len(leaf.shape)):
            raise PlanError(
                f"leaf {leaf.name!r} has the shape {leaf.shape}, and its program {program.name!r} "
                f"is for leaves of rank {program.rank}"
            )
        chosen = _choose(program, leaf.shape, leaf.dtypes, machine)
        scheduled.append(Scheduled(place, leaf, chosen))
    launches = tuple(check_launch(launch) for launch in bucket(scheduled, machine))
    return Plan(mode, machine, tuple(programs), tuple(leaves), launches)


@functools.lru_cache(maxsize=4096)
def _choose(
    program: LeafProgram, shape: tuple[int, ...], dtypes: Dtypes, machine: Machine
) -> tuple[Step, ...]:
    """The steps of one leaf: resident where it fits on chip and that moves fewer bytes."""
    staged = steps(program, dtypes)
    if not machine.on_chip_bytes:
        return staged
    resident = steps(program, dtypes, resident=True)
    if any(kernel_of(step)[1] is None for step in (*staged, *resident)):
        return staged
    if machine.kind == "tpu":
        fits = stays_in_vmem(staged, shape, dtypes, machine.on_chip_bytes)
    else:
        fits = max(_held(step, shape, dtypes) for step in resident) <= machine.on_chip_bytes
    if not fits:
        return staged
    rank = (_moved(resident, shape, dtypes), len(resident))
    return resident if rank < (_moved(staged, shape, dtypes), len(staged)) else staged


def _held(step: Step, shape: tuple[int, ...], dtypes: Dtypes) -> int:
    kernel, grouping = kernel_of(step)
    assert grouping is not None
    if kernel.kind == "sweep":  # passes through the chip, tile by tile
        return 0
    return bytes_held(kernel, grouping.layout(shape), dtypes)


def _moved(chosen: tuple[Step, ...], shape: tuple[int, ...], dtypes: Dtypes) -> int:
    moved = 0
    for step in chosen:
        kernel, grouping = kernel_of(step)
        layout = grouping.layout(shape) if grouping else layout_without_view(shape)
        moved += bytes_moved(kernel, layout, dtypes)
    return moved
