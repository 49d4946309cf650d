"""Machines: the facts about hardware that the planner needs, one frozen record for each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The limits of one launch.

    Attributes:
      operands: the number of arrays that it can be given; None for any number.
      updated: the number of arrays that it may update in place; None for any number.
      on_chip_bytes: the memory of a core that it may fill with a leaf and its arrays.
    """

    operands: int | None = None
    updated: int | None = None
    on_chip_bytes: int = 0


@dataclass(frozen=True)
class Machine:
    """A machine that steps are planned and explained for.

    Attributes:
      name: its name in ``--machine``.
      title: its name in prose.
      target: the name of the target that serves it.
      bandwidth: the bandwidth of memory, reads and writes together, in bytes per second.
      launch_cost: the time of a launch beyond that of its bytes, in seconds.
      limits: the limits of one launch.
      source: the source of the figures.
    """

    name: str
    title: str
    target: str
    bandwidth: float
    launch_cost: float
    limits: Limits
    source: str
