"""The order in which a kernel stores the arrays that it updates in place."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from optgen.ir.node import Node


def readers_first(
    outputs: Sequence[Node], computed: Collection[Node] = ()
) -> tuple[list[Node], list[Node]]:
    """Orders stores so that none overwrites an array that a later one reads.

    Args:
      outputs: the stores.
      computed: values that are computed before the first of them.

    Returns:
      The stores that have such an order, and the list of those that have none.
    """
    waiting = list(outputs)
    ordered: list[Node] = []
    while waiting:
        reads = {o: {n.attr for n in _evaluated(o, computed) if n.op == "load"} for o in waiting}
        ready = next(
            (o for o in waiting if not any(o.attr in reads[x] for x in waiting if x is not o)),
            None,
        )
        if ready is None:
            break
        ordered.append(ready)
        waiting.remove(ready)
    return ordered, waiting


def _evaluated(output: Node, computed: Collection[Node]) -> set[Node]:
    """The nodes that are evaluated for a value."""
    evaluated: set[Node] = set()
    waiting = [output]
    while waiting:
        n = waiting.pop()
        if n not in evaluated and n not in computed:
            evaluated.add(n)
            waiting += n.args
    return evaluated
