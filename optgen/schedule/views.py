"""How a kernel sees a leaf: as a flat vector, or as batch × rows × columns with strides.

Which axes a body names decides it. Axes that are next to each other and always named together
are one dimension of the view: a 3×3×256×512 convolution kernel whose statistics keep or reduce
its last two axes is a batch of 9 matrices. A body that names no axis sees a vector, whatever the
shape. A body is rewritten from the axes of the leaf to the dimensions of its view, and so leaves
of different ranks come to share kernels.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, replace

from optgen.ir.node import Node, node
from optgen.ir.ops import OPS
from optgen.ir.program import Program
from optgen.ir.types import LEAF, SCALAR, Axes, canonical
from optgen.runtime.vocabulary.kernels import elements, layout, strides

Group = tuple[int, ...]
"""Axes of a leaf that are next to each other."""


@dataclass(frozen=True)
class View:
    """The dimensions of a view.

    Attributes:
      roles: of each dimension: ``("elements",)``; ``("rows", "columns")``; or the same after one
        or more of ``"batch"``. The body's axes are places in here. Usually every value that
        varies along anything varies along the batch too, but a reduction may run over it.
    """

    roles: tuple[str, ...]

    @property
    def kind(self) -> str:
        """``flat``, ``matrix`` or ``batched``."""
        return {1: "flat", 2: "matrix"}.get(len(self.roles), "batched")

    @property
    def rank(self) -> int | None:
        """The rank of the body's program: None for the flat view, which names no axis."""
        return None if self.kind == "flat" else len(self.roles)


FLAT = View(("elements",))


@dataclass(frozen=True)
class Layout:
    """Where the elements of one leaf are, in the dimensions of a view.

    Attributes:
      extents: of each dimension, in elements.
      order: the dimensions from the outermost in memory to the innermost. Leaves, and arrays
        that vary along some of the dimensions only, are stored densely in this order.
    """

    extents: tuple[int, ...]
    order: tuple[int, ...]

    def elements(self, axes: Axes) -> int:
        """How many elements an array has that varies along these dimensions."""
        return elements(self.extents, axes)

    def strides(self, axes: Axes) -> tuple[int, ...]:
        """The strides of such an array in elements; 0 along what it does not vary along."""
        return strides(self.extents, self.order, axes)


@dataclass(frozen=True)
class Grouping:
    """A view, and which axes of the leaf each of its dimensions is.

    Attributes:
      view: the view.
      groups: the axes of each dimension; empty for the flat view, which is all of them.
    """

    view: View
    groups: tuple[Group, ...]

    def layout(self, shape: tuple[int, ...]) -> Layout:
        """Where the elements of a leaf of this shape are."""
        return Layout(*layout(self.groups, shape))

    def rewrite(self, body: Program) -> Program:
        """The body with dimensions of the view in the place of axes of the leaf."""
        rank = body.rank or 0

        def axes(old: Axes) -> Axes:
            old = canonical(old, rank) if old != SCALAR else old
            if old in (LEAF, SCALAR):
                return old
            return tuple(d for d, group in enumerate(self.groups) if group[0] in old)

        def step(n: Node) -> Node:
            attr = axes(n.attr) if _names_axes(n) else n.attr
            return node(n.op, n.type.with_axes(axes(n.type.axes)), n.args, attr)

        return replace(body.rewrite(step), rank=self.view.rank)


@dataclass(frozen=True)
class Uncovered:
    """No view covers a body.

    Attributes:
      reason: why, in words that end a sentence.
    """

    reason: str


@functools.lru_cache(maxsize=1024)
def view_of(body: Program) -> Grouping | Uncovered:
    """How a kernel with this body sees its leaves."""
    rank = body.rank or 0
    kept = _named(rank, (n.type.axes for n in body.nodes()))
    named = kept | _named(rank, (n.attr for n in body.nodes() if _names_axes(n)))
    if not named:
        return Grouping(FLAT, ())
    groups = _groups(rank, named)
    batch = [g for g in groups if kept and all(g[0] in axes for axes in kept)]
    missing = max(0, len(groups) - 2)
    if missing > len(batch):
        if len(groups) > 3:
            return Uncovered(_why_not(groups))
        batch = groups
    first = batch[:missing]
    rest = [g for g in groups if g not in first]
    return Grouping(View(("batch",) * missing + ("rows", "columns")), (*first, *rest))


def layout_without_view(shape: tuple[int, ...]) -> Layout:
    """Where the elements of a leaf are, in its own axes."""
    return Layout(shape, tuple(range(len(shape))))


def _names_axes(n: Node) -> bool:
    return OPS[n.op].kind == "reduce" or n.op == "extent"


def _named(rank: int, found: Iterable[Axes]) -> set[Axes]:
    """The sets of some of the axes, but not none or all of them."""
    return {canonical(axes, rank) for axes in found} - {LEAF, SCALAR}


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


def _why_not(groups: list[Group]) -> str:
    listed = ", ".join("×".join(map(str, group)) for group in groups)
    return (
        f"it keeps or reduces {len(groups)} groups of axes separately ({listed}), and a view has "
        f"rows, columns, and a batch along which everything varies"
    )
