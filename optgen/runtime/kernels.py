"""What an emitted module says of its native kernels: what each phase takes and gives."""

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
    """

    name: str
    source: str | Path = field(repr=False)
    step: tuple[NativePhase, ...]
    update: tuple[NativePhase, ...]

    @functools.cached_property
    def text(self) -> str:
        """The C++."""
        return self.source if isinstance(self.source, str) else self.source.read_text("utf-8")
