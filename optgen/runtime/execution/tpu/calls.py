"""Calls Pallas: lowered for a TPU, or in its interpreter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from optgen.runtime.execution.tpu import chip

Call = Callable[..., Sequence[Any]]
"""Takes what ``lowered`` takes, and returns the results."""

_SLACK = 8 << 20
_LEAST = 16 << 20  # what the compiler takes by itself, where it is told nothing


def lowered(
    kernel: Callable[..., None],
    arrays: Sequence[Any],
    *,
    name: str,
    vmem: int,
    grid: tuple[int, ...] = (),
    parallel: tuple[bool, ...] = (),
    in_hbm: Sequence[bool],
    **options: Any,
) -> Sequence[Any]:
    """Calls a kernel.

    Args:
      kernel: takes references to all arrays, results and scratch.
      arrays: what it is given.
      name: what it is called.
      vmem: the vector memory that it takes, in bytes.
      grid: how often it runs, along several dimensions.
      parallel: along which of them its steps may run in any order, on several cores.
      in_hbm: which of the arrays the kernel itself brings from memory: XLA, which else copies
        some to VMEM while other kernels run, leaves them there.
      **options: what ``pallas_call`` takes besides.
    """
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import tpu as pltpu

    parameters = pltpu.CompilerParams(
        dimension_semantics=["parallel" if p else "arbitrary" for p in parallel] or None,
        vmem_limit_bytes=min(chip.vmem(), max(_LEAST, vmem + _SLACK)),
    )
    options["out_shape"] = [_result(x.shape, x.dtype) for x in options["out_shape"]]
    launch = pl.pallas_call(kernel, name=name, grid=grid, compiler_params=parameters, **options)

    def call(*arrays: Any) -> Sequence[Any]:
        placed = [
            pltpu.with_memory_space_constraint(x, pltpu.HBM) if stays else x
            for x, stays in zip(arrays, in_hbm, strict=True)
        ]
        results: Sequence[Any] = launch(*placed)
        return results

    return chip.for_generation(call, options["out_shape"], *arrays)


def interpreted(
    kernel: Callable[..., None],
    arrays: Sequence[Any],
    *,
    name: str,
    vmem: int,
    grid: tuple[int, ...] = (),
    parallel: tuple[bool, ...] = (),
    in_hbm: Sequence[bool],
    out_shape: Sequence[jax.ShapeDtypeStruct],
    in_specs: Sequence[Any],
    out_specs: Sequence[Any],
    **options: Any,
) -> Sequence[Any]:
    """Runs a kernel on the CPU, and looks for races; see ``lowered``.

    Elements of a tile beyond the edge of an array are NaN. The interpreter pads arrays by itself,
    but forgets to cut results that are in the place of an argument.
    """
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import tpu as pltpu

    launch = pl.pallas_call(
        kernel,
        name=name,
        grid=grid,
        interpret=pltpu.InterpretParams(detect_races=True),
        out_shape=[
            _result(_whole_tiles(x.shape, spec), x.dtype)
            for x, spec in zip(out_shape, out_specs, strict=True)
        ],
        in_specs=in_specs,
        out_specs=out_specs,
        **options,
    )
    padded = [
        jnp.pad(
            x,
            [(0, m - n) for n, m in zip(x.shape, _whole_tiles(x.shape, spec), strict=True)],
            constant_values=jnp.nan,
        )
        for x, spec in zip(arrays, in_specs, strict=True)
    ]
    results = launch(*padded)
    return [
        x[tuple(slice(0, n) for n in result.shape)]
        for x, result in zip(results, out_shape, strict=True)
    ]


def _result(shape: tuple[int, ...], dtype: Any) -> jax.ShapeDtypeStruct:
    """A result that varies along no axis, as all of a program of one device.

    Inside ``jax.shard_map`` Pallas asks for the axes.
    """
    return jax.ShapeDtypeStruct(shape, dtype, manual_axis_type=jax.sharding.ManualAxisType())


def _whole_tiles(shape: tuple[int, ...], spec: Any) -> tuple[int, ...]:
    """The shape rounded up to whole tiles."""
    if spec.block_shape is None:
        return shape
    return tuple(-(-n // t) * t for n, t in zip(shape, spec.block_shape, strict=True))
