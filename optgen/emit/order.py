"""In which order a kernel stores what it updates in place."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from optgen.ir.node import Node


def readers_first(
    outputs: Sequence[Node], computed: Collection[Node] = ()
) -> tuple[list[Node], list[Node]]:
    """The stores in an order in which none overwrites what another still reads.

    Args:
      outputs: the stores.
      computed: values that are there before the first of them.

    Returns:
      Those that have such an order, and after them those that have none.
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
    """All that is evaluated for a value."""
    found: set[Node] = set()
    waiting = [output]
    while waiting:
        n = waiting.pop()
        if n not in found and n not in computed:
            found.add(n)
            waiting += n.args
    return found
