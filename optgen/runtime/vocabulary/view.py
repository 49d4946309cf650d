"""Views: the dimensions in which kernels see a leaf, and the layout of its elements in memory.

A rule names axes of a leaf: a mean of each row, a sum over columns. Axes that are next to each
other and always named together are one *dimension*. A view has one for the rows and one for the
columns of matrices, after any that tell the matrices of a batch apart. Columns are the dimension
that a rule reduces first; the dimension that is innermost in memory differs from leaf to leaf. A
kernel whose body names no axis sees every leaf as a vector, of one dimension.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Literal

Axes = tuple[int, ...] | Literal["*"]
"""The dimensions of a view along which an array varies; ``"*"`` for all."""

Groups = tuple[tuple[int, ...], ...]
"""For each dimension of a view, the axes of the leaf in it; empty for a leaf as a vector."""


def dimension_names(count: int) -> tuple[str, ...]:
    """Names of the dimensions of a view: ``("element",)``, or batches, ``row`` and ``column``."""
    if count == 1:
        return ("element",)
    batches = count - 2
    numbered = ("batch",) if batches == 1 else tuple(f"batch_{i + 1}" for i in range(batches))
    return (*numbered, "row", "column")


def extent_name(dimension: str) -> str:
    """Name of the extent of a dimension: ``size``, ``batches``, ``rows`` or ``columns``."""
    if dimension.startswith("batch"):
        return dimension.replace("batch", "batches")
    return "size" if dimension == "element" else f"{dimension}s"


def axes_name(dimension: str) -> str:
    """Name of the axes of the leaf that a dimension is, as an argument of emitted functions."""
    return f"{dimension}_axes"


def along(axes: Axes, dimensions: int) -> tuple[int, ...]:
    """Dimensions by their numbers, where ``axes`` may stand for all of them."""
    return tuple(range(dimensions)) if isinstance(axes, str) else axes


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of the elements of a leaf in memory, in the dimensions of a view.

    Attributes:
      extents: the extent of each dimension, in elements.
      order: the dimensions from the outermost in memory to the innermost. The leaf, and arrays
        that vary along some of the dimensions only, are stored densely in this order.
    """

    extents: tuple[int, ...]
    order: tuple[int, ...]

    @property
    def innermost(self) -> int:
        """The dimension whose elements are next to each other in memory."""
        return self.order[-1]

    def elements(self, axes: Axes) -> int:
        """Number of elements of an array that varies along these dimensions."""
        return math.prod(self.extents[d] for d in along(axes, len(self.extents)))

    def strides(self, axes: Axes) -> tuple[int, ...]:
        """Strides of such an array in elements; 0 along the dimensions that it lacks."""
        strides, step = [0] * len(self.extents), 1
        varies = along(axes, len(self.extents))
        for dimension in reversed(self.order):
            if dimension in varies:
                strides[dimension] = step
                step *= self.extents[dimension]
        return tuple(strides)


@functools.lru_cache(maxsize=4096)
def layout(groups: Groups, shape: tuple[int, ...]) -> Layout:
    """Layout of a leaf of this shape; a dimension without axes has the extent 1."""
    if not groups:
        return Layout((math.prod(shape),), (0,))
    extents = tuple(math.prod(shape[axis] for axis in group) for group in groups)
    return Layout(extents, tuple(sorted(range(len(groups)), key=lambda d: groups[d])))


def reduced_shape(shape: tuple[int, ...], groups: Groups, axes: Axes) -> tuple[int, ...]:
    """Shape of an array of a leaf that varies along some dimensions of a view.

    It has the extent 1 along the leaf's other axes, and no axes at all where it varies along none.
    """
    if isinstance(axes, str):
        return shape
    if not axes:
        return ()
    varies = {axis for dimension in axes for axis in groups[dimension]}
    return tuple(extent if axis in varies else 1 for axis, extent in enumerate(shape))
