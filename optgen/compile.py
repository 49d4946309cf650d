"""The one recipe: trace, passes, plan, emit, load.

    rule ──trace──▶ math programs ──passes──▶ lowered programs ──schedule──▶ kernel sequences
                                                  └────────────emit────────────┘──load──▶ module

``compile_tree`` does all of it for the leaves of a tree; each distinct leaf signature is traced
once, each distinct program lowered once, whatever the values of run-time hyperparameters. The
``xla`` target leaves the schedule to XLA and is emitted from the lowered programs; kernels are
emitted from kernel sequences, which stand in tables beside them.
"""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from optgen.dsl.probing import declared_slots, probes, with_shared
from optgen.dsl.rule import Composition
from optgen.dsl.tracing import Traced, check_slot_names, check_tree_slots, slot_names, trace
from optgen.emit import xla
from optgen.emit.emitters import EMITTERS
from optgen.emit.kernels import Scheduled, schedule_all
from optgen.emit.lowered import Lowered, LoweredVariant
from optgen.emit.lowering import lower_traced
from optgen.emit.tables import tables
from optgen.ir.evaluate import Dtypes
from optgen.runtime.execution.load import load_emitted
from optgen.runtime.execution.targets import (
    PORTABLE,
    TARGETS,
    check_target,
    kernel_targets,
    with_kernels,
)
from optgen.runtime.vocabulary.leaf import LeafSpec
from optgen.runtime.vocabulary.machine import Machine
from optgen.runtime.vocabulary.module import Kernels, Module, Placement
from optgen.runtime.vocabulary.sequence import Mode
from optgen.schedule.plan import Plan

_lock = threading.RLock()


@dataclass(frozen=True)
class Compiled:
    """A tree's optimizer.

    Attributes:
      module: what was emitted, loaded.
      placements: how it serves each leaf signature.
    """

    module: Module
    placements: Mapping[LeafSpec, Placement]


def compile_tree(composition: Composition, specs: Sequence[LeafSpec], target: str) -> Compiled:
    """Compiles a composition for leaves of these signatures.

    Raises:
      RuleError: for what is wrong with a rule, at its line.
      TargetError: for a target that was asked for by name and cannot serve.
    """
    with _lock:  # one compilation for many threads that begin with the same tree
        kernels = kernel_targets(target) if specs else ()
        return _compile(composition, tuple(dict.fromkeys(specs)), target, kernels)


def emit_tree(composition: Composition, specs: Sequence[LeafSpec], target: str) -> Compiled:
    """Emits and loads kernels to be looked at: whether they can serve here is not asked."""
    with _lock:
        lowered, placements = lower(composition, specs)
        wanted = () if target == PORTABLE else (target,)
        key = _Key(lowered, wanted, distinct_dtypes(specs, lowered))
        return Compiled(_load(key), placements)


@functools.lru_cache(maxsize=1024)
def _compile(
    composition: Composition, specs: tuple[LeafSpec, ...], target: str, kernels: tuple[str, ...]
) -> Compiled:
    lowered, placements = lower(composition, specs)
    dtypes = distinct_dtypes(specs, lowered) if kernels else ()
    return Compiled(_ready(_Key(lowered, kernels, dtypes), target), placements)


def emit(lowered: Lowered, target: str, dtypes: tuple[Dtypes, ...]) -> str:
    """The source of a target: its functions, which the kernel sequences name.

    Args:
      lowered: the programs of a tree.
      target: the name of the target.
      dtypes: what kernels are emitted for.

    Raises:
      TargetError: for a target that this version cannot emit.
    """
    check_target(target)
    scheduled = schedule_all(lowered, dtypes)
    if target not in EMITTERS:
        return xla.emit(lowered, scheduled.schedules)
    emitter = EMITTERS[target]
    return emitter.source(lowered, scheduled.served(emitter))


def emit_tables(lowered: Lowered, files: Mapping[str, str], dtypes: tuple[Dtypes, ...]) -> str:
    """The tables beside emitted kernels, of the targets whose files these are."""
    emitters = [EMITTERS[target] for target in files]
    return tables(lowered.name, files, schedule_all(lowered, dtypes).entries(emitters))


def schedules(composition: Composition, specs: Sequence[LeafSpec]) -> Scheduled:
    """The kernel sequences of a tree, with their bodies."""
    lowered, _ = lower(composition, specs)
    return schedule_all(lowered, distinct_dtypes(specs, lowered))


def trace_tree(composition: Composition, specs: Sequence[LeafSpec]) -> dict[LeafSpec, Traced]:
    """Traces a composition for each distinct signature; slots get their final names."""
    return _trace_tree(composition, specs)[0]


