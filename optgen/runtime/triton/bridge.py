"""Calls Triton kernels through jax_triton, whichever of its releases is installed.

0.3 gives a kernel pointers for all outputs after those of its inputs, 0.4 for those alone that
take no input's memory.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from types import ModuleType

import jax

from optgen import config
from optgen.runtime.kernels import Kernels
from optgen.runtime.triton import dispatch
from optgen.runtime.triton.modules import launch_function
from optgen.runtime.triton.options import Options


@functools.cache
def jax_triton() -> ModuleType:
    """The module; it takes Triton's own cache away, which is given back."""
    before = os.environ.get("TRITON_CACHE_DIR")
    try:
        import jax_triton
    finally:
        if before is None:
            os.environ.pop("TRITON_CACHE_DIR", None)
        else:
            os.environ["TRITON_CACHE_DIR"] = before
    return jax_triton


def outputs_that_are_given(outputs: Sequence[str], aliases: Mapping[int, int]) -> list[str]:
    """The outputs that a kernel is given pointers for, after its inputs."""
    if _old():
        return list(outputs)
    taken = set(aliases.values())
    return [name for i, name in enumerate(outputs) if i not in taken]


def _old() -> bool:
    import inspect

    return "out_shape" in inspect.signature(jax_triton().triton_call).parameters


def compute_capability() -> int:
    """Of the GPU that is here, 90 for 9.0; else what the environment says."""
    devices = [d for d in jax.devices() if d.platform == "gpu"] if _has_gpu() else []
    found = getattr(devices[0], "compute_capability", None) if devices else None
    return round(10 * float(found)) if found else config.COMPUTE_CAPABILITY.get()


def _has_gpu() -> bool:
    return jax.default_backend() == "gpu"


def call(
    kernels: Kernels,
    sections: Sequence[dispatch.Section],
    inputs: Sequence[jax.Array],
    names: Sequence[str],
    outputs: Mapping[str, jax.ShapeDtypeStruct],
    aliases: Mapping[int, int],
    options: Options,
) -> list[jax.Array]:
    """One launch.

    Args:
      kernels: what was emitted.
      sections: which of its functions run, and on what.
      inputs: arrays.
      names: what the launch calls them.
      outputs: the results by name.
      aliases: for an input, by its number, the result that takes its memory.
      options: compile-time options.

    Returns:
      The results.
    """
    parameters = [*names, *outputs_that_are_given(list(outputs), aliases)]
    kernel = launch_function(kernels, parameters, sections)
    shapes = list(outputs.values())
    return list(
        jax_triton().triton_call(
            *inputs,
            kernel=kernel,
            grid=(sum(section.programs for section in sections),),
            name=kernel.__name__,
            num_warps=options.warps,
            num_stages=options.stages,
            compute_capability=compute_capability(),
            input_output_aliases=dict(aliases),
            **({"out_shape": shapes} if _old() else {"out_type": shapes}),
        )
    )
