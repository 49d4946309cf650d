"""What one launch does to a leaf: some routines in a row, and the arrays that they share."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from optgen.runtime.execution.launches import Task
from optgen.runtime.execution.tpu.block import Block
from optgen.runtime.execution.tpu.frame import Frame
from optgen.runtime.execution.tpu.small import Small
from optgen.runtime.vocabulary.kernels import Operand, Routine, layout


@dataclass(frozen=True, slots=True)
class Run(Routine):
    """Routines of one phase that one launch runs on a leaf.

    Attributes:
      parts: the routines; where there are several the leaf stays in VMEM between them.
      kept: the temporaries and statistics that later launches read.
      itemsize: the bytes of an element of the parameter.
    """

    parts: tuple[Routine, ...] = ()
    kept: frozenset[str] = frozenset()
    itemsize: int = 4


@dataclass(frozen=True, slots=True)
class Array:
    """An array of a leaf in a launch.

    Attributes:
      name: its name.
      dtype: what it is stored in.
      small: how it is kept where it does not vary along the whole leaf; else None.
      purpose: as in the operands.
      read: whether what it was before the launch is read.
      written: whether what it is after the launch is needed.
    """

    name: str
    dtype: str
    small: Small | None
    purpose: str
    read: bool
    written: bool


@dataclass(frozen=True, slots=True)
class Work:
    """The routines of one launch on leaves of one shape.

    Attributes:
      frame: how the leaf is seen.
      parts: the routines, in order.
      kept: the temporaries and statistics that later launches read.
    """

    frame: Frame
    parts: tuple[Routine, ...]
    kept: frozenset[str]

    @property
    def arrays(self) -> Mapping[str, Array]:
        """All arrays by name, in the order in which the routines mention them."""
        return _arrays(self)

    @property
    def scalars(self) -> tuple[str, ...]:
        """The names of what is the same for all leaves."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.scalars))

    def block(self, part: Routine, whole: bool, inside: Mapping[int, Any] | None = None) -> Block:
        """What a routine's function is told of the leaf."""
        extents, _ = layout(part.view, self.frame.shape)
        shape = self.frame.dims if whole else self.frame.tile
        return Block(extents, self.frame.tags(part.view), shape, inside)

    def small(self, part: Routine, x: Operand) -> Small | None:
        """How a small operand of a routine is kept; None for a large one."""
        if isinstance(x.axes, str):
            return None
        return Small(self.frame, self.frame.along(part.view, x.axes))


@functools.cache
def _arrays(work: Work) -> Mapping[str, Array]:
    found: dict[str, tuple[Operand, Small | None, bool]] = {}
    written: set[str] = set()
    for part in work.parts:
        for x in part.operands:
            if x.name not in found:
                found[x.name] = x, work.small(part, x), x.access in ("in", "in-out")
            if x.access != "in":
                written.add(x.name)
    return {
        name: Array(name, x.dtype, small, x.purpose, read, name in written and _needed(work, x))
        for name, (x, small, read) in found.items()
    }


def _needed(work: Work, x: Operand) -> bool:
    return x.purpose in ("leaf", "contribution") or x.name in work.kept


def given(array: Array, frame: Frame, x: Any) -> Any:
    """An array of a task as a launch reads it from memory."""
    if array.small is None:
        return frame.seen(x)
    return array.small.stored(x) if array.purpose == "leaf" else x


def stored_shape(array: Array, frame: Frame) -> tuple[int, ...]:
    """The shape of an array as a launch has it in memory."""
    return frame.dims if array.small is None else array.small.stored_shape


def keep(array: Array, frame: Frame, task: Task, x: Any) -> None:
    """Gives a task what a launch made."""
    if array.small is None:
        task.arrays[array.name] = frame.unseen(x)
    elif array.purpose == "leaf":
        task.arrays[array.name] = array.small.unstored(x, task.arrays[array.name].shape)
    else:
        task.arrays[array.name] = x


def rounded(value: Any, dtype: str) -> Any:
    """A value as it reads when it has been stored."""
    return value if dtype == "float32" else value.astype(dtype).astype(jnp.float32)


def stacked(names: Sequence[str], scalars: Mapping[str, Any]) -> Any:
    """The scalars of a launch in one array."""
    if not names:
        return jnp.zeros(1, jnp.float32)
    return jnp.stack([scalars[name] for name in names]).astype(jnp.float32)


def call(
    function: Any,
    block: Block,
    part: Routine,
    values: Mapping[str, Any],
    scalars: Mapping[str, Any],
) -> Mapping[str, Any]:
    """Calls an emitted function with what its arguments are."""
    read = [values[x.name] for x in part.operands if x.access in ("in", "in-out")]
    found: Mapping[str, Any] = function(block, *read, *(scalars[name] for name in part.scalars))
    return found
