"""Variants: the functions of an emitted optimizer, and the leaves that each of them serves.

The arguments of every emitted function have the names of the values that it reads. Of a leaf
function these are ``g``, ``p`` and slots (the arrays of a leaf, as they are stored), ``param``,
``grad`` and ``real`` (the dtypes of the parameter, of the gradient and of the leaf's arithmetic),
and ``row_axes``, ``column_axes`` and the like (the axes of the leaf in a dimension of its view);
all others are scalars. Each function returns a dictionary of its results.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from optgen.errors import PackageError
from optgen.runtime.vocabulary.leaf import Fact, LeafSpec, MaskValue, holds
from optgen.runtime.vocabulary.view import (
    Axes,
    Groups,
    axes_name,
    dimension_names,
    reduced_shape,
)

Function = Callable[..., dict[str, Any]]

DTYPES = ("param", "grad", "real")
"""Arguments of a leaf function that are dtypes."""

# fmt: off
EMITTED = frozenset({
    *DTYPES, "step", "jnp", "lax", "scalar", "arrays", "along", "round_to",
    "batch_axes", "row_axes", "column_axes",
})
# fmt: on
"""Names that emitted code has for other things: no slot, hyperparameter or buffer has them."""


@functools.lru_cache(maxsize=4096)
def arguments(function: Function) -> tuple[str, ...]:
    """The names of the arguments of a function."""
    return tuple(inspect.signature(function).parameters)


@functools.lru_cache(maxsize=256)
def axes_arguments(groups: Groups) -> Mapping[str, tuple[int, ...]]:
    """Arguments of a leaf function that are axes of the leaf, such as ``row_axes``."""
    names = map(axes_name, dimension_names(len(groups))) if groups else ()
    return dict(zip(names, groups, strict=True))


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot of a leaf.

    Attributes:
      dtype: its storage dtype; ``param``, ``grad`` and ``real`` stand for the dtypes of the
        parameter, of the gradient and of arithmetic.
      axes: the dimensions of the leaf's view along which it varies, or ``"*"`` for all; it has
        extent 1 along the other axes, and no axes at all if there are none.
      constant: True where it never changes.
    """

    dtype: str
    axes: Axes = "*"
    constant: bool = False

    def shape(self, leaf: tuple[int, ...], groups: Groups) -> tuple[int, ...]:
        """The slot's shape for a leaf of this shape."""
        return reduced_shape(leaf, groups, self.axes)


@dataclass(frozen=True, slots=True)
class Guard:
    """The condition on a leaf under which a variant serves it.

    Attributes:
      facts: the facts that the rule read of the leaf while it was traced.
      masks: the value of each mask for it, or ``"any"`` where that makes no difference.
      groups: the axes of the leaf in each dimension of the variant's view.
    """

    facts: tuple[Fact, ...] = ()
    masks: tuple[MaskValue | str, ...] = ()
    groups: Groups = ()

    def admits(self, spec: LeafSpec) -> bool:
        """True where the variant serves this leaf."""
        pairs = zip(self.masks, spec.masks, strict=True)
        return all(mine in ("any", value) for mine, value in pairs) and holds(self.facts, spec)


@dataclass(frozen=True, slots=True)
class Variant:
    """The functions of one program of a rule, and the leaves that it serves.

    Attributes:
      guards: the conditions on a leaf; the variant serves it where one of them holds.
      slots: the slots of such a leaf.
      update: returns ``update``, at full precision, and the next value of each slot, as stored.
      last_sweeps: the same, for updates that kernels begin: of what these have computed.
      partials: for each phase, returns the leaf's contributions to tree reductions; None where
        it has none.
      contributions: the names of the contributions of each phase.
      update_arrays: the arrays of the leaf that its update is computed from: its dtype is what
        JAX promotes theirs to.
      init: returns the slots before the first step, as stored.
      init_partials: the same as ``partials``, for ``init``.
    """

    guards: tuple[Guard, ...]
    slots: Mapping[str, Slot]
    update: Function
    init: Function
    partials: tuple[Function | None, ...] = ()
    contributions: tuple[tuple[str, ...], ...] = ()
    init_partials: tuple[Function | None, ...] = ()
    update_arrays: tuple[str, ...] = ("g",)
    last_sweeps: tuple[Function, ...] = ()

    def function(self, name: str) -> Function:
        """The function of this name that ends an update.

        Raises:
          PackageError: where the functions beside emitted kernels are not those of its tables.
        """
        functions = {f.__name__: f for f in (self.update, *self.last_sweeps)}
        if name not in functions:
            raise PackageError(
                f"its kernels end an update in {name!r}, and its jnp functions have only "
                f"{', '.join(functions)}: generate the package again"
            )
        return functions[name]

    def dtypes(self, spec: LeafSpec) -> tuple[str, str, str]:
        """The dtypes of a leaf's parameter, of its gradient and of its arithmetic."""
        stored = (spec.param_dtype, spec.grad_dtype, *(slot.dtype for slot in self.slots.values()))
        real = "float64" if "float64" in stored else "float32"
        return spec.param_dtype, spec.grad_dtype, real

    def guard_for(self, spec: LeafSpec) -> Guard | None:
        """The first guard that admits a leaf, if any does."""
        return next((guard for guard in self.guards if guard.admits(spec)), None)


@dataclass(frozen=True, slots=True)
class Scalars:
    """The functions whose results are the same for all leaves.

    Attributes:
      constants: the function of the hyperparameters alone.
      phases: the functions between phases of tree reductions, one more than there are such
        phases; None where there is nothing to compute.
      totals: the reduction that combines each contribution, by name: ``sum`` or ``max``.
    """

    constants: Function | None = None
    phases: tuple[Function | None, ...] = (None,)
    totals: Mapping[str, str] = field(default_factory=dict)
