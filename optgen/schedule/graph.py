"""Properties of values, and walks over them, that all of the planner shares.

A value is *large* where it varies along every axis of the leaf; moving large values is the cost
of a step. All others (statistics of rows, scalars) are small beside it. A *statistic* is a
reduction of a large value: it is known only when all of the leaf has been read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

import ml_dtypes

from optgen.ir.evaluate import Dtypes
from optgen.ir.node import Node, node
from optgen.ir.ops import OPS
from optgen.ir.types import LEAF
from optgen.runtime.vocabulary.sequence import RESULT


def is_large(n: Node) -> bool:
    """True where the value has an element for each element of the leaf."""
    return n.type.axes == LEAF


def is_reduction(n: Node) -> bool:
    return OPS[n.op].kind == "reduce"


def is_effect(n: Node) -> bool:
    return OPS[n.op].kind == "effect"


def is_statistic(n: Node) -> bool:
    """True where the value is known only when all of the leaf has been read."""
    return is_reduction(n) and is_large(n.args[0])


def is_update(n: Node) -> bool:
    """True for the store of what is added to the parameter by whoever takes the update."""
    return n.op == "store" and n.attr == RESULT["update"]


def itemsize(dtype: str, dtypes: Dtypes) -> int:
    """The bytes of one element of a dtype of the IR."""
    return 1 if dtype == "bool" else dtypes.numpy(dtype).itemsize


def holds_exactly(storage: str, value: str, dtypes: Dtypes) -> bool:
    """True where a value of one dtype comes back the same from storage in the other."""
    a, b = dtypes.numpy(storage), dtypes.numpy(value)
    if a == b:
        return True
    wide, narrow = ml_dtypes.finfo(a), ml_dtypes.finfo(b)
    # Subnormals too: the smallest one is 2**(minexp - nmant).
    return bool(
        wide.nmant >= narrow.nmant
        and wide.maxexp >= narrow.maxexp
        and wide.minexp - wide.nmant <= narrow.minexp - narrow.nmant
    )


def same_value(stored: Node, dtypes: Dtypes) -> Iterator[Node]:
    """The node, and the values that undoing its widening casts recovers exactly."""
    yield stored
    while stored.op == "cast" and stored.args[0].type.dtype != "bool":
        (before,) = stored.args
        if not holds_exactly(stored.type.dtype, before.type.dtype, dtypes):
            return
        yield before
        stored = before


def walk_until(roots: Iterable[Node], known: Collection[Node]) -> Iterator[Node]:
    """The nodes that the roots are computed from, arguments first; stops at known ones."""
    seen: set[Node] = set()
    stack = [(root, False) for root in roots]
    while stack:
        current, ready = stack.pop()
        if ready:
            yield current
        elif current not in seen and current not in known:
            seen.add(current)
            stack.append((current, True))
            stack.extend((arg, False) for arg in reversed(current.args))


def rebuild(roots: Iterable[Node], known: Mapping[Node, Node]) -> dict[Node, Node]:
    """The roots computed from known values; maps every node on the way to its replacement."""
    new = dict(known)
    for n in walk_until(roots, known):
        args = tuple(new[arg] for arg in n.args)
        new[n] = n if args == n.args else node(n.op, n.type, args, n.attr)
    return new
