"""A launch on many small leaves, each of which is whole in VMEM."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from optgen.runtime.execution.launches import Task
from optgen.runtime.execution.tpu.calls import Call
from optgen.runtime.execution.tpu.frame import padded
from optgen.runtime.execution.tpu.work import (
    Array,
    Work,
    call,
    given,
    keep,
    rounded,
    stacked,
    stored_shape,
)
from optgen.runtime.vocabulary.kernels import Routine

LARGEST = 1 << 15
"""The most elements of a leaf that is packed: nothing is gained by sharing a launch above."""

MOST = 1 << 18
"""The most elements of a launch: its body is unrolled."""


def packable(work: Work) -> bool:
    """Whether a leaf is small enough."""
    return padded(work.frame.dims, 4) <= LARGEST


def packs(tasks: Sequence[tuple[Task, Work]], room: int) -> Iterator[list[tuple[Task, Work]]]:
    """Cuts small leaves into launches: those that contribute alike, as many as one can take."""
    ordered = sorted(tasks, key=lambda item: contributions(item[1]))
    for _, alike in itertools.groupby(ordered, key=lambda item: contributions(item[1])):
        pack: list[tuple[Task, Work]] = []
        elements = held = 0
        for task, work in alike:
            size, bytes_ = padded(work.frame.dims, 4), held_bytes(work)
            if pack and (elements + size > MOST or held + bytes_ > room // 2):
                yield pack
                pack, elements, held = [], 0, 0
            pack.append((task, work))
            elements, held = elements + size, held + bytes_
        yield pack


def contributions(work: Work) -> tuple[str, ...]:
    """What a leaf contributes to reductions over the tree."""
    return tuple(x.name for x in work.arrays.values() if x.purpose == "contribution")


def held_bytes(work: Work) -> int:
    """The VMEM that the arrays of a leaf take."""
    return sum(
        jnp.dtype(x.dtype).itemsize * padded(stored_shape(x, work.frame), 4) for x in _moved(work)
    )


def _moved(work: Work) -> list[Array]:
    return [x for x in work.arrays.values() if x.read or x.written]


def launch_packed(
    name: str,
    functions: Mapping[str, Callable[..., Any]],
    pack: Sequence[tuple[Task, Work]],
    scalars: Mapping[str, Any],
    pallas: Call,
) -> None:
    """Runs the routines of small leaves.

    Args:
      name: what the kernel is called.
      functions: the emitted functions.
      pack: the leaves, which contribute alike.
      scalars: what is the same for all of them.
      pallas: calls Pallas.
    """
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import tpu as pltpu

    names = tuple(dict.fromkeys(s for _, work in pack for s in work.scalars))
    places = [(i, x) for i, (_, work) in enumerate(pack) for x in _moved(work)]
    places = [(i, x) for i, x in places if x.purpose != "contribution"]
    together = contributions(pack[0][1])
    reads = [(i, x) for i, x in places if x.read]
    writes = [(i, x) for i, x in places if x.written]

    def kernel(*refs: Any) -> None:
        given_scalars, *rest = refs
        take = iter(rest)
        sources = {(i, x.name): next(take) for i, x in reads}
        targets = {(i, x.name): next(take) for i, x in writes}
        totals = {x: next(take) for x in together}
        buffers = {(i, x.name): next(take) for i, x in places}
        total_buffers = {x: next(take) for x in together}
        arrived, sent = next(take), next(take)
        numbers = {s: given_scalars[j] for j, s in enumerate(names)}
        incoming = {
            key: pltpu.make_async_copy(source, buffers[key], arrived.at[key[0]])
            for key, source in sources.items()
        }
        for copy in incoming.values():
            copy.start()
        outgoing = []
        for i, (_, work) in enumerate(pack):
            for key, copy in incoming.items():
                if key[0] == i:
                    copy.wait()
            values = {
                x.name: _whole(x, buffers[i, x.name][...].astype(jnp.float32))
                for x in work.arrays.values()
                if x.read
            }
            run_whole(work, work.parts, functions, values, numbers)
            for x in work.arrays.values():
                if x.purpose == "contribution":
                    total_buffers[x.name][i : i + 1, :] = values[x.name].reshape(1, 1)
                elif x.written:
                    buffer = buffers[i, x.name]
                    buffer[...] = _unwhole(x, values[x.name]).astype(buffer.dtype)
                    copy = pltpu.make_async_copy(buffer, targets[i, x.name], sent.at[0])
                    copy.start()
                    outgoing.append(copy)
        for x_name, buffer in total_buffers.items():
            copy = pltpu.make_async_copy(buffer, totals[x_name], sent.at[0])
            copy.start()
            outgoing.append(copy)
        for copy in outgoing:
            copy.wait()

    def array(i: int, x: Array) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(stored_shape(x, pack[i][1].frame), jnp.dtype(x.dtype))

    shapes = [array(i, x) for i, x in writes]
    shapes += [jax.ShapeDtypeStruct((len(pack), 1), jnp.float32) for _ in together]
    number = {(i, x.name): place for place, (i, x) in enumerate(writes)}
    memory = pl.BlockSpec(memory_space=pltpu.HBM)
    outputs = pallas(
        kernel,
        [stacked(names, scalars)]
        + [given(x, pack[i][1].frame, pack[i][0].arrays[x.name]) for i, x in reads],
        name=name,
        vmem=sum(held_bytes(work) for _, work in pack),
        lasting=[False, *(True for _ in reads)],
        out_shape=shapes,
        in_specs=[pl.BlockSpec(memory_space=pltpu.SMEM), *(memory for _ in reads)],
        out_specs=[memory for _ in shapes],
        scratch_shapes=[
            *(pltpu.VMEM(array(i, x).shape, array(i, x).dtype) for i, x in places),
            *(pltpu.VMEM((len(pack), 1), jnp.float32) for _ in together),
            pltpu.SemaphoreType.DMA((len(pack),)),
            pltpu.SemaphoreType.DMA((1,)),
        ],
        input_output_aliases={
            1 + place: number[i, x.name]
            for place, (i, x) in enumerate(reads)
            if (i, x.name) in number
        },
    )
    for (i, x), made in zip(writes, outputs, strict=False):
        keep(x, pack[i][1].frame, pack[i][0], made)
    for x_name, made in zip(together, outputs[len(writes) :], strict=True):
        for task, _ in pack:
            task.arrays[x_name] = made


def _whole(x: Array, stored: Any) -> Any:
    return stored if x.small is None else x.small.raise_(stored)


def _unwhole(x: Array, value: Any) -> Any:
    return value if x.small is None else x.small.lay(value)


def run_whole(
    work: Work,
    parts: Sequence[Routine],
    functions: Mapping[str, Callable[..., Any]],
    values: dict[str, Any],
    scalars: Mapping[str, Any],
) -> None:
    """Runs routines on values that are there as a whole, and adds what they make."""
    for part in parts:
        block = work.block(part, whole=True)
        found = call(functions[part.function], block, part, values, scalars)
        for x in part.operands:
            if x.access != "in":
                small = work.small(part, x)
                shape = work.frame.dims if small is None else small.shape
                values[x.name] = rounded(jnp.broadcast_to(found[x.name], shape), x.dtype)
