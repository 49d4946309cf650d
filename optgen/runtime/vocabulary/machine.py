"""Machines: what the planner knows of the hardware, one frozen record for each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What bounds one launch.

    Attributes:
      operands: how many arrays it can be given; None for any number.
      on_chip_bytes: the memory of a core that it may fill with a leaf and its arrays.
    """

    operands: int | None = None
    on_chip_bytes: int = 0


@dataclass(frozen=True)
class Machine:
    """A machine that steps are planned and explained for.

    Attributes:
      name: what ``--machine`` calls it.
      title: its name in prose.
      target: the name of the target that serves it.
      bandwidth: of memory, reads and writes together, in bytes per second.
      launch_cost: what a launch costs beyond its bytes, in seconds.
      limits: of one launch.
      source: where the figures are from.
    """

    name: str
    title: str
    target: str
    bandwidth: float
    launch_cost: float
    limits: Limits
    source: str
