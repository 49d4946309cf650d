"""Covers: the sets of arrays that a value can be computed from.

A *cover* of a value is a set of arrays such that reading them is enough to compute it; it is
written as a bit mask. A value's own covers are the arrays that hold it, and each combination of
covers of its arguments. Only minimal ones are kept: a larger one is never cheaper.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from optgen.ir.node import Node
from optgen.schedule.graph import is_large

_NOTHING = (0,)
_MOST_KEPT = 256  # far above what a rule of ten slots needs; bounds time, not correctness


def covers(nodes: Iterable[Node], held: Mapping[Node, Sequence[int]]) -> dict[Node, Sequence[int]]:
    """The minimal covers of each large value.

    Args:
      nodes: the values, arguments first.
      held: the arrays that hold a value, as bits, for each value that arrays hold.
    """
    families: dict[Node, Sequence[int]] = {}
    for n in nodes:
        if not is_large(n):
            continue
        own = [1 << bit for bit in held.get(n, ())]
        if n.op == "load":
            families[n] = own
            continue
        of_args = [families[arg] for arg in dict.fromkeys(n.args) if is_large(arg)]
        families[n] = minimal([*own, *combinations(of_args)])
    return families


def combinations(families: Iterable[Sequence[int]]) -> Sequence[int]:
    """The minimal unions of one cover from each family."""
    result: Sequence[int] = _NOTHING
    for family in families:
        result = minimal(a | b for a in result for b in family)
    return result


def minimal(masks: Iterable[int]) -> list[int]:
    """The masks that contain no other one."""
    smallest: list[int] = []
    for mask in sorted(set(masks), key=lambda m: (m.bit_count(), m)):
        if not any(mask & other == other for other in smallest):
            smallest.append(mask)
    return smallest[:_MOST_KEPT]
