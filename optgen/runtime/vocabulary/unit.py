"""What an emitted module holds: the functions of an optimizer, and what says when each applies.

The arguments of every emitted function name what it reads: ``g``, ``p`` and slots for the arrays
of a leaf, in the precision that arithmetic runs in; everything else is a scalar. Each returns
a dictionary of what it computed.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax

from optgen.runtime.execution.arrays import along
from optgen.runtime.vocabulary.kernels import Kernels, Native
from optgen.runtime.vocabulary.leaf import Fact, LeafSpec, MaskValue, holds

Function = Callable[..., dict[str, Any]]

DTYPE_ARGUMENTS = ("param", "grad")
"""Arguments of a leaf function that are dtypes: those that a rounding inside a rule names."""


@functools.cache
def arguments(function: Function) -> tuple[str, ...]:
    """The names of what a function reads."""
    return tuple(inspect.signature(function).parameters)


@functools.cache
def traced_once(function: Function) -> Function:
    """The function under ``jax.jit``: leaves of one shape and dtype share one tracing of it."""
    static = tuple(name for name in DTYPE_ARGUMENTS if name in arguments(function))
    return jax.jit(function, static_argnames=static)


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot of a leaf.

    Attributes:
      dtype: what it is stored in: ``param``, ``grad`` and ``real`` stand for the parameter's and
        the gradient's dtype and the one that arithmetic runs in.
      axes: the axes of the leaf along which it varies, or ``"*"`` for all; it has extent 1 along
        the others, and no axes at all if there are none.
      constant: whether it never changes.
    """

    dtype: str
    axes: tuple[int, ...] | str = "*"
    constant: bool = False

    def shape(self, leaf: tuple[int, ...]) -> tuple[int, ...]:
        """The slot's shape for a leaf of this shape."""
        if isinstance(self.axes, str):
            return leaf
        return along(leaf, *self.axes) if self.axes else ()


@dataclass(frozen=True, slots=True)
class Guard:
    """For which leaves a variant was made.

    Attributes:
      facts: what the rule read of the leaf.
      masks: what each mask said of it, or ``"any"`` where that makes no difference.
    """

    facts: tuple[Fact, ...] = ()
    masks: tuple[MaskValue | str, ...] = ()

    def admits(self, spec: LeafSpec) -> bool:
        """Whether the variant serves this leaf."""
        said = zip(self.masks, spec.masks, strict=True)
        return all(mine in ("any", value) for mine, value in said) and holds(self.facts, spec)


@dataclass(frozen=True, slots=True)
class Variant:
    """The functions for the leaves of which a rule makes one program.

    Attributes:
      guards: it serves the leaves that any of these admits.
      slots: what is kept for such a leaf.
      update: returns ``update`` and the next value of each slot.
      partials: for each phase, what the leaf contributes to tree reductions; None for nothing.
      init: returns the slots before the first step.
      init_partials: the same as ``partials``, for ``init``.
    """

    guards: tuple[Guard, ...]
    slots: Mapping[str, Slot]
    update: Function
    init: Function
    partials: tuple[Function | None, ...] = ()
    init_partials: tuple[Function | None, ...] = ()

    def admits(self, spec: LeafSpec) -> bool:
        """Whether the variant serves this leaf."""
        return any(guard.admits(spec) for guard in self.guards)


@dataclass(frozen=True, slots=True)
class Scalars:
    """What is computed once for all leaves.

    Attributes:
      constants: what the hyperparameters alone decide.
      phases: one more than there are phases of tree reductions; None where there is nothing.
      totals: how contributions are combined, by name: ``sum`` or ``max``.
    """

    constants: Function | None = None
    phases: tuple[Function | None, ...] = (None,)
    totals: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Unit:
    """An optimizer as it was emitted for one choice of its static hyperparameters.

    Attributes:
      name: the rule's name.
      hyperparameters: the run-time hyperparameters, as the functions call them.
      variants: the leaf functions; the first that admits a leaf serves it.
      update: the scalars of a step.
      init: the scalars of the initial state.
      tree_slots: the slots that are one scalar for the whole tree.
      masks: how many masks the optimizer has.
      kernels: by target the kernels that serve beside the functions of the variants: a
        ``Native`` for ``cpu``, ``Kernels`` for an accelerator.
      only: the target that was asked for by name, or ``""``: no other may serve.
    """

    name: str
    hyperparameters: tuple[str, ...]
    variants: tuple[Variant, ...]
    update: Scalars = field(default_factory=Scalars)
    init: Scalars = field(default_factory=Scalars)
    tree_slots: tuple[str, ...] = ()
    masks: int = 0
    kernels: Mapping[str, Native | Kernels] = field(default_factory=dict)
    only: str = ""

    @functools.cached_property
    def slots(self) -> tuple[str, ...]:
        """The slots of all variants, each once."""
        return tuple(dict.fromkeys(name for v in self.variants for name in v.slots))

    def variant_for(self, spec: LeafSpec) -> int | None:
        """Which variant serves a leaf, if any does."""
        return next((i for i, v in enumerate(self.variants) if v.admits(spec)), None)

    def reads_params(self, assignment: tuple[int, ...]) -> bool:
        """Whether a step of leaves that are served by these variants reads the parameters."""
        used = [self.variants[i] for i in dict.fromkeys(assignment)]
        functions = [f for v in used for f in (v.update, *v.partials) if f is not None]
        return any("p" in arguments(f) for f in functions)
