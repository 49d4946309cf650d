"""Cuts a leaf program into steps: sweeps over the leaf, and finalizes between them.

A *sweep* reads large arrays once, stores large arrays, and leaves statistics partial: each part
of the leaf has its own, and they are complete before the next step reads them. Small values are
*finalized* between sweeps: new values of small slots, and reductions of small values. All other
small values are so cheap that each step computes those that it needs again.

In every step all loads come before all stores.

The last sweep of an update belongs to XLA, which fuses it with what takes the update: before it
the *factors*, the small values that depend on a statistic and that it multiplies large ones by,
are finalized, so that it reads whole arrays and nothing in parts.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field

from optgen.ir.build import effect
from optgen.ir.evaluate import Dtypes
from optgen.ir.node import Node, node, walk
from optgen.ir.program import Program
from optgen.ir.types import BOOL
from optgen.schedule.graph import (
    is_effect,
    is_large,
    is_reduction,
    is_statistic,
    rebuild,
    same_value,
    walk_until,
)
from optgen.schedule.leaf import LeafProgram
from optgen.schedule.levels import levels
from optgen.schedule.names import buffer_names, combined_name
from optgen.schedule.search import best_stages

Place = tuple[int, int, int]
"""The place of a step: a stage; the step is that stage, or precedes it; the phase."""

_BEFORE, _FACTORS, _SWEEP = range(3)
"""The steps of a stage: finalizes before it, that of factors for an update, the sweep."""


@dataclass(frozen=True)
class Step:
    """One step of a leaf program.

    Attributes:
      phase: the phase that it belongs to.
      body: its program, in the leaf's own axes.
      temporaries: the large arrays among those that it reads and writes that live for this
        step of the optimizer only.
      statistics: the small ones.
      names: the author's names of values.
    """

    phase: int
    body: Program
    temporaries: frozenset[str] = frozenset()
    statistics: frozenset[str] = frozenset()
    names: frozenset[tuple[Node, str]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", frozenset(self.body.names.items()))


@functools.lru_cache(maxsize=1024)
def steps(program: LeafProgram, dtypes: Dtypes) -> tuple[Step, ...]:
    """The steps of a leaf program, in order, that move the fewest bytes.

    Args:
      program: the leaf program.
      dtypes: the dtypes that its symbolic ones stand for; a slot that is stored in fewer bits
        than it is computed in cannot be read back instead of being computed again.
    """
    late: frozenset[Node] = frozenset()
    while True:
        cut = _Cut(program, dtypes, late)
        if not cut.conflicts:
            return cut.steps
        late |= cut.conflicts


class _Cut:
    """A cut in which small slots are stored as soon as they are known, or last.

    An update ends in its last sweep, which stores those that would come after it.

    Attributes:
      steps: the steps, in order.
      conflicts: the stores that overwrite a slot which a later step reads.
    """

    def __init__(self, program: LeafProgram, dtypes: Dtypes, late: frozenset[Node]) -> None:
        self.program, self.dtypes, self.late = program, dtypes, late
        self.levels = levels(program)
        self.stages = best_stages(self.levels, dtypes)
        self.stage_of = {n: s for s, stage in enumerate(self.stages) for n in stage.targets}
        self.known_before = self._known_before()
        self.small_stores = [
            n for n in program.update.outputs if not is_large(n) and n.op == "store"
        ]
        self.last = len(self.stages) - 1
        self.factors = self._factors() if program.mode == "update" else ()
        temporaries = [n for stage in self.stages for n in stage.temporaries]
        named = [*temporaries, *(n for n in self.factors if not is_reduction(n))]
        combined = [n for n in self.factors if is_reduction(n)]
        self.buffers = buffer_names(program, self.levels.nodes, named, combined)
        self.steps, self.conflicts = self._cut()

    def _factors(self) -> tuple[Node, ...]:
        """The small values that the last sweep reads and that depend on a reduction."""
        stage, sweep = self.stages[self.last], self._sweep(self.last)
        arrays = {a.node.args[0] if a.kind == "store" else a.node for a in stage.reads}
        stores = {store: self._place(store) for store in self.small_stores}
        early = [store for store, place in stores.items() if place < sweep]
        read_back = {n for store in early for n in same_value(store.args[0], self.dtypes)}
        targets = [n for n in stage.targets if not is_reduction(n)]
        targets += (store for store, place in stores.items() if place == sweep)
        before: set[Node] = set()  # the values that depend on a reduction of an earlier step
        within: set[Node] = set()  # and those that depend on one of this
        for n in walk_until(targets, arrays):
            for depend in (before, within):
                if any(arg in depend for arg in n.args):
                    depend.add(n)
            if is_reduction(n):
                (before if self._place(n) < sweep else within).add(n)

        def is_factor(n: Node) -> bool:  # truth values have no storage; what they compare has
            computed = is_large(n) or is_effect(n) or n.type.dtype == BOOL
            return n in before and n not in within and not computed

        def followed(n: Node) -> tuple[Node, ...]:
            return () if n in arrays or n not in before or is_factor(n) else n.args

        return tuple(n for n in walk(targets, args=followed) if is_factor(n) and n not in read_back)

    def _known_before(self) -> dict[Node, int]:
        """The levels of values, with every statistic in the stage that the search chose."""
        known: dict[Node, int] = {}
        for n in self.levels.nodes:
            begins = self.levels.first[self.levels.home[n]]
            known[n] = max((known[arg] for arg in n.args), default=0)
            if n.op == "scalar":
                known[n] = begins
            elif is_statistic(n):
                known[n] = self.stage_of[n] + 1
            elif is_reduction(n) or (is_effect(n) and not is_large(n)):
                known[n] = max(known[n], begins)
        return known

    def _cut(self) -> tuple[tuple[Step, ...], frozenset[Node]]:
        """The steps, and the stores that come too early for one of them."""
        roots = self._roots()
        wanted: set[Node] = set()  # reductions that a later step reads
        steps: list[Step] = []
        conflicts: set[Node] = set()
        for place in sorted(roots, reverse=True):
            effects = self._effects(place, roots[place], wanted)
            if not effects:
                continue
            known = self._known(place)
            visited = list(walk_until(effects, known))
            read = {arg for n in visited for arg in n.args if arg in known}
            wanted |= {n for n in read if is_reduction(n) and known[n].attr == self.buffers[n]}
            conflicts |= self._read_too_late(visited, place)
            steps.append(self._step(place[2], effects, rebuild(effects, known)))
        return tuple(reversed(steps)), frozenset(conflicts)

    def _roots(self) -> dict[Place, list[Node]]:
        """The roots of each step: temporaries, targets, small reductions and small effects."""
        roots: dict[Place, list[Node]] = {}
        for s, stage in enumerate(self.stages):
            roots[self._sweep(s)] = [*stage.temporaries, *stage.targets]
        if self.factors:
            roots[self._place_of_factors] = list(self.factors)
        for n in self.levels.nodes:
            small_reduction = is_reduction(n) and not is_statistic(n)
            if small_reduction or (is_effect(n) and not is_large(n)):
                roots.setdefault(self._place(n), []).append(n)
        return roots

    def _sweep(self, stage: int) -> Place:
        return stage, _SWEEP, self.levels.phase_of_stage(stage)

    @property
    def _place_of_factors(self) -> Place:
        return self.last, _FACTORS, self.levels.phase_of_stage(self.last)

    def _place(self, n: Node) -> Place:
        """The place in which a reduction or a small effect is computed; an update's end is last."""
        place = self._earliest(n)
        return min(place, self._sweep(self.last)) if self.program.mode == "update" else place

    def _earliest(self, n: Node) -> Place:
        sum_of_leaf = n.args[0] if n.op == "emit" else n
        if is_statistic(sum_of_leaf):
            return self._sweep(self.stage_of[sum_of_leaf])
        known = self.known_before[n]
        if n in self.late:
            return self.levels.stages, _BEFORE, self.levels.phases - 1
        return known, _BEFORE, self.levels.phase_of_gap(known, self.levels.home[n])

    def _effects(self, place: Place, roots: list[Node], wanted: set[Node]) -> list[Node]:
        """The effects of a step, of values that are not rebuilt yet."""
        if place[1] == _FACTORS:
            return [effect("store", self._factor_name(n), n) for n in roots]
        return [
            n if is_effect(n) else effect("store", self.buffers[n], n)
            for n in roots
            if not is_reduction(n) or n in wanted
        ]

    def _factor_name(self, n: Node) -> str:
        """The buffer of a factor; that of a statistic itself is of its parts, combined."""
        return combined_name(self.buffers[n]) if is_reduction(n) else self.buffers[n]

    def _known(self, place: Place) -> dict[Node, Node]:
        """The values that a step reads instead of computing them, with the nodes that read them."""
        known = {
            n: node("load", n.type, attr=self.buffers[n])
            for n in self.levels.nodes
            if is_reduction(n) and self._place(n) < place
        }
        if self.factors and self._place_of_factors < place:
            known |= {n: node("load", n.type, attr=self._factor_name(n)) for n in self.factors}
        for store in self.small_stores:
            if self._place(store) < place:
                known |= self._stored(store)
        for array in self.stages[place[0]].reads if place[1] == _SWEEP else ():
            if array.kind == "store":
                known |= self._stored(array.node)
            elif array.kind == "temporary":
                known[array.node] = node("load", array.node.type, attr=self.buffers[array.node])
        return known

    def _stored(self, store: Node) -> Mapping[Node, Node]:
        """The values that can be read back from a store, with the nodes that read them."""
        known: dict[Node, Node] = {}
        value = node("load", store.type, attr=store.attr)
        for n in same_value(store.args[0], self.dtypes):
            value = value if value.type == n.type else node("cast", n.type, (value,))
            if n.args or is_large(n):  # a scalar or a constant is nearer than what was stored
                known[n] = value
        return known

    def _read_too_late(self, visited: list[Node], place: Place) -> set[Node]:
        """The small stores that overwrite a slot that this step still reads."""
        reads = {n.attr for n in visited if n.op == "load" and not is_large(n)}
        return {
            store
            for store in self.small_stores
            if store.attr in reads and self._place(store) < place
        }

    def _step(self, phase: int, effects: list[Node], new: Mapping[Node, Node]) -> Step:
        names: dict[Node, str] = {}
        for n, name in self.program.authors().items():
            if n in new:
                names.setdefault(new[n], name)
        title = self.program.phases[phase].name
        body = Program(title, tuple(new[e] for e in effects), self.program.rank, names)
        touched = {n.attr for n in body.nodes() if n.op in ("load", "store")}
        temporaries = {name for n, name in self.buffers.items() if is_large(n)} & touched
        statistics = {name for n, name in self.buffers.items() if not is_large(n)}
        statistics = (statistics | set(map(self._factor_name, self.factors))) & touched
        return Step(phase, body, frozenset(temporaries), frozenset(statistics))
