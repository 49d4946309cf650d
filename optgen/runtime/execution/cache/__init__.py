"""Compiled kernels, kept for the user from one process to the next."""

from optgen.runtime.execution.cache.store import Store, discard

__all__ = ["Store", "discard"]
