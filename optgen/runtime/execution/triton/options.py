"""The compile-time options of a launch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """How a launch is cut into programs, and compiled.

    Attributes:
      block: the elements of a tile of a flat leaf.
      rows: the rows of a tile of a matrix.
      columns: its columns.
      settled: the elements of a block of small values.
      programs: how many programs a launch that reduces should have: each takes several tiles, so
        that few parts are left. A launch of many small leaves has more.
      warps: of a program.
      stages: of the pipeline of a program that takes several tiles: all but one are on their way
        while one is computed with; 1 for no pipeline.
    """

    block: int = 1024
    rows: int = 8
    columns: int = 256
    settled: int = 256
    programs: int = 2048
    warps: int = 4
    stages: int = 3


FEWEST_ROWS, MOST_ROWS, BUSY = 128, 512, 512
"""How many rows a program takes where it leaves its part of a sum for each column. What it writes,
and the next kernel reads, is 8 bytes over its rows for each parameter: the more rows the better,
as long as there are enough programs to keep a GPU busy."""


def heuristic(kind: str, flat: bool, itemsize: int) -> Options:
    """The options for a device that nothing was measured on.

    Args:
      kind: ``sweep`` or ``settle``.
      flat: whether the view is flat.
      itemsize: of the narrowest array, in bytes: each thread loads 16 bytes of it at once.
    """
    if kind == "settle":
        return Options()
    if flat:
        return Options(block=1024 if itemsize >= 4 else 2048)
    return Options(rows=8, columns=256 if itemsize >= 4 else 512)


def space(kind: str, flat: bool) -> Iterator[Options]:
    """The options that are worth measuring."""
    if kind == "settle":
        for settled in (128, 256, 512):
            for warps in (2, 4, 8):
                yield Options(settled=settled, warps=warps)
    elif flat:
        for block in (512, 1024, 2048, 4096):
            for warps in (2, 4, 8):
                if 2 <= block // (32 * warps) <= 32:
                    yield Options(block=block, warps=warps)
    else:
        for rows in (4, 8, 16, 32):
            for columns in (128, 256, 512):
                for warps in (4, 8):
                    if 4 <= rows * columns // (32 * warps) <= 32:
                        yield Options(rows=rows, columns=columns, warps=warps)
