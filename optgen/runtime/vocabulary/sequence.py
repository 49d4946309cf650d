"""Kernel sequences: all that one step does to one kind of leaf, at any size.

A sequence is an ordered list of items over explicit buffers. Emitters print it, the tables beside
emitted source hold it, and the launch list and ``explain`` are made of it; there is no second
description of the kernels that run.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from optgen.runtime.vocabulary.view import Axes

Mode = Literal["step", "update"]
"""``step`` stores the next parameters, as ``p``; ``update`` the values to be added to them."""

RESULT: Mapping[Mode, str] = {"step": "p", "update": "update"}
"""The name under which the result is stored in each mode."""

Lifetime = Literal["leaf", "temporary", "statistic", "contribution"]
"""The lifetime of a buffer: an array of the ``leaf`` outlives the step; a ``temporary`` (large)
and a ``statistic`` (small) do not; a ``contribution`` to a reduction over the tree is read when
the phase ends."""

Kind = Literal["sweep", "finalize", "xla"]
"""The kinds of kernels. A ``sweep`` reads large arrays once, tile by tile, in any order; a
``finalize`` computes small values between sweeps; XLA compiles an ``xla`` item from ``jnp``: the
last sweep of an update, or all that is done to leaves that no kernels serve."""

Access = Literal["read", "update", "write"]
"""The access of a kernel to a buffer: ``update`` replaces its values in place."""


@dataclass(frozen=True)
class Buffer:
    """An array of a leaf.

    Attributes:
      name: ``g``, ``p``, ``update``, a slot, or a name that the planner chose.
      dtype: the name of the dtype in which it is stored.
      axes: the dimensions of the view along which it varies, ``"*"`` for all.
      lifetime: see ``Lifetime``.
      combine: ``sum``, ``max`` or ``min`` for a reduction: every part of a leaf (a tile, a block,
        a shard) leaves its own, and they are combined before it is read; None for other buffers.
      over: the dimensions of the values that are reduced to it; ``()`` for none.
    """

    name: str
    dtype: str
    axes: Axes = "*"
    lifetime: Lifetime = "leaf"
    combine: str | None = None
    over: Axes = ()

    @property
    def large(self) -> bool:
        """An element for each element of the leaf."""
        return self.axes == "*"


@dataclass(frozen=True)
class Item:
    """A kernel of a sequence, over buffers by their names.

    Attributes:
      kind: see ``Kind``.
      function: the name of the emitted function.
      phase: the phase of the step in which it runs; each ends with a reduction over the tree.
      reads: the buffers that are read only.
      updates: the buffers that are replaced in place.
      writes: the buffers that are only written.
      scalars: the scalars that it reads, the same for every leaf, in the order of its arguments.
      flat: True where it sees the leaf as a vector.
      independent: of a ``finalize``, the dimensions along which each index is computed by itself;
        ``"*"`` where each element is.
      reason: the reason for leaving it to xla; empty for the other kinds.
    """

    kind: Kind
    function: str
    phase: int = 0
    reads: tuple[str, ...] = ()
    updates: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    scalars: tuple[str, ...] = ()
    flat: bool = False
    independent: Axes = ()
    reason: str = ""


@dataclass(frozen=True)
class Combine:
    """The combination of partial reductions, each to one value.

    Attributes:
      over: ``tiles`` of a leaf, or the ``tree`` of leaves, which ends the phase.
      phase: the phase of the step.
      buffers: the reductions, by their names.
    """

    over: Literal["tiles", "tree"]
    phase: int
    buffers: tuple[str, ...]


@dataclass(frozen=True)
class Operand:
    """A buffer as a kernel is given it."""

    buffer: Buffer
    access: Access

    @property
    def name(self) -> str:
        """The buffer's name."""
        return self.buffer.name

    @property
    def dtype(self) -> str:
        """The name of the dtype in which it is stored."""
        return self.buffer.dtype

    @property
    def axes(self) -> Axes:
        """The dimensions of the view along which it varies."""
        return self.buffer.axes

    @property
    def lifetime(self) -> Lifetime:
        """The lifetime of the buffer."""
        return self.buffer.lifetime

    @property
    def large(self) -> bool:
        """An element for each element of the leaf."""
        return self.buffer.large

    @property
    def read(self) -> bool:
        """True where the kernel reads the value that it had before."""
        return self.access != "write"

    @property
    def written(self) -> bool:
        """True where the kernel writes it."""
        return self.access != "read"

    @property
    def partial(self) -> bool:
        """True where the kernel leaves partial values of a reduction in it."""
        return self.written and self.buffer.combine is not None


