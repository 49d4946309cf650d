"""The ``triton`` target: loads, tunes and launches the Triton kernels that were emitted for GPUs.

A launch takes all leaves of a bucket: their pointers are arguments of one kernel, in which each
program finds its leaf by a binary tree of comparisons. Nothing here imports Triton before
something is lowered for CUDA.
"""

from __future__ import annotations

from optgen.runtime.execution.target import Executor, Target, UnrunStep
from optgen.runtime.execution.triton.launches import LIMITS, MACHINES, launches
from optgen.runtime.execution.triton.status import unavailable
from optgen.runtime.vocabulary.module import Kernels

__all__ = ["TARGET", "unavailable"]


def _executor(kernels: Kernels, interpreted: bool) -> Executor:
    from optgen.runtime.execution.triton.launcher import TritonExecutor

    if interpreted:
        from optgen.runtime.execution.triton.interpreter import call
    else:
        from optgen.runtime.execution.triton.bridge import call
    return TritonExecutor(kernels, call)


def _listing(form: str, step: UnrunStep) -> str:
    from optgen.runtime.execution.triton.listing import listing

    return listing(form, step)


TARGET = Target(
    name="triton",
    platform="cuda",
    backend="gpu",
    unavailable=unavailable,
    launches=launches,
    limits=lambda: LIMITS,
    executor=_executor,
    machines=lambda: MACHINES,
    forms=("ttir", "ptx"),
    listing=_listing,
)
