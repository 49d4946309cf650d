"""The one recipe: trace, passes, plan, emit, load.

    rule ──trace──▶ math program ──passes──▶ hoisted programs ──emit──▶ source ──load──▶ unit
                                                  └──plan──▶ kernel program

``compile_tree`` does all of it for the leaves of a tree; each distinct leaf signature is traced
once, each distinct program lowered once, whatever the values of run-time hyperparameters. The
``xla`` target leaves the schedule to XLA and is emitted from the hoisted programs; kernel
targets are emitted from the plan.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from optgen import config
from optgen.dsl.rule import Composition
from optgen.dsl.tracing import Traced, check_slot_names, check_tree_slots, slot_names, trace
from optgen.emit import native, pallas, triton, xla
from optgen.emit.lowered import Lowered, LoweredVariant
from optgen.emit.naming import variant_names
from optgen.ir.evaluate import Dtypes
from optgen.ir.program import Program
from optgen.passes import driver
from optgen.passes.hoist import Hoisted, hoist
from optgen.passes.step import as_step, as_update
from optgen.runtime.execution.load import load_kernels, load_native, load_unit
from optgen.runtime.execution.targets import check_target, kernel_targets, with_kernels
from optgen.runtime.vocabulary.kernels import Kernels, Native
from optgen.runtime.vocabulary.leaf import Fact, LeafSpec, MaskValue
from optgen.runtime.vocabulary.unit import Guard, Slot, Unit
from optgen.schedule import Leaf, LeafProgram, Machine, Mode, Plan, plan

_lock = threading.RLock()
_EMITTERS = {"cpu": native.emit, "triton": triton.emit, "tpu": pallas.emit}


@dataclass(frozen=True)
class Compiled:
    """A tree's optimizer.

    Attributes:
      unit: what was loaded of what was emitted.
      variants: which of its variants serves each leaf signature.
    """

    unit: Unit
    variants: Mapping[LeafSpec, int]


def compile_tree(composition: Composition, specs: Sequence[LeafSpec], target: str) -> Compiled:
    """Compiles a composition for leaves of these signatures.

    Raises:
      RuleError: for what is wrong with a rule, at its line.
      TargetError: for a target that was asked for by name and cannot serve.
    """
    with _lock:  # one compilation for many threads that begin with the same tree
        kernels = kernel_targets(target)
        return _compile(composition, tuple(dict.fromkeys(specs)), target, kernels)


@functools.lru_cache(maxsize=1024)
def _compile(
    composition: Composition, specs: tuple[LeafSpec, ...], target: str, kernels: tuple[str, ...]
) -> Compiled:
    lowered, variants = lower(composition, specs)
    dtypes = distinct_dtypes(specs, lowered) if kernels else ()
    return Compiled(_load(_Key(lowered, target, kernels, dtypes)), variants)


def compile_only(composition: Composition, specs: Sequence[LeafSpec], target: str) -> Compiled:
    """Compiles for one kernel target, to be looked at: whether it can serve here is not asked."""
    with _lock:
        return _compile(composition, tuple(dict.fromkeys(specs)), target, (target,))


def emit(lowered: Lowered, target: str, dtypes: tuple[Dtypes, ...]) -> dict[str, str]:
    """The files of a target, by their endings.

    Args:
      lowered: the programs of a tree.
      target: ``xla``; or ``cpu`` for C++ and the tables beside it, ``triton`` and ``tpu`` for
        Python and the tables beside it.
      dtypes: what kernels are emitted for; the ``xla`` target serves all.

    Raises:
      TargetError: for a target that this version cannot emit.
    """
    check_target(target)
    if target == "xla":
        return {"py": xla.emit(lowered)}
    return _EMITTERS[target](lowered, dtypes)


def trace_tree(composition: Composition, specs: Sequence[LeafSpec]) -> dict[LeafSpec, Traced]:
    """Traces a composition for each distinct signature; slots get their final names."""
    traced = {spec: trace(composition, spec) for spec in dict.fromkeys(specs)}
    every = list(traced.values())
    check_tree_slots(every)
    names = slot_names(every)
    check_slot_names(every, names, composition.scalars)
    renamed = {one: one.renamed(names) for one in dict.fromkeys(traced.values())}
    return {spec: renamed[one] for spec, one in traced.items()}


def optimize(program: Program) -> Program:
    """Runs the default passes, printing after those that the environment names."""
    return driver.run(program, print_after=config.PRINT_AFTER.get())


def lower(
    composition: Composition, specs: Sequence[LeafSpec]
) -> tuple[Lowered, Mapping[LeafSpec, int]]:
    """The programs of a tree's distinct leaves, cut; and which of them serves each signature."""
    return _lower(composition, tuple(dict.fromkeys(specs)))


