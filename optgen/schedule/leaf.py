"""Leaf programs: the input of the planner, one step's work on a kind of leaf."""

from __future__ import annotations

from dataclasses import dataclass, field

from optgen.errors import PlanError
from optgen.ir.legality import KERNEL, check
from optgen.ir.node import Node
from optgen.ir.program import Program
from optgen.runtime.vocabulary.sequence import RESULT, Mode


@dataclass(frozen=True)
class LeafProgram:
    """One step's work on one kind of leaf, cut where it awaits a reduction over the tree.

    Attributes:
      update: stores the result and the next slots.
      partials: for each phase that ends in reductions over the tree, the contributions of the
        leaf to them: ``emit`` effects alone, or no effects where it contributes nothing.
      names: the author's names of values. Programs that differ in nothing else are planned
        apart, so that the code emitted for one does not depend on those planned before it.

    All are legal kernel bodies, except that reductions may depend on each other. A value that two
    of them share is the same node, so that the first can keep it for the next.
    """

    update: Program
    partials: tuple[Program, ...] = ()
    names: frozenset[tuple[Node, str]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        named = frozenset(item for phase in self.phases for item in phase.names.items())
        object.__setattr__(self, "names", named)

    @property
    def phases(self) -> tuple[Program, ...]:
        """The programs in the order in which they run."""
        return (*self.partials, self.update)

    def authors(self) -> dict[Node, str]:
        """The author's name of each value that has one."""
        names: dict[Node, str] = {}
        for phase in self.phases:
            for n, name in phase.names.items():
                names.setdefault(n, name)
        return names

    @property
    def mode(self) -> Mode:
        """The mode: ``update`` where the program stores what is to be added to the parameter."""
        updates = any(effect.attr == RESULT["update"] for effect in self.update.outputs)
        return "update" if updates else "step"

    @property
    def name(self) -> str:
        """The name of the program."""
        return self.update.name

    @property
    def rank(self) -> int | None:
        """The rank of the leaf, or None where any rank will do."""
        return next((p.rank for p in self.phases if p.rank is not None), None)


def check_program(program: LeafProgram, mode: Mode) -> None:
    """Refuses a program that the planner cannot take.

    Raises:
      IRError: if a phase is not a legal kernel body.
      PlanError: if a phase has the wrong effects for its place or for the mode.
    """
    ranks = {p.rank for p in program.phases if p.rank is not None}
    if len(ranks) > 1:
        raise PlanError(f"the phases of {program.name!r} are for leaves of ranks {sorted(ranks)}")
    for phase in program.phases:
        check(phase, KERNEL)
        allowed = "store" if phase is program.update else "emit"
        if wrong := [e.attr for e in phase.outputs if e.op != allowed]:
            raise PlanError(f"{phase.name!r} may only {allowed}; it has other effects: {wrong}")
    stored = {effect.attr for effect in program.update.outputs}
    result = RESULT[mode]
    other = next(name for name in RESULT.values() if name != result)
    if result not in stored or other in stored:
        raise PlanError(
            f"a plan of mode {mode!r} needs programs that store {result!r} and not {other!r}; "
            f"{program.name!r} stores {sorted(stored)}"
        )
