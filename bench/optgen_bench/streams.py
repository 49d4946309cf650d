"""Ways to stream memory with a given mix of reads and writes: by XLA; on a CPU, C and NumPy too.

On a CPU every method works over the same arrays, which JAX allocated: pages come from where an
optimizer's own pages come from, so that a share of the roof judges the kernel and not the
allocator. (On Linux, NumPy asks for huge pages and JAX does not, which is worth a tenth of the
bandwidth or more.)
"""

from __future__ import annotations

import ctypes
import functools
import operator
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from optgen_bench import machine

Pass = Callable[[int], None]  # streams everything so many times, and returns when done

_BLOCK = 1 << 14  # floats of each stream that NumPy works on at a time: some of L2


def allocate(reads: int, floats: int) -> list[jax.Array]:
    """Returns `reads` distinct float32 arrays of ones, each of `floats` elements."""
    ones = jax.jit(lambda i: jnp.ones(floats, jnp.float32) + 0 * i)
    return jax.block_until_ready([ones(float(i)) for i in range(reads)])


def native(arrays: list[jax.Array], writes: int) -> dict[str, Pass]:
    """Returns the C methods, by name; none where no compiler is found or it fails."""
    library = _compile(len(arrays), writes)
    if library is None:
        return {}
    methods = {"c": _native(library.stream, arrays)}
    if library.has_nontemporal():
        methods["c-nontemporal"] = _native(library.stream_nontemporal, arrays)
    return methods


def numpy_blocks(arrays: list[jax.Array], writes: int) -> Pass:
    """Returns a pass by NumPy, in blocks that stay in cache, on a thread for each core."""
    views = [_view(array) for array in arrays]
    share = np.float32(1 / 16)
    keep = np.float32(1 - len(arrays) / 16)

    def stream(bounds: tuple[int, int]) -> None:
        for begin in range(*bounds, _BLOCK):
            block = slice(begin, min(begin + _BLOCK, bounds[1]))
            total = views[0][block] + np.float32(0)
            for view in views[1:]:
                total += view[block]
            total *= share
            for view in views[:writes]:
                view[block] *= keep
                view[block] += total

    size, count = views[0].size, machine.threads()
    parts = [(size * i // count, size * (i + 1) // count) for i in range(count)]
    pool = ThreadPoolExecutor(count)

    def run(passes: int) -> None:
        for _ in range(passes):
            list(pool.map(stream, parts))

    return _holding(arrays, run)


def jitted(arrays: list[jax.Array], writes: int) -> Pass:
    """Returns a pass by XLA, the written arrays donated; the caller's arrays are used up."""
    held = list(arrays)

    def stream(written: list[Any], read: list[Any]) -> list[Any]:
        total = functools.reduce(operator.add, [*written, *read]) / 16
        return [x * (1 - len(arrays) / 16) + total for x in written]

    function = jax.jit(stream, donate_argnums=(0,))

    def run(passes: int) -> None:
        result: Any = None
        for _ in range(passes):
            result = function(held[:writes], held[writes:])
            held[:writes] = result
        jax.block_until_ready(result)

    return run


def copied(array: jax.Array) -> Pass:
    """Returns a pass that copies an array to another place of the same memory."""
    copy = jax.jit(jnp.copy)

    def run(passes: int) -> None:
        result: Any = None
        for _ in range(passes):
            result = copy(array)
        jax.block_until_ready(result)

    return run


def _native(function: Any, arrays: list[jax.Array]) -> Pass:
    pointers = (ctypes.c_void_p * len(arrays))(*(x.unsafe_buffer_pointer() for x in arrays))
    floats, count = ctypes.c_size_t(arrays[0].size), machine.threads()

    def run(passes: int) -> None:
        if not function(pointers, floats, count, passes):
            raise RuntimeError(f"could not start {count} threads for the bandwidth roof")

    return _holding(arrays, run)


def _holding(arrays: list[jax.Array], run: Pass) -> Pass:
    """Keeps the arrays alive as long as the pass, which knows them by address only."""
    run.arrays = arrays  # type: ignore[attr-defined]
    return run


def _view(array: jax.Array) -> np.ndarray:
    """Returns a writable NumPy view of an array that nothing else reads."""
    kind = ctypes.c_float * array.size
    return np.ctypeslib.as_array(kind.from_address(array.unsafe_buffer_pointer()))


def _compile(reads: int, writes: int) -> Any:
    compiler = next(filter(None, map(shutil.which, _compilers())), None)
    if compiler is None:
        return None
    source = Path(__file__).with_name("stream.c")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "stream.so"
        flags = ["-O3", "-march=native", "-shared", "-fPIC", "-pthread"]
        mix = [f"-DR={reads}", f"-DW={writes}"]
        command = [compiler, *flags, *mix, str(source), "-o", str(library)]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=60)
            return ctypes.CDLL(str(library))
        except (OSError, subprocess.SubprocessError):
            return None


def _compilers() -> list[str]:
    chosen = os.environ.get("CC", "").split()[:1]
    return [*chosen, "cc", "gcc", "clang"]
