"""Dimensions of a view as C++ names them: batch, row and column."""

from __future__ import annotations

from collections.abc import Iterable

from optgen.ir.types import LEAF, SCALAR, Axes
from optgen.schedule.sequence import Schedule

ROLES = ("batch", "row", "column")
"""The dimensions of matrices; several dimensions of a batch are one."""

EXTENTS = {"batch": "batches", "row": "rows", "column": "columns"}


def roles(axes: Axes, dimensions: int) -> tuple[str, ...]:
    """Roles of the dimensions that a value varies along; the one of a vector is ``element``."""
    if dimensions == 1:
        return ("element",) if axes else ()
    numbers = range(dimensions) if axes == LEAF else axes
    return tuple(dict.fromkeys(ROLES[max(d - dimensions, -3)] for d in numbers))


def stored_along(axes: Axes, dimensions: int) -> tuple[str, ...]:
    """Roles of an array's dimensions in the launch code, where matrices are always of a batch."""
    along = roles(axes, dimensions)
    return ("batch", *along) if dimensions == 2 and along else along


def mask(along: Iterable[str]) -> str:
    """The constant of ``optgen_leaf.h`` for what an array varies along."""
    return " | ".join(f"optgen::k{role.capitalize()}" for role in along) or "optgen::kNothing"


def why_not(schedule: Schedule) -> str:
    """Reason for which the launch code has no names for a schedule's axes; empty if it has them."""
    batches = set(range(schedule.sequence.dimensions - 2))
    for kernel, body in schedule:
        if kernel.flat:
            continue
        for n in body.nodes():
            named = n.attr if n.op == "extent" else n.type.axes
            if named not in (LEAF, SCALAR) and 0 < len(batches & set(named)) < len(batches):
                return "its values vary along some dimensions of a batch, and not along all"
    return ""
