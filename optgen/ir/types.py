"""The type of a value: a dtype, and the axes of the leaf along which the value varies.

A leaf is one array of the parameter tree. A value that varies along all of its axes has the
axes ``LEAF``; a statistic of each row of a matrix has ``(0,)``; a scalar has ``()``. A program
that never names an axis is therefore the same program for leaves of every rank.

Dtypes are symbolic where the program does not depend on them. ``real`` is the dtype of arithmetic
(float32, or float64 beside a float64 input); ``param`` and ``grad`` are the dtypes in which the
parameter and the gradient are stored. Storage and computation are distinct: only ``cast`` crosses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Axes = tuple[int, ...] | Literal["*"]

LEAF: Literal["*"] = "*"
SCALAR: tuple[int, ...] = ()

REAL = "real"
BOOL = "bool"
PARAM = "param"
GRAD = "grad"
CONCRETE_FLOATS = ("float16", "bfloat16", "float32", "float64")
STORAGE = (PARAM, GRAD, REAL, *CONCRETE_FLOATS)
DTYPES = (*STORAGE, BOOL)


@dataclass(frozen=True, slots=True)
class Type:
    """A dtype, and the axes along which a value of this type varies."""

    dtype: str
    axes: Axes

    def __str__(self) -> str:
        inside = self.axes if self.axes == LEAF else ",".join(map(str, self.axes))
        return f"{self.dtype}[{inside}]"

    def with_dtype(self, dtype: str) -> Type:
        """This type, with another dtype."""
        return Type(dtype, self.axes)

    def with_axes(self, axes: Axes) -> Type:
        """This type, varying along other axes."""
        return Type(self.dtype, axes)


REAL_SCALAR = Type(REAL, SCALAR)
BOOL_SCALAR = Type(BOOL, SCALAR)


def canonical(axes: Axes, rank: int) -> Axes:
    """``LEAF`` where ``axes`` are all the axes of a leaf of this rank, sorted otherwise.

    A leaf of rank 0 has no axes to name; its values are ``LEAF`` and its reductions scalars.
    """
    if axes == LEAF:
        return LEAF
    return LEAF if rank and len(set(axes)) == rank else tuple(sorted(set(axes)))


def join(a: Axes, b: Axes, rank: int) -> Axes:
    """The axes along which an elementwise function of two values varies."""
    if a == LEAF or b == LEAF:
        return LEAF
    return canonical((*a, *b), rank)


def contains(outer: Axes, inner: Axes) -> bool:
    """True where a value varying along ``inner`` can be broadcast to ``outer``."""
    return outer == LEAF or (inner != LEAF and set(inner) <= set(outer))


def without(axes: Axes, reduced: Axes, rank: int) -> Axes:
    """The axes left after reducing a value that varies along ``axes`` over ``reduced``."""
    if reduced == LEAF:
        return SCALAR
    every = tuple(range(rank)) if axes == LEAF else axes
    return canonical(tuple(a for a in every if a not in reduced), rank)
