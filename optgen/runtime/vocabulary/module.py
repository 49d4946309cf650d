"""Emitted modules: an optimizer's variants, its scalars, and its kernels for each target."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from optgen.runtime.vocabulary.launches import PlacedLeaf
from optgen.runtime.vocabulary.portable import portable_sequence
from optgen.runtime.vocabulary.sequence import KernelSequence, Mode
from optgen.runtime.vocabulary.text import parse
from optgen.runtime.vocabulary.variant import (
    DTYPES,
    Function,
    Guard,
    Scalars,
    Slot,
    Variant,
    arguments,
    axes_arguments,
)
from optgen.runtime.vocabulary.view import Groups

__all__ = [
    "DTYPES",
    "Function",
    "Guard",
    "Kernels",
    "Module",
    "Placement",
    "Scalars",
    "Slot",
    "Variant",
    "arguments",
    "axes_arguments",
    "read_kernels",
]


class Placement(NamedTuple):
    """The variant of a module that serves a leaf, and the leaf's view.

    Attributes:
      variant: the index of the variant.
      groups: the axes of the leaf in each dimension of the variant's view.
    """

    variant: int
    groups: Groups = ()


@dataclass(frozen=True, eq=False)
class Kernels:
    """The kernels of a module for one target.

    Attributes:
      name: the rule's name.
      target: the name of the target.
      source: the source that holds the functions, or its file.
      sequences: the kernel sequences of each variant, for each choice of dtypes and mode.
    """

    name: str
    target: str
    source: str | Path = field(repr=False)
    sequences: tuple[KernelSequence, ...]

    @functools.cached_property
    def text(self) -> str:
        """The text of the source."""
        return self.source if isinstance(self.source, str) else self.source.read_text("utf-8")

    @functools.cached_property
    def _by_leaf(self) -> Mapping[tuple[int, Mode, tuple[str, str, str]], KernelSequence]:
        return {(s.variant, s.mode, s.dtypes): s for s in self.sequences}

    def sequence(
        self, variant: int, mode: Mode, dtypes: tuple[str, str, str]
    ) -> KernelSequence | None:
        """The sequence of a leaf; None where it was not emitted for these dtypes."""
        return self._by_leaf.get((variant, mode, dtypes))


@dataclass(frozen=True, eq=False)
class Module:
    """An emitted optimizer, for one choice of its static hyperparameters.

    Attributes:
      name: the rule's name.
      hyperparameters: the names of the run-time hyperparameters in the functions.
      variants: the leaf functions; the first that admits a leaf serves it.
      update: the scalars of a step.
      init: the scalars of the initial state.
      leaf_slots: the slots of leaves of any kind, served or not, in the order of the state; those
        of the variants if empty.
      tree_slots: the slots that are one scalar for the whole tree.
      masks: the number of masks of the optimizer.
      kernels: the kernels that serve beside the functions of the variants, by target.
      only: the target that was asked for by name, or ``""``: no other may serve.
    """

    name: str
    hyperparameters: tuple[str, ...]
    variants: tuple[Variant, ...]
    update: Scalars = field(default_factory=Scalars)
    init: Scalars = field(default_factory=Scalars)
    leaf_slots: tuple[str, ...] = ()
    tree_slots: tuple[str, ...] = ()
    masks: int = 0
    kernels: Mapping[str, Kernels] = field(default_factory=dict)
    only: str = ""

    @functools.cached_property
    def slots(self) -> tuple[str, ...]:
        """The slots of leaves of any kind, each once."""
        return self.leaf_slots or tuple(dict.fromkeys(n for v in self.variants for n in v.slots))

    def place(
        self,
        target: str,
        placement: Placement,
        shape: tuple[int, ...],
        dtypes: tuple[str, str, str],
        mode: Mode,
    ) -> PlacedLeaf:
        """A leaf with the kernel sequence that was emitted for it and a target.

        Args:
          target: the name of the target.
          placement: the placement of the leaf.
          shape: the leaf's shape.
          dtypes: the dtypes of its parameter, its gradient and its arithmetic.
          mode: ``step`` or ``update``.
        """
        variant, groups = placement
        portable = self.portable(variant, mode, dtypes)
        kernels = self.kernels.get(target)
        sequence = kernels.sequence(variant, mode, dtypes) if kernels else None
        return PlacedLeaf(sequence or portable, shape, groups, portable)

    @functools.cached_property
    def stateless(self) -> bool:
        """True where no leaf has slots, nor the tree, and nothing reads the count of steps."""
        functions = [*self.update.phases]
        for variant in self.variants:
            functions += variant.update, *variant.partials
        reads_count = any("step" in arguments(f) for f in functions if f is not None)
        return not (self.slots or self.tree_slots or reads_count)

    def reads_params(self, variants: tuple[int, ...]) -> bool:
        """True where a step of leaves with these variants reads the parameters."""
        used = [self.variants[i] for i in dict.fromkeys(variants)]
        functions = [f for v in used for f in (v.update, *v.partials) if f is not None]
        return any("p" in arguments(f) for f in functions)

    @functools.lru_cache(maxsize=1024)  # noqa: B019  (modules live as long as the process)
    def portable(self, variant: int, mode: Mode, dtypes: tuple[str, str, str]) -> KernelSequence:
        """The kernel sequence of a variant's ``jnp`` functions, which XLA compiles."""
        return portable_sequence(self.variants[variant], variant, mode, dtypes)


def read_kernels(
    name: str, tables: str, files: Mapping[str, str], sequences: str
) -> tuple[Kernels, ...]:
    """Reads the tables beside emitted kernels.

    Args:
      name: the rule's name.
      tables: the file that holds the tables.
      files: for each target the file beside it that holds its functions.
      sequences: the kernel sequences in their textual form, with what each target refuses.

    Raises:
      ParseError: naming the line, and what was expected there.
    """
    entries = parse(sequences)
    return tuple(
        Kernels(name, target, Path(tables).with_name(file), tuple(e.of(target) for e in entries))
        for target, file in files.items()
    )
