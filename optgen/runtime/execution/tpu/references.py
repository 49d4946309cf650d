"""The references that a Pallas kernel is given, told apart by the names of arrays."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import jax
import jax.numpy as jnp

from optgen.runtime.execution.tpu.calls import Call

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Argument:
    """An array that a kernel reads.

    Attributes:
      array: the array.
      spec: the tiles in which it comes, as a ``BlockSpec``.
      in_hbm: whether it stays in memory until the kernel brings it.
    """

    array: Any
    spec: Any
    in_hbm: bool


@dataclass(frozen=True)
class Result:
    """An array that a kernel writes.

    Attributes:
      shape: its shape and dtype.
      spec: the tiles in which it goes.
    """

    shape: jax.ShapeDtypeStruct
    spec: Any


@dataclass(frozen=True)
class Bound(Generic[Key]):
    """The references inside a kernel; ``scalars`` are numbers that have been read."""

    scalars: Mapping[str, Any]
    arguments: Mapping[Key, Any]
    results: Mapping[Key, Any]
    scratch: Mapping[Key, Any]
    semaphores: Mapping[str, Any]


@dataclass(frozen=True)
class References(Generic[Key]):
    """The references of a kernel: each is entered once, by the key of its array.

    An argument and a result of the same key share their memory.

    Attributes:
      scalars: what is the same for all leaves, in float32.
      arguments: what is read from memory.
      results: what is written to it.
      scratch: the vector memory that is kept throughout the launch.
      semaphores: those of the copies that the kernel starts.
    """

    scalars: Mapping[str, Any]
    arguments: dict[Key, Argument] = field(default_factory=dict)
    results: dict[Key, Result] = field(default_factory=dict)
    scratch: dict[Key, Any] = field(default_factory=dict)
    semaphores: dict[str, Any] = field(default_factory=dict)

    def launch(
        self,
        pallas: Call,
        body: Callable[[Bound[Key]], None],
        *,
        name: str,
        vmem: int,
        grid: tuple[int, ...] = (),
        parallel: tuple[bool, ...] = (),
    ) -> dict[Key, Any]:
        """Calls a kernel, and returns its results.

        Args:
          pallas: calls Pallas: ``calls.lowered`` or ``calls.interpreted``.
          body: the kernel.
          name: what it is called.
          vmem: see ``calls.lowered``, as for ``grid`` and ``parallel``.
          grid: how often it runs.
          parallel: which of its steps may run in any order.
        """
        from jax.experimental import pallas as pl
        from jax.experimental.pallas import tpu as pltpu

        arguments, results = self.arguments.values(), self.results.values()
        places = {key: place for place, key in enumerate(self.results)}
        outputs = pallas(
            lambda *refs: body(self._bound(refs)),
            [self._stacked(), *(x.array for x in arguments)],
            name=name,
            vmem=vmem,
            grid=grid,
            parallel=parallel,
            # Single numbers come in scalar memory from outside on some generations.
            in_hbm=[False, *(x.in_hbm and x.array.size > 1 for x in arguments)],
            in_specs=[pl.BlockSpec(memory_space=pltpu.SMEM), *(x.spec for x in arguments)],
            out_shape=[x.shape for x in results],
            out_specs=[x.spec for x in results],
            scratch_shapes=[*self.scratch.values(), *self.semaphores.values()],
            input_output_aliases={
                place: places[key] for place, key in enumerate(self.arguments, 1) if key in places
            },
        )
        return dict(zip(self.results, outputs, strict=True))

    def _stacked(self) -> Any:
        """The scalars in one array."""
        if not self.scalars:
            return jnp.zeros(1, jnp.float32)
        return jnp.stack(list(self.scalars.values())).astype(jnp.float32)

    def _bound(self, refs: Sequence[Any]) -> Bound[Key]:
        """The references as Pallas passes them: scalars, and then all others in order."""
        rest = iter(refs[1:])
        return Bound(
            scalars={name: refs[0][i] for i, name in enumerate(self.scalars)},
            arguments={key: next(rest) for key in self.arguments},
            results={key: next(rest) for key in self.results},
            scratch={key: next(rest) for key in self.scratch},
            semaphores={name: next(rest) for name in self.semaphores},
        )
