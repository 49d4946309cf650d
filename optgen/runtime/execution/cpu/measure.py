"""Measures the machine that this process runs on."""

from __future__ import annotations

import functools
import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

_ARRAY_BYTES = 2**27  # four times the last-level cache of most machines
_SECONDS = 0.4


def core_count() -> int:
    """Number of cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@functools.cache
def copy_bandwidth() -> float:
    """Bytes read plus bytes written in a second, by all cores copying; the best of several.

    Takes about half a second, once in the life of the process.
    """
    cores = core_count()
    source = np.zeros((cores, _ARRAY_BYTES // 4 // cores), np.float32)
    target = np.zeros_like(source)
    source += 1.0  # a page of zeros that was never written is not read from memory
    target += 1.0
    best = 0.0
    with ThreadPoolExecutor(cores) as pool:
        end = time.perf_counter() + _SECONDS
        while best == 0.0 or time.perf_counter() < end:
            start = time.perf_counter()
            list(pool.map(np.copyto, target, source))
            best = max(best, 2 * source.nbytes / (time.perf_counter() - start))
    return best
