"""The one node of every program: immutable, hash-consed, so that equal means identical."""

from __future__ import annotations

import math
import weakref
from collections.abc import Hashable, Iterable, Iterator
from typing import Any

from optgen.ir.types import Type


class Node:
    """A value: an operation, its type, its arguments, and what else the operation needs.

    Attributes:
      op: the name of the operation, a key of ``optgen.ir.ops.OPS``.
      type: the type of the value.
      args: the nodes it is computed from.
      attr: what is known when the program is made: a constant, the name of a load, the axes of
        a reduction. None where the operation needs nothing.

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
    """What tells two attributes apart: 0.0 from -0.0, and one NaN equal to another."""
    if isinstance(attr, float):
        return "nan" if math.isnan(attr) else attr.hex()
    return attr


def node(op: str, type: Type, args: Iterable[Node] = (), attr: Any = None) -> Node:
    """The one node with this operation, type, arguments and attribute."""
    args = tuple(args)
    key = (op, type, args, _identity(attr))
    found = _nodes.get(key)
    if found is None:
        found = object.__new__(Node)
        for name, value in (("op", op), ("type", type), ("args", args), ("attr", attr)):
            object.__setattr__(found, name, value)
        found = _nodes.setdefault(key, found)
    return found


def walk(roots: Iterable[Node]) -> Iterator[Node]:
    """Every node that the roots are computed from and the roots, arguments first, each once."""
    seen: set[Node] = set()
    stack = [(root, False) for root in reversed(list(roots))]
    while stack:
        current, ready = stack.pop()
        if ready:
            yield current
        elif current not in seen:
            seen.add(current)
            stack.append((current, True))
            stack.extend((arg, False) for arg in reversed(current.args))
