"""Calls a kernel from a JAX program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import jax
import numpy as np

from optgen.runtime.execution.cpu.handler import TARGET, handler


def call(
    key: int,
    plan: Sequence[int],
    arguments: Sequence[jax.Array],
    results: Sequence[jax.ShapeDtypeStruct],
    aliases: Mapping[int, int],
) -> list[jax.Array]:
    """One custom call on the CPU, of whole arrays.

    Args:
      key: what ``entry`` returned for the kernel.
      plan: what the kernel is told of this call; at least one number.
      arguments: its operands; in row-major order, whatever their layout was before.
      results: the shape and dtype of each result.
      aliases: for an operand, by its number, the result that takes its memory. XLA copies the
        operand first where something else still needs it, and not where it was donated.
    """
    handler()
    return list(
        jax.ffi.ffi_call(TARGET, list(results), input_output_aliases=dict(aliases))(
            *arguments, kernel=np.int64(key), plan=np.asarray(plan, np.int64)
        )
    )
