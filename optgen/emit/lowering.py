"""Lowers traced rules: passes, views, and the hoisting of values that all leaves share."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optgen import config
from optgen.dsl.composition import Composition
from optgen.dsl.tracing import Traced
from optgen.emit.lowered import Lowered, LoweredVariant
from optgen.emit.naming import variant_names
from optgen.ir.program import Program
from optgen.ir.types import Axes
from optgen.passes import driver
from optgen.passes.dimensions import view, without_batch
from optgen.passes.hoist import Hoisted, hoist
from optgen.passes.names import DistinctNames
from optgen.passes.step import AsStep
from optgen.runtime.vocabulary.leaf import Fact, LeafSpec, MaskValue
from optgen.runtime.vocabulary.module import Placement
from optgen.runtime.vocabulary.variant import Guard, Slot
from optgen.runtime.vocabulary.view import Groups


@dataclass(frozen=True)
class _Programs:
    """The programs of a kind of leaf, over the dimensions of its view.

    Attributes:
      update: the program of a step; it stores ``update``, and the next slots.
      init: the program that makes the slots.
      slots: the slots of a leaf, by name.
      tree_slots: the names of the slots of the whole tree.
    """

    update: Program
    init: Program
    slots: tuple[tuple[str, Slot], ...]
    tree_slots: tuple[str, ...]

    def without_batch(self) -> _Programs:
        """The programs for leaves of a batch of one."""
        slots = tuple(
            (name, Slot(slot.dtype, _without_first(slot.axes), slot.constant))
            for name, slot in self.slots
        )
        return _Programs(
            without_batch(self.update), without_batch(self.init), slots, self.tree_slots
        )


def _without_first(axes: Axes) -> Axes:
    return axes if isinstance(axes, str) else tuple(d - 1 for d in axes if d > 0)


@dataclass(frozen=True)
class _Kind:
    """A kind of leaf: its programs, its view, and the reason for having no kernels, if any."""

    programs: _Programs
    groups: Groups
    reason: str


def lower_traced(
    composition: Composition, traced: Mapping[LeafSpec, Traced], slots: tuple[str, ...]
) -> tuple[Lowered, Mapping[LeafSpec, Placement]]:
    """Lowers the traced programs of a composition, one for each leaf signature.

    Args:
      composition: the rules, given their static hyperparameters.
      traced: the programs of each signature.
      slots: the names of the slots that leaves of any kind have.

    Returns:
      The lowered programs, and the variant that serves each signature.
    """
    kinds = {t: _kind(t) for t in dict.fromkeys(traced.values())}
    members: dict[_Programs, list[tuple[LeafSpec, Traced, Groups]]] = {}
    reasons: dict[_Programs, str] = {}
    batched = _of_a_batch([kind.programs for kind in kinds.values() if not kind.reason])
    for spec, t in traced.items():
        kind = kinds[t]
        programs = batched.get(kind.programs, kind.programs)
        groups = ((), *kind.groups) if kind.programs in batched else kind.groups
        members.setdefault(programs, []).append((spec, t, groups))
        reasons[programs] = kind.reason
    variants: list[LoweredVariant] = []
    where: dict[LeafSpec, Placement] = {}
    guards = [_guards(group) for group in members.values()]
    for number, (name, guard, (programs, group)) in enumerate(
        zip(variant_names(guards), guards, members.items(), strict=True)
    ):
        own = dict(programs.slots)
        variants.append(LoweredVariant(name, guard, own, programs.update, reasons[programs]))
        where |= {spec: Placement(number, groups) for spec, _, groups in group}
    return _lowered(composition, list(members), variants, slots), where


def _lowered(
    composition: Composition,
    programs: Sequence[_Programs],
    variants: Sequence[LoweredVariant],
    slots: tuple[str, ...],
) -> Lowered:
    tree_slots = tuple(dict.fromkeys(name for p in programs for name in p.tree_slots))
    reserved = {*slots, *tree_slots}
    forms = [form for p in programs for form in _forms(p.update)]
    return Lowered(
        name=composition.name,
        doc=_documentation(composition),
        hyperparameters=composition.scalars,
        settings=_settings(composition),
        variants=tuple(variants),
        update=_hoist(forms, reserved),
        init=_hoist([p.init for p in programs], reserved),
        slots=slots,
        tree_slots=tree_slots,
        masks=sum(len(part.masks) for part in composition.parts),
    )


def _forms(update: Program) -> tuple[Program, Program]:
    """Two forms of a program: the update at full precision, and a fused step."""
    return update, driver.run(update, (AsStep(), *driver.DEFAULT))


def optimize(program: Program) -> Program:
    """Runs the default passes, printing after those that the environment names."""
    return driver.run(program, print_after=config.PRINT_AFTER.get())


@functools.lru_cache(maxsize=1024)
def _kind(traced: Traced) -> _Kind:
    programs = [optimize(traced.update), optimize(traced.init)]
    viewed = view([DistinctNames().run(program) for program in programs])
    update, init = viewed.programs
    slots = tuple(
        (slot.key, Slot(slot.dtype, viewed.axes(slot.axes), slot.constant))
        for slot in traced.slots
        if slot.axes is not None
    )
    tree_slots = tuple(slot.key for slot in traced.slots if slot.axes is None)
    return _Kind(_Programs(update, init, slots, tree_slots), viewed.groups, viewed.reason)


def _of_a_batch(programs: Sequence[_Programs]) -> dict[_Programs, _Programs]:
    """A map from programs of a batch of one to the programs of a batch, where both occur.

    Not where a slot is one number for each matrix: of a matrix alone that is a scalar.
    """
    batched: dict[_Programs, _Programs] = {}
    distinct = list(dict.fromkeys(programs))
    for candidate in distinct:
        # A slot of each batch has the shape () for leaves without one, and (1, …) beside others.
        by_batch = any(slot.axes == (0,) for _, slot in candidate.slots)
        if candidate.update.rank is not None and candidate.update.rank > 2 and not by_batch:
            batched.setdefault(candidate.without_batch(), candidate)
    return {p: batched[p] for p in distinct if p in batched}


def _hoist(programs: Sequence[Program], reserved: set[str]) -> Hoisted:
    hoisted = hoist(programs, reserved)
    if set(config.PRINT_AFTER.get()) & {"all", "hoist"}:
        partials = [p for phases in hoisted.partials for p in phases]
        for program in (hoisted.constants, *hoisted.scalars, *partials, *hoisted.leaves):
            driver.print_program("hoist", program)
    return hoisted


def _guards(group: Sequence[tuple[LeafSpec, Traced, Groups]]) -> tuple[Guard, ...]:
    masks: dict[tuple[tuple[Fact, ...], Groups], list[tuple[MaskValue | str, ...]]] = {}
    for spec, traced, groups in group:
        masks.setdefault((traced.facts, groups), []).append(spec.masks)
    return tuple(
        Guard(facts, choice, groups)
        for (facts, groups), every in masks.items()
        for choice in _widen(every)
    )


def _widen(masks: list[tuple[MaskValue | str, ...]]) -> list[tuple[MaskValue | str, ...]]:
    """The same choices in fewer tuples: a mask is ``any`` where None, True and False all occur."""
    masks = list(dict.fromkeys(masks))
    for place in range(len(masks[0])):
        others: dict[tuple[object, ...], set[object]] = {}
        for choice in masks:
            others.setdefault((choice[:place], choice[place + 1 :]), set()).add(choice[place])
        widened = [
            (*choice[:place], "any", *choice[place + 1 :])
            if others[choice[:place], choice[place + 1 :]] >= {None, True, False}
            else choice
            for choice in masks
        ]
        masks = list(dict.fromkeys(widened))
    return masks


def _settings(composition: Composition) -> dict[str, object]:
    if len(composition.parts) == 1:
        return dict(composition.parts[0].fixed)
    return {f"{p.rule.name}.{name}": value for p in composition.parts for name, value in p.fixed}


def _documentation(composition: Composition) -> str:
    docs = [(part.rule.__doc__ or part.rule.name).strip() for part in composition.parts]
    if len(docs) == 1:
        return docs[0]
    firsts = [doc.splitlines()[0].rstrip(".") for doc in docs]
    return f"{composition.name}.\n\n" + "; then ".join(firsts) + "."
