"""The arrays of a leaf on which a result of a program depends."""

from __future__ import annotations

from collections.abc import Iterable

from optgen.ir.node import Node, walk
from optgen.ir.ops import OPS
from optgen.ir.program import Program
from optgen.ir.types import BOOL


def arrays_of(program: Program, result: str) -> tuple[str, ...]:
    """The arrays whose values enter a stored result, sorted: ``g``, ``p`` and slots.

    What only decides between values does not enter them, nor does what all leaves share: in JAX
    neither has a say in the dtype of the result.
    """
    stores = [o for o in program.outputs if o.op == "store" and o.attr == result]
    loads = {n.attr for n in walk(stores, args=_values) if n.op == "load"}
    return tuple(sorted(loads))


def _values(n: Node) -> Iterable[Node]:
    if n.type.dtype == BOOL or OPS[n.op].kind == "tree":
        return ()
    return n.args
