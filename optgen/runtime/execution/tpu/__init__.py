"""The ``tpu`` target: runs the kernels that were emitted for TPUs, with Pallas.

An emitted function computes on a tile of a leaf; here is what brings tiles from memory to a
core's vector memory (VMEM) and back. A launch of kernels is one of three:

- ``packed``: many small leaves, each whole in VMEM;
- ``tiled``, with one sweep: one leaf, tile by tile;
- ``tiled``, with several sweeps: a leaf that stays in VMEM between them, and is read once.

Nothing here imports Pallas before something is lowered for a TPU.
"""

from __future__ import annotations

from optgen.runtime.execution.target import Executor, Target, UnrunStep
from optgen.runtime.execution.tpu import launches
from optgen.runtime.execution.tpu.chip import limits, unavailable
from optgen.runtime.vocabulary.module import Kernels

__all__ = ["TARGET", "unavailable"]


def _executor(kernels: Kernels, interpreted: bool) -> Executor:
    from optgen.runtime.execution.tpu import calls
    from optgen.runtime.execution.tpu.executor import TpuExecutor

    return TpuExecutor(kernels, calls.interpreted if interpreted else calls.lowered)


def _listing(form: str, step: UnrunStep) -> str:
    from optgen.runtime.execution.tpu.listing import listing

    del form  # there is one
    return listing(step)


TARGET = Target(
    name="tpu",
    platform="tpu",
    backend="tpu",
    unavailable=unavailable,
    launches=launches.launches,
    limits=limits,
    executor=_executor,
    machines=lambda: launches.MACHINES,
    forms=("mosaic",),
    listing=_listing,
)
