"""A launch on many small leaves, each of which is whole in VMEM."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from optgen.runtime.execution.tpu.calls import Call
from optgen.runtime.execution.tpu.chip import generation
from optgen.runtime.execution.tpu.frame import padded
from optgen.runtime.execution.tpu.references import Argument, Bound, References, Result
from optgen.runtime.execution.tpu.work import Array, Functions, Work, functions_of
from optgen.runtime.vocabulary.module import Kernels

Key = tuple[int, str]
"""A leaf by its place in the launch, and the name of an array."""

Program = Callable[[Sequence[Mapping[str, Any]], Mapping[str, Any]], dict[Key, Any]]
"""A function of the arrays of leaves and of scalars, which returns the results."""

_ALL = -1
"""The place of arrays with an element for each leaf."""


def vmem(work: Work) -> int:
    """The VMEM that the arrays of a leaf take."""
    return sum(x.dtype.itemsize * padded(x.shape.shape, 4) for x in work.moved)


def launch_packed(
    name: str,
    kernels: Kernels,
    works: Sequence[Work],
    arrays: Sequence[dict[str, Any]],
    scalars: Mapping[str, Any],
    pallas: Call,
) -> None:
    """Runs the kernels of small leaves.

    Args:
      name: what the launch is called.
      kernels: what was emitted.
      works: what is done to each leaf; all contribute alike to reductions over the tree.
      arrays: those of each leaf, by name; results take the place of what was there. A contribution
        is one array of all leaves.
      scalars: what is the same for all of them.
      pallas: calls Pallas.
    """
    names = dict.fromkeys(n for work in works for n in work.scalars)
    before = [
        {x.name: of_leaf[x.name] for x in work.arrays.values() if of_leaf.get(x.name) is not None}
        for work, of_leaf in zip(works, arrays, strict=True)
    ]
    program = _program(name, kernels, tuple(works), pallas, generation())
    for (place, array), x in program(before, {n: scalars[n] for n in names}).items():
        for of_leaf in arrays if place == _ALL else [arrays[place]]:
            of_leaf[array] = x


@functools.lru_cache(maxsize=256)
def _program(
    name: str, kernels: Kernels, works: tuple[Work, ...], pallas: Call, chip: str
) -> Program:
    """Returns the launch, which is traced and lowered once for launches of the same leaves.

    Args:
      name: what the launch is called.
      kernels: what was emitted.
      works: what is done to each leaf.
      pallas: calls Pallas, which has limits of the generation of TPUs.
      chip: that generation.
    """
    del chip

    def launch(arrays: Sequence[Mapping[str, Any]], scalars: Mapping[str, Any]) -> dict[Key, Any]:
        results = _references(works, arrays, scalars).launch(
            pallas,
            lambda bound: _Pack(works, functions_of(kernels), bound).run(),
            name=name,
            vmem=sum(map(vmem, works)),
        )
        for (place, array), x in results.items():
            if place != _ALL:
                old = arrays[place].get(array)
                results[place, array] = works[place].arrays[array].from_kernel(x, old)
        return results

    launch.__name__ = name
    return jax.jit(launch)


def _moved(works: Sequence[Work]) -> list[tuple[Key, Array]]:
    """The arrays that each leaf has to itself."""
    return [
        ((place, x.name), x)
        for place, work in enumerate(works)
        for x in work.moved
        if not x.contributes
    ]


def _references(
    works: Sequence[Work], arrays: Sequence[Mapping[str, Any]], scalars: Mapping[str, Any]
) -> References[Key]:
    """All arrays stay in memory, beside scratch for each that they are copied to and from."""
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import tpu as pltpu

    references: References[Key] = References(scalars)
    memory = pl.BlockSpec(memory_space=pltpu.HBM)
    for key, x in _moved(works):
        if x.read:
            array = x.to_kernel(arrays[key[0]][x.name])
            references.arguments[key] = Argument(array, memory, in_hbm=True)
        if x.written:
            references.results[key] = Result(x.shape, memory)
        references.scratch[key] = pltpu.VMEM(x.shape.shape, x.dtype)
    for name in works[0].contributions:
        shape = jax.ShapeDtypeStruct((len(works), 1), jnp.float32)
        references.results[_ALL, name] = Result(shape, memory)
        references.scratch[_ALL, name] = pltpu.VMEM(shape.shape, shape.dtype)
    references.semaphores["arrived"] = pltpu.SemaphoreType.DMA((len(works),))
    references.semaphores["sent"] = pltpu.SemaphoreType.DMA((1,))
    return references


@dataclass(frozen=True)
class _Pack:
    """The kernel: all arrays are sent for at once, and each leaf waits for its own.

    Attributes:
      works: what is done to each leaf.
      functions: the emitted functions.
      refs: the references of the launch.
    """

    works: Sequence[Work]
    functions: Functions
    refs: Bound[Key]

    def run(self) -> None:
        """Brings all arrays, computes leaf by leaf, and sends what was computed."""
        incoming = {key: self._copy_in(key) for key in self.refs.arguments}
        for copy in incoming.values():
            copy.start()
        for place, work in enumerate(self.works):
            for (leaf, _), copy in incoming.items():
                if leaf == place:
                    copy.wait()
            self._compute(place, work)
            self._send(place)
        self._send(_ALL)
        for key in self.refs.results:
            self._copy_out(key).wait()

    def _compute(self, place: int, work: Work) -> None:
        """Computes the new arrays of a leaf in VMEM."""
        scratch = self.refs.scratch
        values = {x.name: _value(x, scratch[place, x.name]) for x in work.moved if x.read}
        work.call_all(work.kernels, self.functions, values, self.refs.scalars)
        for x in work.moved:
            if x.contributes:
                scratch[_ALL, x.name][place : place + 1, :] = values[x.name].reshape(1, 1)
            elif x.written:
                value = values[x.name]
                scratch[place, x.name][...] = x.small.to_lanes(value) if x.small else value

    def _send(self, place: int) -> None:
        """Starts to send the results of a leaf."""
        for key in self.refs.results:
            if key[0] == place:
                self._copy_out(key).start()

    def _copy_in(self, key: Key) -> Any:
        from jax.experimental.pallas import tpu as pltpu

        arrived = self.refs.semaphores["arrived"].at[key[0]]
        return pltpu.make_async_copy(self.refs.arguments[key], self.refs.scratch[key], arrived)

    def _copy_out(self, key: Key) -> Any:
        from jax.experimental.pallas import tpu as pltpu

        sent = self.refs.semaphores["sent"].at[0]
        return pltpu.make_async_copy(self.refs.scratch[key], self.refs.results[key], sent)


def _value(x: Array, scratch: Any) -> Any:
    return x.small.from_lanes(scratch[...]) if x.small else scratch[...]
