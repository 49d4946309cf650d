"""The leaves of a tree as the functions of a unit see them, and their portable execution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import jax
import jax.numpy as jnp

from optgen.runtime.vocabulary.unit import Function, Variant, arguments, traced_once

Mode = Literal["update", "step"]
Environment = dict[str, Any]
Result = tuple[Any, Environment]
"""Of one leaf: its update or its next parameter, and its next slots."""


def real_dtype(*arrays: Any) -> Any:
    """What the arithmetic of a leaf runs in: float64 beside a float64 array, else float32."""
    wide = any(a is not None and a.dtype == jnp.float64 for a in arrays)
    return jnp.dtype("float64" if wide else "float32")


class Leaf:
    """The arrays of one leaf, as the functions of a variant read them."""

    def __init__(self, variant: Variant, p: Any, g: Any, slots: Environment) -> None:
        self.variant, self.p, self.g, self.slots = variant, p, g, slots
        present = [a for a in (p, g, *slots.values()) if a is not None]
        explicit = any(slot.dtype == "float64" for slot in variant.slots.values())
        self.real = jnp.dtype("float64") if explicit and _x64() else real_dtype(*present)
        self.empty = present[0].size == 0
        self.arrays = {"p": p, "g": g, **slots}
        self.dtypes = {name: a.dtype for name, a in (("param", p), ("grad", g)) if a is not None}

    def call(self, function: Function, scalars: Mapping[str, Any]) -> Environment:
        """Calls a leaf function with what its arguments name, in the leaf's precision."""
        values: list[Any] = []
        for name in arguments(function):
            if name in self.dtypes:
                values.append(self.dtypes[name])
            elif name in self.arrays:
                values.append(self.arrays[name].astype(self.real))
            else:
                values.append(scalars[name].astype(self.real))
        return traced_once(function)(*values)


def _x64() -> bool:
    return bool(jax.config.read("jax_enable_x64"))


def leaf_dtypes(leaf: Leaf) -> tuple[str, str, str] | None:
    """Of its parameter, its gradient and its arithmetic, for which kernels are emitted.

    None where a slot is stored in another dtype than the rule says, because the state was made
    beside parameters of another one.
    """
    param = leaf.g if leaf.p is None else leaf.p
    dtypes = (param.dtype.name, leaf.g.dtype.name, leaf.real.name)
    stands_for = dict(zip(("param", "grad", "real"), dtypes, strict=True))
    for name, slot in leaf.variant.slots.items():
        if leaf.slots[name].dtype.name != stands_for.get(slot.dtype, slot.dtype):
            return None
    return dtypes


class Execution(Protocol):
    """How the leaf programs of a step are run, phase by phase."""

    def contribute(self, phase: int, scalars: Mapping[str, Any]) -> dict[str, list[Any]]:
        """What the leaves contribute to the tree reductions that end a phase, by name."""

    def finish(self, scalars: Mapping[str, Any]) -> list[Result]:
        """The results of the last phase, leaf by leaf."""


class Portable:
    """Runs the emitted ``jnp`` functions, leaf by leaf; XLA decides the kernels."""

    def __init__(self, leaves: Sequence[Leaf], mode: Mode) -> None:
        self.leaves, self.mode = leaves, mode

    def contribute(self, phase: int, scalars: Mapping[str, Any]) -> dict[str, list[Any]]:
        """See ``Execution``."""
        return contributions(self.leaves, [v.variant.partials for v in self.leaves], phase, scalars)

    def finish(self, scalars: Mapping[str, Any]) -> list[Result]:
        """See ``Execution``."""
        return [finished(leaf, scalars, self.mode) for leaf in self.leaves]


def contributions(
    leaves: Sequence[Leaf],
    partials: Sequence[tuple[Function | None, ...]],
    phase: int,
    scalars: Mapping[str, Any],
) -> dict[str, list[Any]]:
    """What leaves contribute to the tree reductions of a phase; empty ones nothing."""
    found: dict[str, list[Any]] = {}
    for leaf, functions in zip(leaves, partials, strict=True):
        function = functions[phase] if phase < len(functions) else None
        if function is not None and not leaf.empty:
            for name, value in leaf.call(function, scalars).items():
                found.setdefault(name, []).append(value)
    return found


def _like(new: Any, old: Any) -> Any:
    return new.astype(old.dtype)


def finished(leaf: Leaf, scalars: Mapping[str, Any], mode: Mode) -> Result:
    """One leaf: its update, or its next parameter, rounded once; and its next slots."""
    if leaf.empty:  # there is nothing to update, nor to take statistics of
        return (leaf.g if mode == "update" else leaf.p), leaf.slots
    result = leaf.call(leaf.variant.update, scalars)
    update = result["update"]
    if mode == "step":
        out = (leaf.p.astype(leaf.real) + update).astype(leaf.p.dtype)
    else:
        out = update.astype(leaf.g.dtype)
    slots = {name: _like(result.get(name, old), old) for name, old in leaf.slots.items()}
    return out, slots
