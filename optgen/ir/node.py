"""The one node of every program: immutable, hash-consed, so that equal means identical."""

from __future__ import annotations

import math
import operator
import weakref
from collections.abc import Callable, Container, Hashable, Iterable, Iterator
from typing import Any

from optgen.ir.types import Type


class Node:
    """A value: an operation, its type, its arguments, and the attribute that some need.

    Attributes:
      op: the name of the operation, a key of ``optgen.ir.ops.OPS``.
      type: the type of the value.
      args: the nodes it is computed from.
      attr: the part of the operation that is fixed when the program is built: a constant, the
        name of a load, the axes of a reduction. None where the operation needs nothing.

    Two nodes with the same four are one object: build them with ``node``, compare with ``is``.
    """

    __slots__ = ("__weakref__", "args", "attr", "op", "type")

    op: str
    type: Type
    args: tuple[Node, ...]
    attr: Any

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a node is immutable; make another with optgen.ir.node ({name})")

    def __repr__(self) -> str:
        attr = "" if self.attr is None else f" {self.attr!r}"
        return f"<{self.op}{attr} : {self.type}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return node, (self.op, self.type, self.args, self.attr)


_nodes: weakref.WeakValueDictionary[Hashable, Node] = weakref.WeakValueDictionary()


def _identity(attr: Any) -> Hashable:
    """A key under which attributes are equal: 0.0 and -0.0 are two, all NaNs are one."""
    if isinstance(attr, float):
        return "nan" if math.isnan(attr) else attr.hex()
    return attr


def node(op: str, type: Type, args: Iterable[Node] = (), attr: Any = None) -> Node:
    """The one node with this operation, type, arguments and attribute."""
    args = tuple(args)
    key = (op, type, args, _identity(attr))
    interned = _nodes.get(key)
    if interned is None:
        interned = object.__new__(Node)
        for name, value in (("op", op), ("type", type), ("args", args), ("attr", attr)):
            object.__setattr__(interned, name, value)
        interned = _nodes.setdefault(key, interned)
    return interned


def walk(
    roots: Iterable[Node],
    known: Container[Node] = (),
    args: Callable[[Node], Iterable[Node]] = operator.attrgetter("args"),
) -> Iterator[Node]:
    """Yields the roots and every node that they are computed from, arguments first, each once.

    Args:
      roots: the nodes to begin with.
      known: nodes that are left out, with the nodes that they alone are computed from. Nodes
        added to it during the walk count.
      args: the arguments that are followed from a node; all of them by default.
    """
    seen: set[Node] = set()
    stack = [(root, False) for root in reversed(list(roots))]
    while stack:
        current, ready = stack.pop()
        if ready:
            yield current
        elif current not in seen and current not in known:
            seen.add(current)
            stack.append((current, True))
            stack.extend((arg, False) for arg in reversed(tuple(args(current))))
