"""The options of a launch: measured on this device where a table has them, else guessed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

import jax
import jax.numpy as jnp

from optgen.runtime.execution.triton import tables
from optgen.runtime.execution.triton.options import Options, heuristic
from optgen.runtime.vocabulary.kernels import Routine

_forced: ContextVar[Mapping[str, Options]] = ContextVar("optgen_forced_options")


def options_for(routine: Routine) -> Options:
    """The options of launches of a routine.

    Those that are forced; else those that the user measured on this device; else those that came
    with optgen; else guessed.
    """
    kind = key(routine)
    forced = _forced.get({}).get(kind)
    if forced is not None:
        return forced
    device = device_name()
    for path in (tables.users(device), tables.shipped(device)) if device else ():
        table = tables.read(path)
        if table is not None and kind in table.options:
            return table.options[kind].options
    return guess(routine)


def guess(routine: Routine) -> Options:
    """The options of a routine that nothing was measured of."""
    itemsize = min(jnp.dtype(x.dtype).itemsize for x in routine.operands)
    return heuristic(routine.kind, not routine.view, itemsize)


def key(routine: Routine) -> str:
    """What decides the best options of a routine, whatever rule it is of.

    Its kind and its view, the bytes of an element of each large array that it reads and that it
    writes, and whether it reduces.
    """
    reads = [x for x in routine.operands if x.axes == "*" and x.access in ("in", "in-out")]
    writes = [x for x in routine.operands if x.axes == "*" and x.access in ("out", "in-out")]
    parts = [f"{routine.kind} {'matrix' if routine.view else 'flat'}"]
    for verb, arrays in (("reads", reads), ("writes", writes)):
        sizes = sorted((jnp.dtype(x.dtype).itemsize for x in arrays), reverse=True)
        if sizes:
            parts.append(f"{verb} {' '.join(map(str, sizes))}")
    if reduces(routine):
        parts.append("reduces")
    return ", ".join(parts)


def reduces(routine: Routine) -> bool:
    """Whether it leaves parts of a reduction."""
    return any(x.access == "partial" for x in routine.operands)


def described(key: str, options: Options) -> str:
    """The options that decide anything for launches of a kind, as text."""
    kind, view = key.partition(",")[0].split(" ")
    own = {"flat": ("block",), "matrix": ("rows", "columns")}[view]
    names = ("settled",) if kind == "settle" else (*own, "programs")
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
