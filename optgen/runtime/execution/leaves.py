"""The leaves of a tree as emitted functions see them, and their portable execution."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from optgen.runtime.vocabulary.launches import PlacedLeaf
from optgen.runtime.vocabulary.module import Module, Placement
from optgen.runtime.vocabulary.sequence import Mode
from optgen.runtime.vocabulary.variant import (
    DTYPES,
    Function,
    Variant,
    arguments,
    axes_arguments,
)

Environment = dict[str, Any]
Result = tuple[Any, Environment]
"""The result of one leaf: its update or its next parameter, and its next slots."""


@functools.lru_cache(maxsize=4096)
def traced_once(function: Function, axes: frozenset[str]) -> Function:
    """Returns the function under ``jax.jit``: like leaves share one tracing of it."""
    static = tuple(n for n in arguments(function) if n in DTYPES or n in axes)
    return jax.jit(function, static_argnames=static)


def real_dtype(*arrays: Any) -> Any:
    """The dtype that the arithmetic of a leaf runs in: float64 beside such an array, or float32."""
    wide = any(a is not None and a.dtype == jnp.float64 for a in arrays)
    return jnp.dtype("float64" if wide else "float32")


class Leaf:
    """The arrays of one leaf.

    Attributes:
      variant: the functions that serve it.
      placement: the index of that variant, and the axes of its dimensions.
      shape: its shape.
      dtypes: the dtypes of its parameter, its gradient and its arithmetic, by ``DTYPES``.
      arrays: ``p``, ``g`` and the slots, by name.
    """

    def __init__(
        self, variant: Variant, placement: Placement, p: Any, g: Any, slots: Environment
    ) -> None:
        self.variant, self.placement = variant, placement
        self.p, self.g, self.slots = p, g, slots
        present = [a for a in (p, g, *slots.values()) if a is not None]
        explicit = any(slot.dtype == "float64" for slot in variant.slots.values())
        self.real = jnp.dtype("float64") if explicit and _x64() else real_dtype(*present)
        self.shape = tuple((g if p is None else p).shape)
        self.arrays = {"p": p, "g": g, **slots}
        param = g if p is None else p
        self.dtypes = dict(zip(DTYPES, (param.dtype, g.dtype, self.real), strict=True))

    @property
    def empty(self) -> bool:
        """True where the leaf has no elements."""
        return 0 in self.shape

    def values(
        self,
        function: Function,
        scalars: Mapping[str, Any],
        arrays: Mapping[str, Any] | None = None,
    ) -> Environment:
        """The values that the arguments of a leaf function name.

        Args:
          function: the function.
          scalars: what is the same for all leaves.
          arrays: the arrays of the leaf, by default those before the step.
        """
        own = self.arrays if arrays is None else arrays
        known = {**own, **self.dtypes, **axes_arguments(self.placement.groups)}
        return {
            name: known[name] if name in known else _cast(scalars[name], self.real)
            for name in arguments(function)
        }

    def call(
        self,
        function: Function,
        scalars: Mapping[str, Any],
        arrays: Mapping[str, Any] | None = None,
    ) -> Environment:
        """Calls a leaf function; see ``values``."""
        axes = frozenset(axes_arguments(self.placement.groups))
        return traced_once(function, axes)(*self.values(function, scalars, arrays).values())

    @property
    def update_dtype(self) -> Any:
        """The dtype of its update: JAX's promotion of those of the arrays that it is made of.

        Scalars have no say in it, and a statistic of the leaf counts as the parameter: it is
        stored in the dtype of arithmetic.
        """
        dtypes = {name: array.dtype for name, array in self.slots.items()}
        for name, slot in self.variant.slots.items():
            if slot.dtype == "real" and slot.axes != "*":
                dtypes[name] = self.dtypes["param"]
        dtypes |= {"g": self.dtypes["grad"], "p": self.dtypes["param"]}
        return functools.reduce(jnp.promote_types, (dtypes[n] for n in self.variant.update_arrays))

    @property
    def stored_as_declared(self) -> bool:
        """True where every slot is stored in the dtype that the rule declares.

        It is False where the state was made beside parameters of another dtype.
        """
        return all(
            self.slots[name].dtype.name == str(self.dtypes.get(slot.dtype, slot.dtype))
            for name, slot in self.variant.slots.items()
        )


def _x64() -> bool:
    return bool(jax.config.read("jax_enable_x64"))


def place(module: Module, target: str, leaves: Sequence[Leaf], mode: Mode) -> list[PlacedLeaf]:
    """Returns the leaves with the kernel sequences that a target was emitted with for them."""
    placed = []
    for leaf in leaves:
        param, grad, real = (dtype.name for dtype in leaf.dtypes.values())
        name = target if leaf.stored_as_declared else ""  # no kernels know slots of other dtypes
        placed.append(module.place(name, leaf.placement, leaf.shape, (param, grad, real), mode))
    return placed


class Execution(Protocol):
    """The leaf programs of a step, run phase by phase."""

    def contribute(self, phase: int, scalars: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Returns the leaves' contributions to the tree reductions that end a phase, by name."""

    def finish(self, scalars: Mapping[str, Any]) -> list[Result]:
        """Returns the results of the last phase, leaf by leaf."""


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
    """Returns the leaves' contributions to the tree reductions of a phase; none of empty leaves."""
    values: dict[str, list[Any]] = {}
    for leaf, functions in zip(leaves, partials, strict=True):
        function = functions[phase] if phase < len(functions) else None
        if function is not None and not leaf.empty:
            for name, value in leaf.call(function, scalars).items():
                values.setdefault(name, []).append(value)
    return values


def _cast(array: Any, dtype: Any) -> Any:
    """The array in a dtype; tracing a cast of every array to its own would take a while."""
    return array if array.dtype == dtype else array.astype(dtype)


def result_dtype(leaf: Leaf, mode: Mode) -> Any:
    """The dtype of a leaf's next parameter, or of its update."""
    return leaf.p.dtype if mode == "step" else leaf.update_dtype


def finished(leaf: Leaf, scalars: Mapping[str, Any], mode: Mode) -> Result:
    """Returns a leaf's update, or its next parameter, rounded once; and its next slots."""
    result = leaf.call(leaf.variant.update, scalars)
    update = result["update"]
    out = leaf.p.astype(leaf.real) + update if mode == "step" else update
    slots = leaf.slots | {name: result[name] for name in leaf.slots if name in result}
    # A state that was made beside parameters of another dtype keeps its own.
    new_slots = {name: _cast(new, leaf.slots[name].dtype) for name, new in slots.items()}
    return _cast(out, result_dtype(leaf, mode)), new_slots