@functools.lru_cache(maxsize=1024)
def _lower(
    composition: Composition, specs: tuple[LeafSpec, ...]
) -> tuple[Lowered, Mapping[LeafSpec, int]]:
    traced = trace_tree(composition, specs)
    programs = {one: (optimize(one.update), optimize(one.init)) for one in traced.values()}
    groups: dict[tuple[object, ...], list[LeafSpec]] = {}
    for spec, one in traced.items():
        groups.setdefault((*programs[one], one.slots), []).append(spec)
    members = [[(spec, traced[spec]) for spec in group] for group in groups.values()]
    chosen = [programs[group[0][1]] for group in members]
    slots = [_slots(group[0][1]) for group in members]
    tree_slots = dict.fromkeys(
        slot.key for group in members for slot in group[0][1].slots if slot.axes is None
    )
    reserved = {name for kept in slots for name in kept} | set(tree_slots)
    guards = [_guards(group) for group in members]
    variants = tuple(
        LoweredVariant(name, guard, kept, update)
        for name, guard, kept, (update, _) in zip(
            variant_names(guards), guards, slots, chosen, strict=True
        )
    )
    lowered = Lowered(
        name=composition.name,
        doc=_documentation(composition),
        hyperparameters=composition.scalars,
        settings=_settings(composition),
        variants=variants,
        update=_hoist([update for update, _ in chosen], reserved),
        init=_hoist([init for _, init in chosen], reserved),
        tree_slots=tuple(tree_slots),
        masks=sum(len(part.masks) for part in composition.parts),
    )
    where = {spec: i for i, group in enumerate(members) for spec, _ in group}
    return lowered, where


def plan_tree(
    composition: Composition,
    specs: Sequence[LeafSpec],
    names: Sequence[str],
    machine: Machine,
    mode: Mode = "step",
) -> Plan:
    """Plans a step of a tree for a machine.

    Args:
      composition: the rules, given their static hyperparameters.
      specs: the signature of each leaf.
      names: what each leaf is called, for readers.
      machine: what to plan for.
      mode: ``step`` stores the next parameters, ``update`` the updates.
    """
    lowered, variants = lower(composition, specs)
    hoisted = lowered.update
    finish = as_step if mode == "step" else as_update
    leaves = [finish(leaf) for leaf in hoisted.leaves]
    programs = [LeafProgram(*parts) for parts in zip(leaves, hoisted.partials, strict=True)]
    placed = [
        Leaf(name, spec.shape, dtypes_of(spec, lowered), variants[spec])
        for name, spec in zip(names, specs, strict=True)
    ]
    return plan(programs, placed, machine, mode)


def distinct_dtypes(specs: Iterable[LeafSpec], lowered: Lowered) -> tuple[Dtypes, ...]:
    """The distinct dtypes of leaves, in order."""
    return tuple(dict.fromkeys(dtypes_of(spec, lowered) for spec in specs))


def dtypes_of(spec: LeafSpec, lowered: Lowered) -> Dtypes:
    """What the symbolic dtypes of a leaf's program stand for."""
    slots = (slot.dtype for variant in lowered.variants for slot in variant.slots.values())
    wide = "float64" in (spec.param_dtype, spec.grad_dtype, *slots)
    return Dtypes(spec.param_dtype, spec.grad_dtype, "float64" if wide else "float32")


def _hoist(programs: Sequence[Program], reserved: set[str]) -> Hoisted:
    hoisted = hoist(programs, reserved)
    if set(config.PRINT_AFTER.get()) & {"all", "hoist"}:
        partials = [p for phases in hoisted.partials for p in phases]
        for program in (hoisted.constants, *hoisted.scalars, *partials, *hoisted.leaves):
            driver.print_program("hoist", program)
    return hoisted


def _slots(traced: Traced) -> dict[str, Slot]:
    return {
        slot.key: Slot(slot.dtype, slot.axes, slot.constant)
        for slot in traced.slots
        if slot.axes is not None
    }


def _guards(group: Sequence[tuple[LeafSpec, Traced]]) -> tuple[Guard, ...]:
    masks: dict[tuple[Fact, ...], list[tuple[MaskValue | str, ...]]] = {}
    for spec, traced in group:
        masks.setdefault(traced.facts, []).append(spec.masks)
    return tuple(Guard(facts, said) for facts, every in masks.items() for said in _widen(every))


def _widen(masks: list[tuple[MaskValue | str, ...]]) -> list[tuple[MaskValue | str, ...]]:
    """The same choices in fewer: a mask of which None, True and False all occur is any."""
    masks = list(dict.fromkeys(masks))
    for place in range(len(masks[0])):
        others: dict[tuple[object, ...], set[object]] = {}
        for said in masks:
            others.setdefault((said[:place], said[place + 1 :]), set()).add(said[place])
        widened = [
            (*said[:place], "any", *said[place + 1 :])
            if others[said[:place], said[place + 1 :]] >= {None, True, False}
            else said
            for said in masks
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


@dataclass(frozen=True)
class _Key:
    """Programs that print alike share a unit, and with it all that JAX has compiled."""

    lowered: Lowered
    target: str
    kernels: tuple[str, ...]
    dtypes: tuple[Dtypes, ...]

    def _identity(self) -> tuple[object, ...]:
        low = self.lowered
        variants = tuple((v.guards, tuple(v.slots.items()), v.math) for v in low.variants)
        cut = tuple(
            (h.constants, h.scalars, h.partials, h.leaves, tuple(h.totals.items()))
            for h in (low.update, low.init)
        )
        return self.target, self.kernels, self.dtypes, low.name, low.hyperparameters, variants, cut

    def __hash__(self) -> int:
        return hash(self._identity())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._identity() == other._identity()


@functools.lru_cache(maxsize=1024)
def _load(key: _Key) -> Unit:
    name = key.lowered.name
    unit = load_unit(name, emit(key.lowered, "xla", ())["py"])
    if not key.kernels:
        return unit
    loaded: dict[str, Native | Kernels] = {}
    for target in key.kernels:
        files = emit(key.lowered, target, key.dtypes)
        load = load_native if target == "cpu" else load_kernels
        loaded[target] = load(name, files["tables"], files["source"])
    return with_kernels(unit, loaded, key.target)
