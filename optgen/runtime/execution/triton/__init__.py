"""Loads, tunes and launches the Triton kernels that were emitted for GPUs.

A launch takes all leaves of a bucket: their pointers are arguments of one kernel, in which each
program finds its leaf by a binary tree of comparisons. Nothing here imports Triton before
something is lowered for CUDA.
"""

from optgen.runtime.execution.triton.status import unavailable

__all__ = ["unavailable"]
