"""Levels: the earliest stage in which each value of a leaf program can be known.

A leaf is swept over several times: *stages*, numbered from 0 across all the phases. A large
value of level k can be computed in stage k at the earliest. A small one of level k is known
before stage k. So a reduction of a large value has its argument's level plus one; a scalar that
another program computes has the level at which its phase begins.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from optgen.ir.node import Node
from optgen.schedule.graph import is_effect, is_large, is_reduction, is_statistic
from optgen.schedule.leaf import LeafProgram


@dataclass(frozen=True, eq=False)
class Levels:
    """The level of each value of a leaf program; see the module.

    Attributes:
      program: the program.
      nodes: all nodes of all phases, arguments first.
      level: the level of each node, in stages.
      home: for each node, the first phase whose program has it.
      first: the first stage of each phase, then the number of stages.
    """

    program: LeafProgram
    nodes: tuple[Node, ...]
    level: Mapping[Node, int]
    home: Mapping[Node, int]
    first: tuple[int, ...]

    @property
    def stages(self) -> int:
        """The number of stages."""
        return self.first[-1]

    @property
    def phases(self) -> int:
        """The number of phases."""
        return len(self.first) - 1

    def phase_of_stage(self, stage: int) -> int:
        """The phase to which a stage belongs."""
        return max(k for k in range(self.phases) if self.first[k] <= stage)

    def phase_of_gap(self, gap: int, home: int) -> int:
        """The phase, not before ``home``, in which values known before stage ``gap`` settle."""
        reached = (k for k in range(self.phases) if gap <= self.first[k + 1])
        return max(home, min(reached, default=self.phases - 1))


@functools.lru_cache(maxsize=1024)
def levels(program: LeafProgram) -> Levels:
    """Returns the levels of the values of a program."""
    level: dict[Node, int] = {}
    home: dict[Node, int] = {}
    first = [0]
    for k, phase in enumerate(program.phases):
        for n in phase.nodes():
            if n not in level:
                home[n] = k
                level[n] = _level(n, level, first[k])
        if k + 1 < len(program.phases):
            emitted = [level[effect] for effect in phase.outputs]
            first.append(max([first[k], *emitted]))
    last = [level[n] for n in level if is_large(n) and not is_effect(n)]
    stages = max([first[-1], *(x + 1 for x in last)])
    return Levels(program, tuple(level), level, home, (*first, stages))


def _level(n: Node, level: Mapping[Node, int], begins: int) -> int:
    if n.op == "scalar":
        return begins
    known = max((level[arg] for arg in n.args), default=0)
    if is_statistic(n):
        return known + 1
    # A reduction of something small is not done before its phase: it would be a launch there.
    return max(known, begins) if is_reduction(n) else known
