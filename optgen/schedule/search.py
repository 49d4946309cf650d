"""Chooses the stage of every target, and the temporaries, so that the fewest bytes are moved.

Exhaustive, with two exceptions that bound its time: at most ``_TEMPORARIES`` are kept, and in
each stage at most ``_FREE`` of the targets that may wait are tried both ways (the others wait).
No stock rule comes near either.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from optgen.errors import PlanError
from optgen.ir.evaluate import Dtypes
from optgen.ir.node import Node
from optgen.schedule.covers import combinations
from optgen.schedule.graph import is_reduction
from optgen.schedule.levels import Levels
from optgen.schedule.problem import Array, Problem, Target, state_problem

_TEMPORARIES = 2
_FREE = 6


@dataclass(frozen=True)
class Stage:
    """One pass over a leaf.

    Attributes:
      targets: the statistics and stores that it computes.
      temporaries: the values that it stores for later stages.
      reads: the large arrays that it reads.
    """

    targets: tuple[Node, ...]
    temporaries: tuple[Node, ...]
    reads: tuple[Array, ...]


class Cost(NamedTuple):
    """The cost to be minimised, the most important entry first.

    Attributes:
      bytes: the bytes moved for each element of the leaf.
      temporaries: the number of temporaries; each is memory.
      early: the number of targets that are computed in a phase before the one that mentions them:
        such kernels are shared by fewer kinds of leaves.
      arrays: the number of arrays that are read.
    """

    bytes: int = 0
    temporaries: int = 0
    early: int = 0
    arrays: int = 0

    def plus(self, other: Cost) -> Cost:
        return Cost(*(a + b for a, b in zip(self, other, strict=True)))


@functools.lru_cache(maxsize=1024)
def best_stages(levels: Levels, dtypes: Dtypes) -> tuple[Stage, ...]:
    """The stages that move the fewest bytes for each element of a leaf.

    Raises:
      PlanError: if the program cannot be cut into stages, which would be a mistake in here.
    """
    problem = state_problem(levels, dtypes)
    best: tuple[Cost, tuple[Stage, ...]] | None = None
    for temporaries in _subsets(problem.candidates, _TEMPORARIES):
        if best and best[0].bytes <= _at_least(problem, temporaries):
            continue
        plan = _Search(problem, temporaries).run()
        if plan and (best is None or plan[0] < best[0]):
            best = plan
    if best is None:
        raise PlanError(f"no order of stages computes {levels.program.name!r}")
    return best[1]


def _subsets(items: Sequence[Target], most: int) -> Iterator[tuple[Target, ...]]:
    for size in range(min(most, len(items)) + 1):
        yield from itertools.combinations(items, size)


def _at_least(problem: Problem, temporaries: Sequence[Target]) -> int:
    """The bytes that every choice moves: each load and each store once, each temporary twice."""
    own = sum(array.bytes for array in problem.arrays)
    return own + 2 * sum(map(problem.bytes_written, temporaries))


class _Search:
    """The best choice with these temporaries; each is written in some stage but the last.

    Targets are numbered as in the problem, temporaries after them; so are arrays.
    """

    def __init__(self, problem: Problem, temporaries: Sequence[Target]) -> None:
        self.problem = problem
        self.targets = (*problem.targets, *temporaries)
        self.stages = problem.levels.stages
        added = [Array("temporary", t.node, problem.bytes_written(t)) for t in temporaries]
        self.arrays = (*problem.arrays, *added)
        self.covers = problem.covers_with(temporaries)
        loads = sum(array.kind == "load" for array in problem.arrays)
        self.loads = (1 << loads) - 1
        # The target that has to be done before an array that is not a load can be read.
        first_store = len(problem.targets) - (len(problem.arrays) - loads)
        self.written_by = {bit: bit - loads + first_store for bit in range(loads, len(self.arrays))}
        self.reading = functools.cache(self._reading)
        self.finish = functools.cache(self._finish)

    def run(self) -> tuple[Cost, tuple[Stage, ...]] | None:
        return self.finish(0, 0)

    def _finish(self, stage: int, done: int) -> tuple[Cost, tuple[Stage, ...]] | None:
        """The best way to compute the remaining targets in this stage and later ones."""
        if stage == self.stages:
            return (Cost(), ()) if done == (1 << len(self.targets)) - 1 else None
        best: tuple[Cost, tuple[Stage, ...]] | None = None
        for chosen in self._choices(stage, done):
            reading = self.reading(chosen, self._available(done))
            rest = reading and self.finish(stage + 1, done | chosen)
            if not reading or not rest:
                continue
            cost = self._cost(stage, chosen, reading[1]).plus(rest[0])
            if best is None or cost < best[0]:
                best = (cost, (self._stage(chosen, reading[1]), *rest[1]))
        return best

    def _choices(self, stage: int, done: int) -> Iterator[int]:
        """The sets of targets that this stage may compute, the largest first."""
        must, may = 0, []
        for bit, target in enumerate(self.targets):
            ready = target.earliest <= stage and not target.needs & ~done
            if done >> bit & 1 or not ready:
                continue
            if target.latest <= stage:
                must |= 1 << bit
            else:
                may.append(1 << bit)
        for size in range(min(_FREE, len(may)), -1, -1):
            for optional in itertools.combinations(may[:_FREE], size):
                yield must | sum(optional)

    def _available(self, done: int) -> int:
        """The arrays that can be read by a stage before which these targets are done."""
        mask = self.loads
        for load, store in self.problem.overwrites.items():
            if done >> store & 1:
                mask &= ~(1 << load)
        for bit, writer in self.written_by.items():
            if done >> writer & 1:
                mask |= 1 << bit
        return mask

    def _reading(self, chosen: int, available: int) -> tuple[int, int] | None:
        """The cheapest set of arrays that the chosen targets can be computed from."""
        targets = [t for bit, t in enumerate(self.targets) if chosen >> bit & 1]
        families = [
            [mask | t.reads for mask in self.covers[t.value] if not mask & ~available]
            for t in targets
        ]
        masks = combinations(families)
        return min(((self._read(m), m) for m in masks), default=None)

    def _read(self, mask: int) -> int:
        return sum(array.bytes for bit, array in enumerate(self.arrays) if mask >> bit & 1)

    def _cost(self, stage: int, chosen: int, mask: int) -> Cost:
        done = [t for bit, t in enumerate(self.targets) if chosen >> bit & 1]
        written = [t for t in done if not is_reduction(t.node)]
        temporaries = chosen >> len(self.problem.targets)
        return Cost(
            self._read(mask) + sum(map(self.problem.bytes_written, written)),
            temporaries.bit_count(),
            sum(stage < t.home for t in done),
            mask.bit_count(),
        )

    def _stage(self, chosen: int, mask: int) -> Stage:
        count = len(self.problem.targets)
        nodes = {bit: t.node for bit, t in enumerate(self.targets) if chosen >> bit & 1}
        targets = [n for bit, n in nodes.items() if bit < count]
        temporaries = [n for bit, n in nodes.items() if bit >= count]
        reads = [array for bit, array in enumerate(self.arrays) if mask >> bit & 1]
        return Stage(tuple(targets), tuple(temporaries), tuple(reads))
