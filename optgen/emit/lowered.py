"""Lowered optimizers: the input of every emitter, with the programs of a tree's distinct leaves."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optgen.ir.dependence import arrays_of
from optgen.ir.program import Program
from optgen.passes.hoist import Hoisted
from optgen.runtime.vocabulary.sequence import Mode
from optgen.runtime.vocabulary.variant import Guard, Slot
from optgen.runtime.vocabulary.view import axes_name, dimension_names, extent_name
from optgen.schedule.leaf import LeafProgram


@dataclass(frozen=True)
class LoweredVariant:
    """One program among the leaves of a tree.

    Attributes:
      name: the name of its functions.
      guards: the leaves that it serves.
      slots: the slots of such a leaf.
      math: the program before hoisting, for its equations.
      reason: the reason for having no kernels of its leaves; empty where it has them.
    """

    name: str
    guards: tuple[Guard, ...]
    slots: Mapping[str, Slot]
    math: Program
    reason: str = ""

    @functools.cached_property
    def update_arrays(self) -> tuple[str, ...]:
        """The arrays of a leaf that its update is computed from."""
        return arrays_of(self.math, "update") or ("g",)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Names of the axes that each dimension of its view is: ``rows``, and so on."""
        return tuple(map(extent_name, self._dimensions))

    @property
    def axes_names(self) -> tuple[str, ...]:
        """Names of the arguments that hold the axes which each dimension is."""
        return tuple(map(axes_name, self._dimensions))

    @property
    def _dimensions(self) -> tuple[str, ...]:
        rank = max(len(guard.groups) for guard in self.guards)
        return dimension_names(rank) if rank else ()


@dataclass(frozen=True)
class Lowered:
    """An optimizer for a tree, ready to be scheduled and printed.

    Attributes:
      name: the rule's name.
      doc: the rule's docstring.
      hyperparameters: the run-time ones, as programs call them.
      settings: the static ones and those that are None, with their values.
      variants: the distinct programs.
      update: the programs of a step, cut: for each variant in turn the update at full precision,
        and the fused step.
      init: the programs that make slots, cut; one for each variant.
      slots: the slots of leaves of any kind, those that are served here or not.
      tree_slots: the slots of the whole tree.
      masks: the number of masks of the optimizer.
    """

    name: str
    doc: str
    hyperparameters: tuple[str, ...]
    settings: Mapping[str, object]
    variants: tuple[LoweredVariant, ...]
    update: Hoisted
    init: Hoisted
    slots: tuple[str, ...]
    tree_slots: tuple[str, ...]
    masks: int

    def leaf(self, variant: int, mode: Mode = "update") -> Program:
        """The program of a variant's leaves, for an update at full precision or a fused step."""
        return self.update.leaves[_place(variant, mode)]

    def partials(self, variant: int) -> tuple[Program, ...]:
        """The contributions of a variant's leaves to the tree reductions of each phase."""
        return self.update.partials[_place(variant, "update")]

    def program(self, variant: int, mode: Mode) -> LeafProgram:
        """The leaf program of a variant, for an update or a fused step."""
        return LeafProgram(self.leaf(variant, mode), self.partials(variant))


FORMS: Sequence[Mode] = ("update", "step")
"""The forms of a variant's program; see ``Lowered.update``."""


def _place(variant: int, mode: Mode) -> int:
    return variant * len(FORMS) + FORMS.index(mode)