def _trace_tree(
    composition: Composition, specs: Sequence[LeafSpec]
) -> tuple[dict[LeafSpec, Traced], tuple[str, ...]]:
    """The traced programs, and the names of the slots that leaves of any kind have."""
    traced = {spec: trace(composition, spec) for spec in dict.fromkeys(specs)}
    every = list(traced.values())
    check_tree_slots(every)
    slots = [*declared_slots(composition), *(slot for t in every for slot in t.slots)]
    names = slot_names(slots)
    check_slot_names(every, names, composition.scalars)
    renamed = {t: t.renamed(names) for t in dict.fromkeys(traced.values())}
    of_leaves = dict.fromkeys(names[slot.key] for slot in slots if slot.axes is not None)
    return {spec: renamed[t] for spec, t in traced.items()}, tuple(of_leaves)


def lower(
    composition: Composition, specs: Sequence[LeafSpec]
) -> tuple[Lowered, Mapping[LeafSpec, Placement]]:
    """The programs of a tree's distinct leaves, cut; and which of them serves each signature."""
    return _lower(composition, tuple(dict.fromkeys(specs)))


@functools.lru_cache(maxsize=1024)
def _lower(
    composition: Composition, specs: tuple[LeafSpec, ...]
) -> tuple[Lowered, Mapping[LeafSpec, Placement]]:
    leaves = with_shared(composition, specs or probes(composition)[:1])
    traced, slots = _trace_tree(composition, leaves)
    return lower_traced(composition, traced, slots)


def plan_tree(
    composition: Composition,
    specs: Sequence[LeafSpec],
    names: Sequence[str],
    machine: Machine,
    mode: Mode = "step",
    target: str | None = None,
) -> Plan:
    """Plans a step of a tree for a machine: the launches that the runtime would make.

    Args:
      composition: the rules, given their static hyperparameters.
      specs: the signature of each leaf.
      names: what each leaf is called, for readers.
      machine: what to plan for.
      mode: ``step`` stores the next parameters, ``update`` the updates.
      target: the target; by default that of the machine.
    """
    target = target or machine.target
    compiled = emit_tree(composition, specs, target)
    return plan_module(compiled.module, compiled.placements, specs, names, machine, mode, target)


def plan_module(
    module: Module,
    placements: Mapping[LeafSpec, Placement],
    specs: Sequence[LeafSpec],
    names: Sequence[str],
    machine: Machine,
    mode: Mode,
    target: str,
) -> Plan:
    """Plans a step of a tree by an emitted module; see ``plan_tree``."""
    leaves = []
    for spec in specs:
        placement = placements[spec]
        dtypes = module.variants[placement.variant].dtypes(spec)
        leaves.append(module.place(target, placement, spec.shape, dtypes, mode))
    launches = TARGETS[target].launches(leaves, machine.limits)
    return Plan(mode, target, machine, tuple(names), tuple(leaves), launches)


def distinct_dtypes(specs: Iterable[LeafSpec], lowered: Lowered) -> tuple[Dtypes, ...]:
    """The distinct dtypes of leaves, in order, whichever variant serves them."""
    pairs = itertools.product(specs, lowered.variants)
    return tuple(dict.fromkeys(dtypes_of(spec, variant) for spec, variant in pairs))


def dtypes_of(spec: LeafSpec, variant: LoweredVariant) -> Dtypes:
    """Concrete dtypes of a leaf's program: of its parameter, its gradient and its computation."""
    slots = (slot.dtype for slot in variant.slots.values())
    wide = "float64" in (spec.param_dtype, spec.grad_dtype, *slots)
    return Dtypes(spec.param_dtype, spec.grad_dtype, "float64" if wide else "float32")


@dataclass(frozen=True)
class _Key:
    """Programs that print alike share a module, and with it all that JAX has compiled."""

    lowered: Lowered
    kernels: tuple[str, ...]
    dtypes: tuple[Dtypes, ...]

    def _identity(self) -> tuple[object, ...]:
        low = self.lowered
        variants = tuple((v.guards, tuple(v.slots.items()), v.math) for v in low.variants)
        slots = low.slots, low.tree_slots
        cut = tuple(
            (h.constants, h.scalars, h.partials, h.leaves, tuple(h.totals.items()))
            for h in (low.update, low.init)
        )
        return self.kernels, self.dtypes, low.name, low.hyperparameters, variants, slots, cut

    def __hash__(self) -> int:
        return hash(self._identity())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._identity() == other._identity()


@functools.lru_cache(maxsize=1024)
def _load(key: _Key) -> Module:
    """The module, with kernels that are not compiled yet."""
    name = key.lowered.name
    scheduled = schedule_all(key.lowered, key.dtypes) if key.kernels else Scheduled((), ())
    module = load_emitted(name, xla.emit(key.lowered, scheduled.schedules))
    kernels = {}
    for target in key.kernels:
        emitter = EMITTERS[target]
        source = emitter.source(key.lowered, scheduled.served(emitter))
        sequences = tuple(entry.of(target) for entry in scheduled.entries([emitter]))
        kernels[target] = Kernels(name, target, source, sequences)
    return replace(module, kernels=kernels)


@functools.lru_cache(maxsize=1024)
def _ready(key: _Key, target: str) -> Module:
    """The module, with the kernels that serve what was asked for."""
    module = _load(key)
    return with_kernels(module, module.kernels, target) if key.kernels else module
