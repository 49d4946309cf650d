"""Names for the arrays that the planner adds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from optgen.ir.node import Node
from optgen.schedule.graph import is_effect, is_reduction
from optgen.schedule.leaf import LeafProgram


def buffer_names(
    program: LeafProgram, nodes: Sequence[Node], kept: Iterable[Node]
) -> dict[Node, str]:
    """A name for every reduction and every temporary: its author's, where that is free."""
    authors = program.authors()
    taken = {n.attr for n in nodes if n.op in ("load", "scalar") or is_effect(n)}
    names: dict[Node, str] = {}
    for n in dict.fromkeys([*(n for n in nodes if is_reduction(n)), *kept]):
        name = authors.get(n, "")
        if not name.isidentifier() or name in taken:
            name = _numbered(n.op if is_reduction(n) else "kept", taken)
        taken.add(name)
        names[n] = name
    return names


def _numbered(base: str, taken: set[str]) -> str:
    number = 1
    while f"{base}_{number}" in taken:
        number += 1
    return f"{base}_{number}"
