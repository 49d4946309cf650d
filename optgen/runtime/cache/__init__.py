"""Compiled kernels, kept for the user from one process to the next."""

from optgen.runtime.cache.store import Store, discard

__all__ = ["Store", "discard"]
