"""The plan of a step of one tree: its launch list, and what it costs."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from optgen.runtime.vocabulary.launches import (
    Launch,
    LaunchList,
    PlacedLeaf,
    Run,
    count_launches,
    launch_traffic,
    traffic,
)
from optgen.runtime.vocabulary.machine import Machine
from optgen.runtime.vocabulary.sequence import Mode


@dataclass(frozen=True)
class Plan:
    """A step of one tree, as the runtime would launch it.

    Attributes:
      mode: ``step``, or ``update`` where ``apply_updates`` follows in the same computation.
      target: the name of the target.
      machine: the machine that it is planned for.
      names: of the leaves, for readers.
      leaves: the leaves with their kernel sequences.
      launches: what runs, in order; scalars are computed after each phase but the last.
    """

    mode: Mode
    target: str
    machine: Machine
    names: tuple[str, ...]
    leaves: tuple[PlacedLeaf, ...]
    launches: LaunchList

    @functools.cached_property
    def parameters(self) -> int:
        """Number of parameters of the tree."""
        return sum(leaf.size for leaf in self.leaves)

    @functools.cached_property
    def bytes(self) -> int:
        """Bytes that a step reads from and writes to memory."""
        return sum(launch_traffic(launch, self.leaves).total for launch in self.launches)

    @property
    def bytes_per_parameter(self) -> float:
        """The same for each parameter; 0.0 for a tree without any."""
        return self.bytes / self.parameters if self.parameters else 0.0

    @functools.cached_property
    def least_bytes(self) -> int:
        """Bytes that would be moved if every array that outlives the step were moved once."""
        return sum(leaf.least_bytes for leaf in self.leaves)

    @functools.cached_property
    def scratch_bytes(self) -> int:
        """Memory of buffers that live for the step only; what stays on chip takes none."""
        size = 0
        for run in (run for launch in self.launches for run in launch.runs):
            leaf = self.leaves[run.leaf]
            operands = (x for kernel in run.kernels for x in leaf.operands(kernel))
            lasting = {x.name for x in operands if x.lifetime == "leaf"}
            written = traffic(run, leaf).writes
            size += sum(n for name, n in written.items() if name not in lasting)
        return size

    @property
    def phases(self) -> int:
        """Number of phases; after each but the last, scalars are computed."""
        return max((launch.phase for launch in self.launches), default=0) + 1

    @property
    def launch_count(self) -> int:
        """Number of launches; what is left to XLA is at least one for each leaf."""
        return count_launches(self.launches)

    @property
    def floor_seconds(self) -> float:
        """The least time that a step takes: its bytes, and what a launch costs."""
        launching = self.launch_count * self.machine.launch_cost
        return self.bytes / self.machine.bandwidth + launching

    def as_dict(self) -> dict[str, Any]:
        """The plan as what JSON has: launches, with the functions, operands and bytes of leaves."""
        return {
            "mode": self.mode,
            "target": self.target,
            "machine": self.machine.name,
            "leaves": [
                {"name": name, "shape": list(leaf.shape), "dtypes": list(leaf.sequence.dtypes)}
                for name, leaf in zip(self.names, self.leaves, strict=True)
            ],
            "launches": [_launch(launch, self.leaves) for launch in self.launches],
            "bytes": self.bytes,
            "bytes_per_parameter": self.bytes_per_parameter,
            "scratch_bytes": self.scratch_bytes,
        }


def _launch(launch: Launch, leaves: tuple[PlacedLeaf, ...]) -> dict[str, Any]:
    moved = launch_traffic(launch, leaves)
    return {
        "phase": launch.phase,
        "reason": launch.reason,
        "runs": [_run(run, leaves[run.leaf]) for run in launch.runs],
        "reads": dict(moved.reads),
        "writes": dict(moved.writes),
    }


def _run(run: Run, leaf: PlacedLeaf) -> dict[str, Any]:
    moved = traffic(run, leaf)
    return {
        "leaf": run.leaf,
        "functions": [kernel.function for kernel in run.kernels],
        "operands": [{x.name: x.access for x in leaf.operands(k)} for k in run.kernels],
        "resident": run.resident,
        "reads": dict(moved.reads),
        "writes": dict(moved.writes),
    }
