"""From which arrays a value can be computed.

A *cover* of a value is a set of arrays such that reading them is enough to compute it; it is
written as a bit mask. A value's own covers are the arrays that hold it, and each combination of
covers of its arguments. Only minimal ones are kept: what a larger one offers is never cheaper.
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
      nodes: arguments first.
      held: for some values the arrays that hold them, as bits.
    """
    found: dict[Node, Sequence[int]] = {}
    for n in nodes:
        if not is_large(n):
            continue
        own = [1 << bit for bit in held.get(n, ())]
        if n.op == "load":
            found[n] = own
            continue
        of_args = [found[arg] for arg in dict.fromkeys(n.args) if is_large(arg)]
        found[n] = minimal([*own, *combinations(of_args)])
    return found


def combinations(families: Iterable[Sequence[int]]) -> Sequence[int]:
    """The minimal unions of one cover from each family."""
    result: Sequence[int] = _NOTHING
    for family in families:
        result = minimal(a | b for a in result for b in family)
    return result


def minimal(masks: Iterable[int]) -> list[int]:
    """The masks that contain no other one."""
    kept: list[int] = []
    for mask in sorted(set(masks), key=lambda m: (m.bit_count(), m)):
        if not any(mask & other == other for other in kept):
            kept.append(mask)
    return kept[:_MOST_KEPT]
