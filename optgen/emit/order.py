"""In which order a kernel stores what it updates in place."""

from __future__ import annotations

from collections.abc import Sequence

from optgen.ir.node import Node, walk


def readers_first(outputs: Sequence[Node]) -> tuple[list[Node], list[Node]]:
    """The stores in an order in which none overwrites what another still reads.

    Returns:
      Those that have such an order, and after them those that have none.
    """
    waiting = list(outputs)
    ordered: list[Node] = []
    while waiting:
        reads = {o: {n.attr for n in walk([o]) if n.op == "load"} for o in waiting}
        ready = next(
            (o for o in waiting if not any(o.attr in reads[x] for x in waiting if x is not o)),
            None,
        )
        if ready is None:
            break
        ordered.append(ready)
        waiting.remove(ready)
    return ordered, waiting
