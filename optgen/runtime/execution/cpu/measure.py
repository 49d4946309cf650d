"""Measures the machine that this process runs on."""

from __future__ import annotations

import functools
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

_ARRAY_BYTES = 2**27  # four times the last-level cache of most machines
_SECONDS = 0.4
_LEVEL_TWO = Path("/sys/devices/system/cpu/cpu0/cache/index2/size")
_CPU_INFO = Path("/proc/cpuinfo")


def core_count() -> int:
    """How many cores this process may use."""
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


def level_two_bytes() -> int:
    """The size of one core's own level-two cache; a megabyte where nothing says."""
    try:
        found = re.fullmatch(r"(\d+)([KM]?)", _LEVEL_TWO.read_text().strip())
    except OSError:
        found = None
    if found is None:
        return 2**20
    return int(found[1]) * {"": 1, "K": 2**10, "M": 2**20}[found[2]]


def vector_bytes() -> int:
    """The width of the widest vector register that the CPU says it has."""
    try:
        flags = set(_CPU_INFO.read_text().split())
    except OSError:
        flags = set()
    return 64 if "avx512f" in flags else 32 if "avx2" in flags else 16
