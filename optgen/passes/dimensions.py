"""Puts the dimensions of a view in the place of a leaf's axes.

Axes that are next to each other and always named together are one dimension: a 3×3×256×512
convolution kernel whose statistics keep or reduce its last two axes is a batch of 9 matrices. The
dimensions are numbered by their use in the program, not by their place in memory, so
leaves that are factored along different axes come to have one program. Where a leaf has no batch,
its program may be that of a batch of one (``without_batch``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from optgen.ir.build import const
from optgen.ir.node import Node, node
from optgen.ir.ops import OPS
from optgen.ir.program import Program
from optgen.ir.types import LEAF, SCALAR, Axes, canonical
from optgen.runtime.vocabulary.view import Groups

Group = tuple[int, ...]


@dataclass(frozen=True)
class Viewed:
    """Programs over the dimensions of a view.

    Attributes:
      programs: the programs; their axes are dimensions.
      groups: the axes of the leaf that make up each dimension; empty where no axis is named.
      reason: the reason for having no kernels of this view; empty where kernels serve it.
    """

    programs: tuple[Program, ...]
    groups: Groups
    reason: str = ""

    def axes(self, axes: Axes) -> Axes:
        """Axes of the leaf as dimensions of the view."""
        return _dimensions(axes, self.groups)


def view(programs: Sequence[Program]) -> Viewed:
    """Rewrites the programs of a leaf; the first of them decides the order of the dimensions."""
    rank = next((p.rank for p in programs if p.rank is not None), None)
    nodes = [n for program in programs for n in program.nodes()]
    varying = _named(rank or 0, (n.type.axes for n in nodes))
    named = varying | _named(rank or 0, (n.attr for n in nodes if _names_axes(n)))
    if rank is None or not named:
        return Viewed(tuple(_without_rank(p) for p in programs), ())
    groups = _groups(rank, named)
    batch = [g for g in groups if varying and all(g[0] in axes for axes in varying)]
    missing, reason = len(groups) - 2, ""
    if missing > len(batch):
        batch = groups
        reason = _why_not(groups) if len(groups) > 3 else ""
    first = batch[:missing]
    rest = [g for g in groups if g not in first]
    ordered = (*first, *_rows_and_columns(nodes, rest))
    return Viewed(tuple(_rewritten(p, ordered) for p in programs), ordered, reason)


def _names_axes(n: Node) -> bool:
    return OPS[n.op].kind == "reduce" or n.op == "extent"


def _named(rank: int, every: Iterable[Axes]) -> set[Axes]:
    """Sets of some of the axes, but not none or all of them."""
    return {canonical(axes, rank) for axes in every} - {LEAF, SCALAR}


def _groups(rank: int, named: set[Axes]) -> list[Group]:
    """The longest runs of axes that belong to the same named sets."""
    groups: list[Group] = []
    before: frozenset[Axes] | None = None
    for axis in range(rank):
        member_of = frozenset(axes for axes in named if axis in axes)
        if member_of == before:
            groups[-1] = (*groups[-1], axis)
        else:
            groups.append((axis,))
        before = member_of
    return groups


def _rows_and_columns(nodes: Sequence[Node], rest: Sequence[Group]) -> tuple[Group, Group]:
    """Two groups as rows and columns: columns are reduced, or absent from slots, or counted."""
    a, b = rest
    reduced = [n.attr for n in nodes if OPS[n.op].kind == "reduce"]
    varying = [n.type.axes for n in nodes]
    counted = [n.attr for n in nodes if n.op == "extent"]
    for every, columns_are_named in ((reduced, True), (varying, False), (counted, True)):
        for axes in every:
            if axes != LEAF and (a[0] in axes) != (b[0] in axes):
                return (b, a) if (a[0] in axes) == columns_are_named else (a, b)
    return a, b


def _dimensions(axes: Axes, groups: Groups) -> Axes:
    if axes in (LEAF, SCALAR):
        return axes
    dimensions = tuple(d for d, group in enumerate(groups) if group[0] in axes)
    return canonical(dimensions, len(groups))


def _without_rank(program: Program) -> Program:
    """The program for leaves of any rank; it names no axis, unless all of them by their numbers."""
    rewritten = _with_axes(program, lambda axes: canonical(axes, program.rank or 0))
    return replace(rewritten, rank=None)


def _rewritten(program: Program, groups: Groups) -> Program:
    rewritten = _with_axes(program, lambda axes: _dimensions(axes, groups))
    return replace(rewritten, rank=len(groups))


def _with_axes(program: Program, axes: Callable[[Axes], Axes]) -> Program:
    """The program with other axes in types and attributes."""

    def step(n: Node) -> Node:
        attr = axes(n.attr) if _names_axes(n) else n.attr
        return node(n.op, n.type.with_axes(axes(n.type.axes)), n.args, attr)

    return program.rewrite(step)


def without_batch(program: Program) -> Program:
    """The program for leaves whose first dimension has the extent 1, over the other dimensions."""
    rank = (program.rank or 0) - 1

    def axes(old: Axes) -> Axes:
        if old == LEAF:
            return old
        return canonical(tuple(d - 1 for d in old if d > 0), rank)

    def step(n: Node) -> Node:
        type_ = n.type.with_axes(axes(n.type.axes))
        if _names_axes(n):
            attr = axes(n.attr)
            if attr == SCALAR:
                return const(1.0) if n.op == "extent" else n.args[0]
            return node(n.op, type_, n.args, attr)
        if n.op == "broadcast" and n.args[0].type == type_:
            return n.args[0]
        return node(n.op, type_, n.args, n.attr)

    return replace(program.rewrite(step), rank=rank)


def _why_not(groups: Sequence[Group]) -> str:
    listed = ", ".join("×".join(map(str, group)) for group in groups)
    return (
        f"it keeps or reduces {len(groups)} groups of axes separately ({listed}), and a view has "
        f"rows, columns, and a batch along which everything varies"
    )
