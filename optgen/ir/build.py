"""Builders of typed nodes: broadcasts and casts are inserted here, and nowhere else.

A ``Builder`` knows the rank of the leaf, so that "both axes of a matrix" and "the whole leaf"
are one type.
"""

from __future__ import annotations

from dataclasses import dataclass

from optgen.ir.node import Node, node
from optgen.ir.ops import OPS
from optgen.ir.types import (
    BOOL,
    LEAF,
    REAL,
    REAL_SCALAR,
    Axes,
    Type,
    canonical,
    contains,
    join,
    without,
)


def const(value: float) -> Node:
    """A number."""
    return node("const", REAL_SCALAR, attr=float(value))


def cast(x: Node, dtype: str) -> Node:
    """``x`` in another dtype; itself where it has that dtype already."""
    return x if x.type.dtype == dtype else node("cast", x.type.with_dtype(dtype), (x,))


def broadcast(x: Node, axes: Axes) -> Node:
    """``x`` repeated along more axes; itself where it varies along them already."""
    return x if x.type.axes == axes else node("broadcast", x.type.with_axes(axes), (x,))


def effect(op: str, name: str, x: Node) -> Node:
    """A ``store``, ``tree_store`` or ``emit`` of ``x``."""
    return node(op, x.type, (x,), name)


@dataclass(frozen=True)
class Builder:
    """Makes nodes for a leaf of this rank."""

    rank: int

    def elementwise(self, op: str, *args: Node) -> Node:
        """Applies an elementwise operation; arguments are cast and broadcast to fit."""
        kind = OPS[op].kind
        axes: Axes = ()
        for arg in args:
            axes = join(axes, arg.type.axes, self.rank)
        if kind == "select":
            values = [cast(arg, REAL) for arg in args[1:]]
            typed = [self.truth(args[0]), *values]
        elif kind == "logic":
            typed = [self.truth(arg) for arg in args]
        else:
            typed = [cast(arg, REAL) for arg in args]
        result = BOOL if kind in ("compare", "test", "logic") else REAL
        return node(op, Type(result, axes), [broadcast(arg, axes) for arg in typed])

    def truth(self, x: Node) -> Node:
        """``x`` as a boolean: itself, or ``x != 0``."""
        return x if x.type.dtype == BOOL else self.elementwise("ne", x, const(0.0))

    def reduce(self, op: str, x: Node, axes: Axes) -> Node:
        """Reduces over ``axes``; those along which ``x`` is constant drop out of the reduction.

        The leaf itself varies along all of its axes, those of extent 1 included.
        """
        x = cast(x, REAL)
        if axes != LEAF and x.type.axes != LEAF:
            axes = tuple(a for a in axes if a in x.type.axes)
        elif axes == LEAF and x.type.axes != LEAF:
            axes = x.type.axes
        if axes == ():
            return x
        if x.type.axes == LEAF:
            axes = canonical(axes, self.rank)
        rest = without(x.type.axes, axes, self.rank)
        return node(op, x.type.with_axes(rest), (x,), axes)

    def extent(self, axes: Axes) -> Node:
        """The number of elements of a leaf along ``axes``, as a real; at least 1."""
        return node("extent", REAL_SCALAR, attr=axes)

    def fits(self, x: Node, axes: Axes) -> bool:
        """True where ``x`` can be broadcast to ``axes``."""
        return contains(axes, x.type.axes)
