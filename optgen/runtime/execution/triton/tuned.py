"""The options of a launch: measured on this device where a table has them, else guessed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

import jax
import numpy as np

from optgen.runtime.execution.triton import tables
from optgen.runtime.execution.triton.options import Options, heuristic
from optgen.runtime.vocabulary.sequence import Kernel

_forced: ContextVar[Mapping[str, Options]] = ContextVar("optgen_forced_options")


def options_for(kernel: Kernel) -> Options:
    """The options of launches of a kernel.

    Those that are forced; else those that the user measured on this device; else those that came
    with optgen; else guessed.
    """
    kind = key(kernel)
    forced = _forced.get({}).get(kind)
    if forced is not None:
        return forced
    device = device_name()
    for path in (tables.users(device), tables.shipped(device)) if device else ():
        table = tables.read(path)
        if table is not None and kind in table.options:
            return table.options[kind].options
    return guess(kernel)


def guess(kernel: Kernel) -> Options:
    """The options of a kernel that nothing was measured of."""
    itemsize = min(np.dtype(x.dtype).itemsize for x in kernel.operands)
    return heuristic(kernel.kind == "finalize", kernel.flat, itemsize)


def key(kernel: Kernel) -> str:
    """Key of a kernel in a table: all that decides its best options, whatever rule it is of.

    Its kind and its view, the bytes of an element of each large array that it reads and that it
    writes, and whether it reduces.
    """
    parts = [f"{kernel.kind} {'flat' if kernel.flat else 'matrix'}"]
    for verb in ("read", "written"):
        arrays = [x for x in kernel.operands if x.large and getattr(x, verb)]
        sizes = sorted((np.dtype(x.dtype).itemsize for x in arrays), reverse=True)
        if sizes:
            parts.append(f"{'reads' if verb == 'read' else 'writes'} {' '.join(map(str, sizes))}")
    return ", ".join([*parts, *(["reduces"] if kernel.reduces else [])])


def described(key: str, options: Options) -> str:
    """The options that decide anything for launches of a kind, as text."""
    kind, view = key.partition(",")[0].split(" ")
    extents = {"flat": ("block",), "matrix": ("outer", "inner")}[view]
    names = ("small",) if kind == "finalize" else (*extents, "programs")
    return ", ".join(f"{name} {getattr(options, name)}" for name in (*names, "warps", "stages"))


def device_name() -> str | None:
    """The name of the GPU that JAX runs on; None where it runs on something else."""
    if jax.default_backend() != "gpu":
        return None
    return str(jax.devices()[0].device_kind)


@contextmanager
def forced(options: Mapping[str, Options]) -> Iterator[None]:
    """Takes these options for the kinds of launches that they name, while something is lowered.

    What JAX has compiled before keeps its own.
    """
    token = _forced.set(options)
    try:
        yield
    finally:
        _forced.reset(token)
