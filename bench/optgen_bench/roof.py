"""The bandwidth that a step could have: streaming with its mix of reads and writes.

A step of AdamW reads four arrays (gradient, parameter, two moments) and writes three of them in
place. The roof does the same with next to no arithmetic, in the fastest of several ways. It is a
contestant like any other, so that it is measured in the same run, interleaved with the steps.
On a GPU a plain copy of its memory is measured too.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import jax

from optgen.tools import workloads
from optgen.tools.timing import Contestant, Costs, Work
from optgen_bench import streams

MOST_STREAM_BYTES = 1 << 28  # far beyond any cache, and small next to the memory
COPY_BYTES = 1 << 30
MOST_READS = 8
_LEAST_STREAM_FLOATS = 1 << 12
_CALL_BYTES = 1 << 27  # a call moves this much or more, so that starting threads costs nothing
_GPU_CALL_BYTES = 1 << 34  # milliseconds of a GPU, so that waiting for it costs nothing
_TRIAL_SECONDS = 0.1  # spent on each method when one is chosen


def mix(read_bytes: float, written_bytes: float, itemsize: int) -> tuple[int, int]:
    """Returns the fewest streams, (read, written), with about the mix of a step's bytes.

    Args:
      read_bytes: that the step reads for each parameter.
      written_bytes: that it writes for each parameter; at most as many as it reads. A step
        always writes: there is at least one such stream.
      itemsize: bytes of an element of a parameter.
    """
    reads = max(1, round(read_bytes / itemsize))
    writes = min(reads, max(1, round(written_bytes / itemsize)))
    common = math.gcd(reads, writes)
    reads, writes = reads // common, writes // common
    if reads > MOST_READS:
        return MOST_READS, max(1, round(MOST_READS * writes / reads))
    return reads, writes


class Roof(Contestant):
    """Streams `reads` arrays in and `writes` of them out, by the fastest method found.

    Args:
      reads: number of arrays.
      writes: number of them that are written, in place.
    """

    name = "roof"
    protocol = "roof"

    def __init__(self, reads: int, writes: int) -> None:
        self.reads, self.writes = reads, writes
        self.method = ""
        self.tried: dict[str, float] = {}
        self._floats = self._passes = 0
        self._run: Callable[[int], None] | None = None

    @property
    def stream_bytes(self) -> int:
        return 4 * self._floats

    @property
    def bytes_per_step(self) -> int:
        """Bytes that one call of `step` moves."""
        return (self.reads + self.writes) * self.stream_bytes * self._passes

    def memory(self, work: Work) -> int:
        return 2 * self.reads * 4 * self._stream_floats(work)

    def prepare(self, work: Work) -> Costs:
        return Costs()

    def allocate(self, work: Work) -> None:
        """Makes the streams, tries every method on them and keeps the fastest."""
        self._floats, self._passes = self._stream_floats(work), 1
        least = _GPU_CALL_BYTES if jax.default_backend() == "gpu" else _CALL_BYTES
        self._passes = max(1, least // self.bytes_per_step)
        methods = self._methods()
        for name, run in methods.items():
            self.tried[name] = self.bytes_per_step / _fastest(run, self._passes)
        self.method = max(self.tried, key=lambda name: self.tried[name])
        self._run = methods[self.method]

    def step(self) -> None:
        assert self._run is not None, "allocate comes first"
        self._run(self._passes)

    def wait(self) -> None:
        pass  # every method returns when it is done

    def release(self) -> None:
        self._run = None

    def _stream_floats(self, work: Work) -> int:
        """A GPU's streams are as long as can be: a tree that fits in its cache has no roof."""
        if jax.default_backend() == "gpu":
            return MOST_STREAM_BYTES // 4
        return stream_floats(workloads.tree_bytes(work.tree))

    def _methods(self) -> dict[str, Callable[[int], None]]:
        def allocate() -> list[jax.Array]:
            return streams.allocate(self.reads, self._floats)

        methods = {"jnp": streams.jitted(allocate(), self.writes)}
        if jax.default_backend() == "cpu":
            arrays = allocate()
            methods |= streams.native(arrays, self.writes)
            methods["numpy"] = streams.numpy_blocks(arrays, self.writes)
        return methods


class Copy(Roof):
    """Copies memory from one place of a GPU to another."""

    name = "copy"

    def __init__(self) -> None:
        super().__init__(1, 1)

    def _stream_floats(self, work: Work) -> int:
        return COPY_BYTES // 4

    def _methods(self) -> dict[str, Callable[[int], None]]:
        (array,) = streams.allocate(1, self._floats)
        return {"device-to-device": streams.copied(array)}


def stream_floats(tree_bytes: int) -> int:
    """Returns how many floats each stream holds: as many bytes as the parameters, within bounds."""
    most = MOST_STREAM_BYTES // 4
    return min(most, max(_LEAST_STREAM_FLOATS, tree_bytes // 64 * 16))


def _fastest(run: Callable[[int], None], passes: int) -> float:
    """Returns the least seconds of several calls; the first one compiles, or touches its pages."""
    run(passes)
    times: list[float] = []
    while len(times) < 3 or (sum(times) < _TRIAL_SECONDS and len(times) < 20):
        begin = time.perf_counter()
        run(passes)
        times.append(time.perf_counter() - begin)
    return min(times)
