"""What every emitter takes: the programs of a tree's distinct leaves, cut and named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from optgen.ir.program import Program
from optgen.passes.hoist import Hoisted
from optgen.runtime.vocabulary.unit import Guard, Slot


@dataclass(frozen=True)
class LoweredVariant:
    """One program among the leaves of a tree.

    Attributes:
      name: what its functions are called.
      guards: the leaves that it serves.
      slots: what is kept for such a leaf.
      math: the program before hoisting, for its equations.
    """

    name: str
    guards: tuple[Guard, ...]
    slots: Mapping[str, Slot]
    math: Program


@dataclass(frozen=True)
class Lowered:
    """An optimizer for a tree, ready to be printed.

    Attributes:
      name: the rule's name.
      doc: the rule's docstring.
      hyperparameters: the run-time ones, as programs call them.
      settings: the static ones and those that are None, with their values.
      variants: the distinct programs.
      update: their steps, cut; ``update.leaves[i]`` belongs to ``variants[i]``.
      init: the programs that make their slots, cut.
      tree_slots: the slots of the whole tree.
      masks: how many masks the optimizer has.
    """

    name: str
    doc: str
    hyperparameters: tuple[str, ...]
    settings: Mapping[str, object]
    variants: tuple[LoweredVariant, ...]
    update: Hoisted
    init: Hoisted
    tree_slots: tuple[str, ...]
    masks: int
