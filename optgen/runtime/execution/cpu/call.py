"""Calls a kernel from a JAX program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from optgen.runtime.execution.cpu.handler import TARGET, handler


def call(
    key: int,
    plan: Sequence[int],
    arguments: Sequence[jax.Array],
    results: Sequence[jax.ShapeDtypeStruct],
    aliases: Mapping[int, int],
) -> list[jax.Array]:
    """One custom call on the CPU.

    Args:
      key: what ``entry`` returned for the kernel.
      plan: what the kernel is told of this call; at least one number.
      arguments: its operands; in row-major order, whatever their layout was before.
      results: the shape and dtype of each result.
      aliases: for an operand, by its number, the result that takes its memory. XLA copies the
        operand first where something else still needs it, and not where it was donated.

    Returns:
      The results. Inside ``jax.shard_map`` they vary along each axis along which an operand does.
    """
    handler()
    axes = frozenset[str]().union(*(_axes(argument) for argument in arguments))
    return list(
        jax.ffi.ffi_call(
            TARGET,
            [_varying(result, axes) for result in results],
            input_output_aliases=dict(aliases),
            vmap_method="sequential",
        )(
            *(_spread(argument, axes) for argument in arguments),
            kernel=np.int64(key),
            plan=np.asarray(plan, np.int64),
        )
    )


def _axes(argument: jax.Array) -> frozenset[str]:
    """The axes of the mesh along which shards of this operand may differ."""
    return frozenset(jax.typeof(argument).manual_axis_type.varying)


def _spread(argument: jax.Array, axes: frozenset[str]) -> jax.Array:
    """Lets an operand that is the same everywhere stand beside those that are not."""
    missing = tuple(sorted(axes - _axes(argument)))
    return jax.lax.pcast(argument, missing, to="varying") if missing else argument


def _varying(result: jax.ShapeDtypeStruct, axes: frozenset[str]) -> jax.ShapeDtypeStruct:
    if not axes:
        return result
    return jax.ShapeDtypeStruct(
        result.shape,
        result.dtype,
        # JAX looks the axes up in the mesh of the sharding; along the others, which the compiler
        # itself deals with, it says nothing.
        sharding=NamedSharding(jax.sharding.get_abstract_mesh(), PartitionSpec()),
        manual_axis_type=jax.sharding.ManualAxisType(varying=axes),
    )
