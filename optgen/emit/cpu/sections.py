"""Sections of a finalize: its loops over small values, and the order in which they run.

What is stored and reduced over the same dimensions shares a loop, unless one needs a reduction of
what the other computes. A value that a later loop needs again is kept for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from optgen.emit.cpu.axes import ROLES, roles
from optgen.ir.node import Node
from optgen.ir.program import Program
from optgen.schedule.graph import is_reduction


@dataclass(eq=False)
class Section:
    """A nest of loops.

    Attributes:
      stage: how many reductions come one after another before what it computes.
      along: what its loops run along, in their order; the first are those of the finalize.
      stores: the effects whose values it stores.
      reductions: what it reduces.
    """

    stage: int
    along: tuple[str, ...]
    stores: list[Node] = field(default_factory=list)
    reductions: list[Node] = field(default_factory=list)


class Sections:
    """The sections of a body.

    Attributes:
      outer: what the loops around all sections run along: every result has an element for each
        index, which is computed by itself.
      ordered: the sections, in the order in which they run.
      kept: by section the values that it keeps for later ones.
      delayed: the stores that must wait for the end of the outer loop's body.
    """

    def __init__(self, body: Program, dimensions: int) -> None:
        self.dimensions = dimensions
        results = [n for n in body.nodes() if is_reduction(n) or n in body.outputs]
        shared = set(ROLES).intersection(*(self.along(n) for n in results))
        self.outer = tuple(role for role in ROLES if role in shared)
        self._stages: dict[Node, int] = {}
        sections: list[Section] = []
        for n in body.nodes():
            if is_reduction(n):
                self._add_reduction(sections, n)
        for output in body.outputs:
            if not is_reduction(output.args[0]):
                self._add_store(sections, output)
        self.delayed: set[Node] = set()
        self.ordered = self._order(sections)
        self.kept = self._keep()

    def along(self, n: Node) -> tuple[str, ...]:
        """Roles of the dimensions that a value varies along."""
        return roles(n.type.axes, self.dimensions)

    def inside(self, n: Node) -> bool:
        """True where a value is computed inside the loops of a section."""
        return not set(self.along(n)) <= set(self.outer)

    def stage(self, n: Node) -> int:
        """Number of reductions that come one after another before a value."""
        if n not in self._stages:
            self._stages[n] = max(
                (self.stage(arg) + is_reduction(arg) for arg in n.args), default=0
            )
        return self._stages[n]

    def _add_reduction(self, sections: list[Section], n: Node) -> None:
        """Adds it to a section whose outer loops run along what it keeps, or to one of its own."""
        along, stage = set(self.along(n.args[0])), self.stage(n)
        kept = set(self.along(n))
        for section in sections:
            alike = section.stage == stage and set(section.along) == along
            if alike and set(section.along[: len(kept)]) == kept:
                section.reductions.append(n)
                return
        inner = [role for role in ROLES if role in kept and role not in self.outer]
        inner += [role for role in ROLES if role in along and role not in (*self.outer, *inner)]
        sections.append(Section(stage, (*self.outer, *inner), reductions=[n]))

    def _add_store(self, sections: list[Section], output: Node) -> None:
        along, stage = set(self.along(output)), self.stage(output)
        for section in sections:
            if section.stage == stage and set(section.along) == along:
                section.stores.append(output)
                return
        inner = (role for role in ROLES if role in along and role not in self.outer)
        sections.append(Section(stage, (*self.outer, *inner), stores=[output]))

    def _goals(self, section: Section) -> list[Node]:
        return [*(n.args[0] for n in section.reductions), *(e.args[0] for e in section.stores)]

    def needs(self, section: Section) -> Iterator[Node]:
        """Values that a section evaluates, not looking behind reductions."""
        seen: set[Node] = set()
        waiting = self._goals(section)
        while waiting:
            n = waiting.pop()
            if n not in seen:
                seen.add(n)
                yield n
                waiting += () if is_reduction(n) else n.args

    def _order(self, sections: Sequence[Section]) -> list[Section]:
        """Reductions before what needs them, and readers of an array before it is overwritten."""
        needs = {section: set(self.needs(section)) for section in sections}
        waiting, ordered = sorted(sections, key=lambda section: section.stage), []
        while waiting:
            reduced = {n for section in waiting for n in section.reductions}
            able = [s for s in waiting if not needs[s] & (reduced - set(s.reductions))]
            ready = next((s for s in able if not self._overwritten(s, waiting, needs)), None)
            if ready is None:  # arrays that are made of each other's old values
                ready = able[0]
                self.delayed |= self._overwritten(ready, waiting, needs)
            ordered.append(ready)
            waiting.remove(ready)
        return ordered

    def _overwritten(
        self,
        section: Section,
        waiting: Sequence[Section],
        needs: dict[Section, set[Node]],
    ) -> set[Node]:
        """The stores of a section over what others that wait still read."""
        read = {
            n.attr
            for other in waiting
            if other is not section
            for n in needs[other]
            if n.op == "load"
        }
        return {store for store in section.stores if store.attr in read}

    def _keep(self) -> dict[Section, set[Node]]:
        """Values that several sections need, and that are more than an element of an array."""
        kept: dict[Section, set[Node]] = {section: set() for section in self.ordered}
        first: dict[Node, Section] = {}
        for section in self.ordered:
            waiting, seen = self._goals(section), set()
            while waiting:
                n = waiting.pop()
                if n in seen or not self.inside(n):
                    continue
                seen.add(n)
                if n in first and n.op not in ("broadcast", "cast", "load", "const"):
                    kept[first[n]].add(n)
                elif not is_reduction(n):
                    first.setdefault(n, section)
                    waiting += n.args
        for section, values in kept.items():
            values |= {n for n in section.reductions if self.inside(n) and self._used(n)}
        return kept

    def _used(self, reduction: Node) -> bool:
        return any(
            reduction in n.args
            for section in self.ordered
            for n in self.needs(section)
            if not is_reduction(n)
        )