@dataclass(frozen=True)
class Kernel:
    """An item with its buffers: an emitted function, and the arrays that it takes.

    Attributes:
      item: the item.
      operands: the buffers, in the order of the sequence, which is that of the arguments.
      dimensions: the number of dimensions of the view in which it sees a leaf.
    """

    item: Item
    operands: tuple[Operand, ...]
    dimensions: int

    @functools.cached_property
    def _hash(self) -> int:
        return hash((self.item, self.operands, self.dimensions))

    def __hash__(self) -> int:
        return self._hash

    @property
    def function(self) -> str:
        """The name of the emitted function."""
        return self.item.function

    @property
    def kind(self) -> Kind:
        """``sweep``, ``finalize`` or ``xla``."""
        return self.item.kind

    @property
    def phase(self) -> int:
        """The phase of the step in which it runs."""
        return self.item.phase

    @property
    def scalars(self) -> tuple[str, ...]:
        """The scalars that it reads, the same for every leaf."""
        return self.item.scalars

    @property
    def flat(self) -> bool:
        """True where it sees the leaf as a vector."""
        return self.item.flat

    @property
    def ends_update(self) -> bool:
        """True for the last sweep of an update that kernels begin, which is in ``jnp``."""
        return self.kind == "xla" and not self.item.reason

    @property
    def reduces(self) -> bool:
        """True where it leaves partial values of a reduction."""
        return any(x.partial for x in self.operands)

    @property
    def contributes(self) -> bool:
        """True where it writes contributions to reductions over the tree."""
        return any(x.written and x.lifetime == "contribution" for x in self.operands)


@dataclass(frozen=True)
class KernelSequence:
    """The items that one step runs on the leaves of a variant, for one choice of dtypes.

    Attributes:
      variant: the index of the variant in the emitted module.
      mode: see ``Mode``.
      dtypes: the dtypes of the parameter, of the gradient, and of arithmetic.
      buffers: the buffers that the items read and write.
      items: the items, in the order in which they run.
      dimensions: the number of dimensions of the view; 0 where no item names one.
    """

    variant: int
    mode: Mode
    dtypes: tuple[str, str, str]
    buffers: tuple[Buffer, ...]
    items: tuple[Item | Combine, ...]
    dimensions: int = 0

    @functools.cached_property
    def _hash(self) -> int:
        return hash((self.variant, self.mode, self.dtypes, self.buffers, self.items))

    def __hash__(self) -> int:
        return self._hash

    def left_to_xla(self, reason: str) -> KernelSequence:
        """The same leaves where no kernels serve them."""
        function = next(item.function for item in reversed(self.items) if isinstance(item, Item))
        return replace(self, buffers=(), items=(Item("xla", function, reason=reason),))

    @functools.cached_property
    def kernels(self) -> tuple[Kernel, ...]:
        """The items that compute, with their buffers."""
        return tuple(self._kernel(item) for item in self.items if isinstance(item, Item))

    def _kernel(self, item: Item) -> Kernel:
        access: dict[str, Access] = dict.fromkeys(item.reads, "read")
        access |= dict.fromkeys(item.updates, "update")
        access |= dict.fromkeys(item.writes, "write")
        operands = [Operand(x, access[x.name]) for x in self.buffers if x.name in access]
        return Kernel(item, tuple(operands), 1 if item.flat else max(1, self.dimensions))

    @functools.cached_property
    def phases(self) -> int:
        """The number of phases; after each but the last, scalars of the whole tree are computed."""
        return max((item.phase for item in self.items), default=0) + 1

    def of_phase(self, phase: int) -> tuple[Kernel, ...]:
        """The kernels of a phase, those in ``jnp`` included."""
        return tuple(kernel for kernel in self.kernels if kernel.phase == phase)

    def launched(self, phase: int) -> tuple[Kernel, ...]:
        """The emitted kernels of a phase, which a target launches."""
        return tuple(kernel for kernel in self.of_phase(phase) if kernel.kind != "xla")

    @functools.cached_property
    def last_sweep(self) -> Kernel | None:
        """The last sweep of an update that kernels begin; None where there is none."""
        return self.kernels[-1] if self.kernels[-1].ends_update else None

    def contributions(self, phase: int) -> Iterator[str]:
        """The names of a leaf's contributions to the reductions over the tree after a phase."""
        for kernel in self.of_phase(phase):
            yield from (x.name for x in kernel.operands if x.lifetime == "contribution")

    def read_after(self, kernel: Kernel) -> frozenset[str]:
        """The buffers that later kernels read."""
        later = self.kernels[self.kernels.index(kernel) + 1 :]
        return frozenset(x.name for k in later for x in k.operands if x.read)

    @functools.cached_property
    def reason(self) -> str:
        """The reason for leaving its leaves to xla; empty where kernels serve them."""
        return next((k.item.reason for k in self.kernels if k.kind == "xla"), "")
