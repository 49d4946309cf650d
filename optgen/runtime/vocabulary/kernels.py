"""What emitted modules say of their kernels: what each is given of a leaf, and what it makes."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

Groups = tuple[tuple[int, ...], ...]
"""Of each dimension of a view the axes of the leaf; empty for a flat view, which is all of them."""


def layout(groups: Groups, shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The extents of a view's dimensions, and the dimensions from the outermost in memory."""
    if not groups:
        return (math.prod(shape),), (0,)
    extents = tuple(math.prod(shape[axis] for axis in group) for group in groups)
    return extents, tuple(sorted(range(len(groups)), key=lambda d: groups[d]))


def elements(extents: tuple[int, ...], axes: tuple[int, ...] | str) -> int:
    """How many elements an array has that varies along these dimensions of a view."""
    return math.prod(extents[d] for d in along(extents, axes))


def strides(
    extents: tuple[int, ...], order: tuple[int, ...], axes: tuple[int, ...] | str
) -> tuple[int, ...]:
    """The strides of such an array in elements; 0 along what it does not vary along."""
    found, varies, step = [0] * len(extents), along(extents, axes), 1
    for dimension in reversed(order):
        if dimension in varies:
            found[dimension] = step
            step *= extents[dimension]
    return tuple(found)


def along(extents: tuple[int, ...], axes: tuple[int, ...] | str) -> tuple[int, ...]:
    """The dimensions along which an array varies; all of them where ``axes`` is ``"*"``."""
    return tuple(range(len(extents))) if isinstance(axes, str) else axes


@dataclass(frozen=True, slots=True)
class NativeGroup:
    """The kernels of a variant in one phase.

    Attributes:
      variant: which variant of the unit.
      dtypes: of the parameter, of the gradient, and the one that arithmetic runs in.
      inputs: the arrays of a leaf that are read only.
      in_place: those that are updated where they are.
      outputs: those that are only written: their dtype, and the kernel and the dimensions of its
        view along which they vary.
      views: how each kernel sees the axes of a leaf.
      contributions: the outputs that are contributed to tree reductions.
    """

    variant: int
    dtypes: tuple[str, str, str]
    inputs: tuple[str, ...]
    in_place: tuple[str, ...]
    outputs: Mapping[str, tuple[str, int, tuple[int, ...] | str]]
    views: tuple[Groups, ...]
    contributions: tuple[str, ...] = ()

    def covers(self, shape: tuple[int, ...]) -> bool:
        """Whether the columns of every view are innermost in memory, as kernels expect."""
        orders = (layout(groups, shape)[1] for groups in self.views)
        return all(order[-1] == len(order) - 1 for order in orders)


@dataclass(frozen=True, slots=True)
class NativePhase:
    """One call: all leaves of a tree, from one tree reduction to the next.

    Attributes:
      symbol: the function in the library.
      scalars: what it reads besides arrays, in order.
      groups: what leaves may bring.
    """

    symbol: str
    scalars: tuple[str, ...]
    groups: tuple[NativeGroup, ...]


@dataclass(frozen=True, eq=False)
class Native:
    """The C++ kernels of a unit.

    Attributes:
      name: what the library is called.
      source: the C++, or the file that holds it.
      step: the phases of a fused step.
      update: the phases of an update.
      target: ``cpu``.
    """

    name: str
    source: str | Path = field(repr=False)
    step: tuple[NativePhase, ...]
    update: tuple[NativePhase, ...]
    target: str = "cpu"

    @functools.cached_property
    def text(self) -> str:
        """The C++."""
        return self.source if isinstance(self.source, str) else self.source.read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Operand:
    """An array that a kernel is given for each leaf.

    Attributes:
      name: ``p``, ``g``, ``update``, a slot, or what the planner called it.
      dtype: what it is stored in.
      axes: the dimensions of the view along which it varies, or ``"*"`` for all.
      access: ``in``, ``out``, ``in-out`` for what is updated in place, or ``partial`` for a
        reduction of which every part of the leaf leaves its own.
      purpose: ``leaf`` for what outlives the step; ``temporary`` (large) and ``statistic``
        (small) for what does not; ``contribution`` to a reduction over the tree.
      combine: how parts are combined: ``sum``, ``max`` or ``min``; None where there are none.
    """

    name: str
    dtype: str
    axes: tuple[int, ...] | str
    access: str
    purpose: str
    combine: str | None = None


Section = tuple[tuple[int, ...], tuple[str, ...]]
"""Dimensions, and the names of reductions."""


@dataclass(frozen=True, slots=True)
class Routine:
    """An emitted kernel: a function of the source, and what it is given.

    Attributes:
      function: its name.
      phase: in which phase of the step it runs.
      kind: ``sweep``, ``settle`` or ``resident``, as in the plan.
      view: the axes of the leaf that each dimension of its view is; empty for the flat view.
      operands: the arrays of a leaf, in the order of the function's arguments.
      scalars: what it reads besides arrays, in the order of the array that holds them.
      sections: for a settling kernel whose programs share the elements of its arrays, the
        dimensions of each kind of array, and the reductions over it; empty where one program
        does all.
      apart: in that case, the dimensions whose indices have a program each.
    """

    function: str
    phase: int
    kind: str
    view: Groups
    operands: tuple[Operand, ...]
    scalars: tuple[str, ...]
    sections: tuple[Section, ...] = ()
    apart: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Chain:
    """The routines of a variant for some dtypes, in the order in which they run on a leaf.

    Attributes:
      variant: which variant of the unit.
      dtypes: of the parameter, of the gradient, and the one that arithmetic runs in.
      routines: those of all phases.
      resident: whether a leaf is kept on chip throughout a phase.
    """

    variant: int
    dtypes: tuple[str, str, str]
    routines: tuple[Routine, ...]
    resident: bool = False


@dataclass(frozen=True, eq=False)
class Kernels:
    """The kernels of a unit for an accelerator.

    Attributes:
      name: the rule's name.
      target: ``triton`` or ``tpu``.
      source: the Python source that holds the functions, or its file.
      step: the chains of a fused step.
      update: the chains of an update.
    """

    name: str
    target: str
    source: str | Path = field(repr=False)
    step: tuple[Chain, ...]
    update: tuple[Chain, ...]

    @functools.cached_property
    def text(self) -> str:
        """The source."""
        return self.source if isinstance(self.source, str) else self.source.read_text("utf-8")


def beside(tables: str) -> Path:
    """The file with the kernels whose tables are in this one."""
    path = Path(tables)
    return path.with_name(f"{path.stem}_kernels.py")
