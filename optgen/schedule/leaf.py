"""What the planner is given: what a step does to a leaf, and the leaves."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from optgen.errors import PlanError
from optgen.ir.evaluate import Dtypes
from optgen.ir.legality import KERNEL, check
from optgen.ir.node import Node
from optgen.ir.program import Program

Mode = Literal["step", "update"]
"""Whether the new parameters are stored, as ``p``, or what is to be added to them."""

RESULT = {"step": "p", "update": "update"}
"""The name under which the result is stored in each mode."""


_FLOAT32 = Dtypes()


@dataclass(frozen=True)
class LeafProgram:
    """What one step does to one kind of leaf, cut where a reduction over the tree is awaited.

    Attributes:
      update: stores the result and the next slots.
      partials: for each phase that ends in reductions over the tree, what the leaf contributes
        to them: ``emit`` effects alone, or no effects where it contributes nothing.
      names: what the author called values. Programs that differ in nothing else are planned
        apart, so that what is emitted for one does not depend on what was planned before it.

    All are legal kernel bodies, except that reductions may depend on each other. What two of
    them have in common is the same nodes, so that a value of one can be kept for the next.
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
        """What the author called each value that has a name."""
        names: dict[Node, str] = {}
        for phase in self.phases:
            for n, name in phase.names.items():
                names.setdefault(n, name)
        return names

    @property
    def name(self) -> str:
        """What the program is called."""
        return self.update.name

    @property
    def rank(self) -> int | None:
        """The rank of the leaf, or None where any rank will do."""
        return next((p.rank for p in self.phases if p.rank is not None), None)


@dataclass(frozen=True)
class Leaf:
    """One array of the parameter tree.

    Attributes:
      name: its key path, for readers.
      shape: its shape.
      dtypes: what its parameter and gradient are stored in, and what arithmetic runs in.
      program: which of the programs is its own.
    """

    name: str
    shape: tuple[int, ...]
    dtypes: Dtypes = _FLOAT32
    program: int = 0

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)


def check_program(program: LeafProgram, mode: Mode) -> None:
    """Refuses what the planner cannot take.

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
