"""The work of one launch on a leaf: some kernels in a row, and the arrays that they share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from optgen.runtime.execution.load import load_module
from optgen.runtime.execution.tpu.block import Block
from optgen.runtime.execution.tpu.frame import Frame, frame_of
from optgen.runtime.execution.tpu.small import Small
from optgen.runtime.vocabulary.launches import PlacedLeaf
from optgen.runtime.vocabulary.module import Kernels
from optgen.runtime.vocabulary.sequence import Kernel, Operand

Functions = Mapping[str, Callable[..., Mapping[str, Any]]]
"""The emitted functions, by name."""


@functools.lru_cache(maxsize=64)
def functions_of(kernels: Kernels) -> Functions:
    """Returns the emitted functions of kernels."""
    return vars(load_module(f"{kernels.name}_{kernels.target}", kernels.text))


@dataclass(frozen=True)
class Array:
    """An array of a leaf in a launch.

    Attributes:
      operand: the buffer, as the first kernel that mentions it has it.
      frame: how kernels see the leaf.
      small: how it is kept where it does not vary along the whole leaf; else None.
      read: whether its value from before the launch is read.
      written: whether its value from after the launch is needed.
    """

    operand: Operand
    frame: Frame
    small: Small | None
    read: bool
    written: bool

    @property
    def name(self) -> str:
        """Its name."""
        return self.operand.name

    @property
    def dtype(self) -> Any:
        """The dtype in which it is stored."""
        return jnp.dtype(self.operand.dtype)

    @property
    def contributes(self) -> bool:
        """It is a contribution to a reduction over the tree."""
        return self.operand.lifetime == "contribution"

    @property
    def shape(self) -> jax.ShapeDtypeStruct:
        """The array that kernels are given, and that they leave."""
        dims = self.frame.dims if self.small is None else self.small.stored_shape
        return jax.ShapeDtypeStruct(dims, self.dtype)

    def to_kernel(self, x: Any) -> Any:
        """An array of a leaf, or what an earlier launch left, as kernels are given it."""
        if self.small is None:
            return self.frame.to_kernel(x)
        return self.small.from_slot(x) if self.operand.lifetime == "leaf" else x

    def from_kernel(self, x: Any, before: Any) -> Any:
        """An array that kernels left, in the place of the one that was there before."""
        if self.small is None:
            return self.frame.from_kernel(x)
        return self.small.to_slot(x, before.shape) if self.operand.lifetime == "leaf" else x


@dataclass(frozen=True)
class Work:
    """The kernels that a launch runs on a leaf.

    Attributes:
      leaf: the leaf.
      kernels: the kernels, in order.
    """

    leaf: PlacedLeaf
    kernels: tuple[Kernel, ...]

    @functools.cached_property
    def frame(self) -> Frame:
        """The leaf as kernels see it."""
        return frame_of(self.leaf.shape, jnp.dtype(self.leaf.sequence.dtypes[0]).itemsize)

    @functools.cached_property
    def arrays(self) -> Mapping[str, Array]:
        """All arrays by name, in the order in which the kernels mention them."""
        first: dict[str, tuple[Kernel, Operand]] = {}
        written: set[str] = set()
        for kernel in self.kernels:
            for x in kernel.operands:
                first.setdefault(x.name, (kernel, x))
                if x.written:
                    written.add(x.name)
        later = self.leaf.sequence.read_after(self.kernels[-1])
        return {
            name: Array(
                operand=x,
                frame=self.frame,
                small=self.small(kernel, x),
                read=x.read,
                written=name in written
                and (x.lifetime in ("leaf", "contribution") or name in later),
            )
            for name, (kernel, x) in first.items()
        }

    @property
    def moved(self) -> tuple[Array, ...]:
        """The arrays that are read from memory, or written to it."""
        return tuple(x for x in self.arrays.values() if x.read or x.written)

    @property
    def contributions(self) -> tuple[str, ...]:
        """The names of what the leaf contributes to reductions over the tree."""
        return tuple(x.name for x in self.arrays.values() if x.contributes and x.written)

    @property
    def scalars(self) -> tuple[str, ...]:
        """The names of what is the same for all leaves."""
        return tuple(dict.fromkeys(name for kernel in self.kernels for name in kernel.scalars))

    def small(self, kernel: Kernel, x: Operand) -> Small | None:
        """The places of the elements of a small operand of a kernel; None for a large one."""
        if isinstance(x.axes, str):
            return None
        return Small(self.frame, self.frame.along(self._groups(kernel), x.axes))

    def call(
        self,
        kernel: Kernel,
        functions: Functions,
        values: Mapping[str, Any],
        scalars: Mapping[str, Any],
        inside: Mapping[int, Any] | None = None,
    ) -> Mapping[str, Any]:
        """Calls the function of a kernel on values as they are stored.

        Args:
          kernel: the kernel.
          functions: the emitted functions.
          values: what it reads: of the whole leaf, or of a tile.
          scalars: what is the same for all leaves.
          inside: for a tile, see ``Block``; None for the whole leaf.
        """
        shape = self.frame.dims if inside is None else self.frame.tile
        extents = self.leaf.layout(kernel).extents
        block = Block(extents, self.frame.tags(self._groups(kernel)), shape, inside)
        read = [values[x.name] for x in kernel.operands if x.read]
        return functions[kernel.function](block, *read, *(scalars[n] for n in kernel.scalars))

    def call_all(
        self,
        kernels: Sequence[Kernel],
        functions: Functions,
        values: dict[str, Any],
        scalars: Mapping[str, Any],
    ) -> None:
        """Calls the functions of kernels on values of the whole leaf, and adds their results."""
        for kernel in kernels:
            values.update(self.call(kernel, functions, values, scalars))

    def _groups(self, kernel: Kernel) -> tuple[tuple[int, ...], ...]:
        return () if kernel.flat else self.leaf.groups
