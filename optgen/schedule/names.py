"""Names for the buffers that the planner adds, in the words of the rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from optgen.ir.describe import describe
from optgen.ir.node import Node
from optgen.ir.types import LEAF, SCALAR
from optgen.runtime.vocabulary.sequence import RESULT
from optgen.runtime.vocabulary.variant import EMITTED
from optgen.runtime.vocabulary.view import dimension_names
from optgen.schedule.graph import is_effect, is_reduction
from optgen.schedule.leaf import LeafProgram

_SEVERAL = {"sum": "sums", "max": "maxima", "min": "minima"}


def buffer_names(
    program: LeafProgram,
    nodes: Sequence[Node],
    temporaries: Iterable[Node],
    combined: Iterable[Node] = (),
) -> dict[Node, str]:
    """A name for every reduction and every temporary: its author's, where that is free.

    The sum of a value that is called ``square``, one for each row, is ``square_row_sums``; its
    root is ``square_sqrt``. None is called as an array of every leaf is, so that both modes have
    the same names.

    Args:
      program: the program.
      nodes: its nodes.
      temporaries: the values that are kept, and are no reductions.
      combined: the reductions that are kept once more when their parts are combined.
    """
    authors = program.authors()
    combined = set(combined)
    taken = {n.attr for n in nodes if n.op in ("load", "scalar") or is_effect(n)}
    taken |= {"g", *RESULT.values(), *EMITTED}
    names: dict[Node, str] = {}
    for n in dict.fromkeys([*(n for n in nodes if is_reduction(n)), *temporaries]):
        name = authors.get(n, "")
        clashes = name in taken or (n in combined and combined_name(name) in taken)
        if not name.isidentifier() or clashes:
            name = _reduction(n, authors, program.rank) if is_reduction(n) else _value(n, authors)
            used = taken | {other for m, other in authors.items() if m is not n}
            name = _free(name, used, n in combined)
        names[n] = name
        taken |= {name, combined_name(name)} if n in combined else {name}
    return names


def combined_name(name: str) -> str:
    """The name of a statistic once its parts are combined."""
    return f"{name}_combined"


def _value(n: Node, authors: Mapping[Node, str]) -> str:
    return "temporary" if n.type.axes == LEAF else _words(n, authors) or "factor"


def _words(n: Node, authors: Mapping[Node, str]) -> str:
    return describe(n, lambda m: name if (name := authors.get(m, "")).isidentifier() else "")


def _reduction(n: Node, authors: Mapping[Node, str], rank: int | None) -> str:
    value = _words(n.args[0], authors)
    word = n.op
    if n.type.axes not in (SCALAR, LEAF):
        dimension = dimension_names(rank or 1)[n.type.axes[-1]]
        word = f"{dimension}_{_SEVERAL[n.op]}"
    return f"{value}_{word}" if value else word


def _free(name: str, taken: set[str], combined: bool) -> str:
    """The name, or with the first number from 2 on that makes it free."""
    candidate, number = name, 1
    while candidate in taken or (combined and combined_name(candidate) in taken):
        number += 1
        candidate = f"{name}_{number}"
    return candidate
