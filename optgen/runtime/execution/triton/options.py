"""The compile-time options of a launch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a launch: how it is cut into programs and compiled.

    Attributes:
      block: the elements of a tile of a flat leaf.
      outer: the extent of a tile of a matrix along the dimension that is outermost in memory.
      inner: its extent along the other one.
      small: the elements of a block of small values.
      programs: how many programs a launch that reduces should have: each takes several tiles, so
        that few parts are left. A launch of many small leaves has more.
      warps: of a program.
      stages: of the pipeline of a program that takes several tiles: all but one are on their way
        while one is computed with; 1 for no pipeline.
    """

    block: int = 1024
    outer: int = 8
    inner: int = 256
    small: int = 256
    programs: int = 2048
    warps: int = 4
    stages: int = 3


FEWEST_LINES, MOST_LINES, BUSY = 128, 512, 512
"""Limits of the lines of memory (rows, where columns are innermost) of a program that leaves its
part of a reduction along the outer dimension, and the programs that keep a GPU busy. What it
writes, and the next kernel reads, is 8 bytes over its lines for each parameter: the more lines the
better, as long as there are enough programs."""


def heuristic(small: bool, flat: bool, itemsize: int) -> Options:
    """The options for a device that nothing was measured on.

    Args:
      small: whether it is of a kernel of small values.
      flat: whether it sees leaves as vectors.
      itemsize: of the narrowest array, in bytes: each thread loads 16 bytes of it at once.
    """
    if small:
        return Options()
    if flat:
        return Options(block=1024 if itemsize >= 4 else 2048)
    return Options(outer=8, inner=256 if itemsize >= 4 else 512)


def space(small: bool, flat: bool) -> Iterator[Options]:
    """The options that are worth measuring."""
    if small:
        for elements in (128, 256, 512):
            for warps in (2, 4, 8):
                yield Options(small=elements, warps=warps)
    elif flat:
        for block in (512, 1024, 2048, 4096):
            for warps in (2, 4, 8):
                if 2 <= block // (32 * warps) <= 32:
                    yield Options(block=block, warps=warps)
    else:
        for outer in (4, 8, 16, 32):
            for inner in (128, 256, 512):
                for warps in (4, 8):
                    if 4 <= outer * inner // (32 * warps) <= 32:
                        yield Options(outer=outer, inner=inner, warps=warps)
