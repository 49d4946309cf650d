"""Compiled files, stored for the user from one process to the next.

``store`` fetches or builds them, ``lock`` keeps two builders apart, and ``private`` is the
directory that serves where the user's cache cannot be written.
"""

from optgen.runtime.execution.cache.store import Store, discard

__all__ = ["Store", "discard"]
