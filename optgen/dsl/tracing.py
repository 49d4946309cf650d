"""Traces a composition: runs it on the symbols of one leaf, and collects its programs."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from optgen.dsl.calling import apply_rule, name_result
from optgen.dsl.composition import Composition
from optgen.dsl.expr import Expr
from optgen.dsl.location import Location
from optgen.dsl.trace import SlotRecord, Trace, running
from optgen.errors import RuleError
from optgen.ir.build import cast, effect
from optgen.ir.legality import check
from optgen.ir.node import Node, node, walk
from optgen.ir.ops import OPS
from optgen.ir.program import Program
from optgen.ir.types import GRAD, LEAF, PARAM, REAL, Axes, Type
from optgen.runtime.vocabulary.leaf import Fact, LeafSpec

_CACHED_TRACES = 8192


@dataclass(frozen=True)
class SlotSpec:
    """A slot of a program, by its key, before it has its final name."""

    key: str
    axes: Axes | None
    dtype: str
    constant: bool
    location: Location | None = field(default=None, compare=False)

    @property
    def path(self) -> tuple[str, ...]:
        """The parts of the chain that it is in, outermost first, and its own name."""
        return tuple(self.key.split("/"))


@dataclass(frozen=True)
class Traced:
    """The programs of a composition for one leaf.

    Attributes:
      update: the program of a step. Effects: ``store "update" : real[*]``, the value added to the
        parameter; a ``store`` for each slot, in its storage dtype; ``tree_store``.
      init: the program that makes the slots; it reads ``p`` and hyperparameters only.
      slots: the slots of this leaf, and of the tree (axes None).
      facts: the facts that the rule read of the leaf: the programs hold for every leaf with the
        same.
    """

    update: Program
    init: Program
    slots: tuple[SlotSpec, ...]
    facts: tuple[Fact, ...]

    def renamed(self, names: dict[str, str]) -> Traced:
        """The same programs with the final names of slots."""

        def rename(n: Node) -> Node:
            if n.op in ("load", "store", "tree_load", "tree_store") and n.attr in names:
                return node(n.op, n.type, n.args, names[n.attr])
            return n

        slots = tuple(replace(slot, key=names[slot.key]) for slot in self.slots)
        return Traced(self.update.rewrite(rename), self.init.rewrite(rename), slots, self.facts)


@functools.lru_cache(maxsize=_CACHED_TRACES)
def trace(composition: Composition, spec: LeafSpec) -> Traced:
    """Traces a composition for a leaf of this signature, once.

    Raises:
      RuleError: for any fault of a rule, at the line that caused it.
    """
    tracing = Trace(spec)
    with running(tracing):
        g = Expr(tracing, cast(node("load", Type(GRAD, LEAF), attr="g"), REAL), "grad")
        p = Expr(tracing, cast(node("load", Type(PARAM, LEAF), attr="p"), REAL), "param")
        update, masks = g, iter(spec.masks)
        for part in composition.parts:
            values: dict[str, Any] = dict(part.fixed)
            values |= {
                name: Expr(tracing, node("hyper", Type(REAL, ()), attr=program_name))
                for name, program_name in part.scalars
            }
            values |= {name: next(masks) for name in part.masks}
            update = apply_rule(tracing, part.rule, values, update, p)
            if part is not composition.parts[-1]:
                name_result(tracing, part.rule.name, update)
    return _collect(composition.name, tracing, update)


def _collect(name: str, tracing: Trace, update: Expr) -> Traced:
    stores = [effect("store", "update", update.node)]
    inits, slots = [], []
    for record in tracing.slots.values():
        stores.extend(_next_store(record))
        inits.append(_store(record, record.init))
        slots.append(
            SlotSpec(record.key, record.axes, record.dtype, record.constant, record.location)
        )
    for record in tracing.slots.values():
        if record.next is not None and record.next.args:
            tracing.names.setdefault(record.next, f"{record.name}_next")
    names = dict(tracing.names)
    program = Program(name, tuple(stores), _rank(tracing, stores), names)
    init = Program(f"{name}_init", tuple(inits), _rank(tracing, inits), names)
    return Traced(check(program), check(init), tuple(slots), tracing.guard())


def _rank(tracing: Trace, effects: Sequence[Node]) -> int | None:
    """The rank, if any value varies along some of the axes only."""
    named = any(
        axes not in (LEAF, (), None)
        for n in walk(effects)
        for axes in (n.type.axes, n.attr if n.op in ("sum", "max", "min", "extent") else None)
    )
    return len(tracing.spec.shape) if named else None


def _next_store(record: SlotRecord) -> Sequence[Node]:
    if record.constant:
        return ()
    if record.next is None:
        raise RuleError(
            f"slot {record.name!r} is never assigned: assign {record.name}.next = …, or declare "
            "it with dsl.constant_state if it never changes",
            record.location.filename,
            record.location.lineno,
            record.part[-1],
        )
    return (_store(record, record.next),)


def _store(record: SlotRecord, value: Node) -> Node:
    if record.axes is None:
        return effect("tree_store", record.key, value)
    return effect("store", record.key, cast(value, record.dtype))


def slot_names(slots: Sequence[SlotSpec]) -> dict[str, str]:
    """The final name of each slot of a tree: the shortest end of its path that is unique."""
    paths = {slot.key: slot.path for slot in slots}
    names: dict[str, str] = {}
    for key, path in paths.items():
        length = 1
        while any(
            other != key and rival[-length:] == path[-length:] for other, rival in paths.items()
        ):
            length += 1
        names[key] = "_".join(path[-length:])
    return names


def check_slot_names(
    traced: Sequence[Traced], names: dict[str, str], hyperparameters: Sequence[str]
) -> None:
    """Requires the final names of slots to differ from those of run-time hyperparameters.

    Raises:
      RuleError: for a slot that emitted code could not tell from a hyperparameter.
    """
    for slot in (slot for t in traced for slot in t.slots):
        if names[slot.key] in hyperparameters:
            raise _at_slot(
                slot,
                f"slot {slot.path[-1]!r} has the name of the hyperparameter "
                f"{names[slot.key]!r}: call one of them something else",
            )


def _at_slot(slot: SlotSpec, reason: str) -> RuleError:
    filename, lineno = slot.location[:2] if slot.location else (None, None)
    return RuleError(reason, filename, lineno, slot.path[-2])


def check_tree_slots(traced: Sequence[Traced]) -> None:
    """Requires all leaves to agree on the slots of the tree, before the first step and after any.

    Raises:
      RuleError: for a slot whose value depends on the leaf that it is computed for.
    """
    first: dict[tuple[str, Any], Node] = {}
    for t in traced:
        for moment, program in (("its init", t.init), ("its .next", t.update)):
            for store in program.outputs:
                if store.op == "tree_store":
                    value = _without_leaves(store)
                    if first.setdefault((moment, store.attr), value) != value:
                        raise _disagreement(t, store.attr, moment)


def _without_leaves(value: Node) -> Node:
    """The value with its tree reductions as inputs, without the leaf's contributions to them."""

    def step(n: Node) -> Node:
        return node("scalar", n.type, (), n.attr) if OPS[n.op].kind == "tree" else n

    return Program("tree_slot", (value,)).rewrite(step).outputs[0]


def _disagreement(traced: Traced, key: str, moment: str) -> RuleError:
    slot = next(slot for slot in traced.slots if slot.key == key)
    return _at_slot(
        slot,
        f"tree_state {slot.path[-1]!r} has one value for all leaves, and {moment} is not the same "
        "for every leaf: compute it from nothing that is read of p, such as p.size or p.ndim",
    )
