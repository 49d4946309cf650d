"""Distinct names: one for each value that the author named, in equations and emitted code alike.

An author assigns to a name more than once: of ``u = a``, ``u = u + b`` the last is called ``u``,
and ``a`` nothing if it serves once. Two parts of a chain call different values ``ratio``: they
are ``ratio`` and ``ratio_2``, in the order of the program.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from optgen.ir.node import Node
from optgen.ir.program import Program


@dataclass(frozen=True)
class DistinctNames:
    """Drops names of values that serve once and are reassigned, and numbers equal ones."""

    name: str = "names"

    def run(self, program: Program) -> Program:
        nodes = list(program.nodes())
        uses = Counter(arg for n in nodes for arg in n.args)
        last = {program.names[n]: n for n in nodes if n in program.names}
        reserved = {n.attr for n in nodes if isinstance(n.attr, str)} | {*last}
        names: dict[Node, str] = {}
        used: set[str] = set()
        for n in nodes:
            name = program.names.get(n)
            if name is None or (uses[n] == 1 and last[name] is not n):
                continue
            number, distinct = 1, name
            while distinct in used or (number > 1 and distinct in reserved):
                number += 1
                distinct = f"{name}_{number}"
            used.add(distinct)
            names[n] = distinct
        return replace(program, names=names)
