"""Runs a composition on the symbols of one leaf, and collects its programs."""

from __future__ import annotations

import difflib
import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import CodeType, FrameType
from typing import Any

from optgen.dsl.expr import NO_ARRAY, NO_NUMBER, Expr, lift
from optgen.dsl.location import Location, culprit
from optgen.dsl.rule import Composition, Instance, Rule
from optgen.dsl.slots import Slot, describe_axes
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

_SYMBOL_IN_A_LIBRARY = ("__jax_array__", "__array_ufunc__", "dsl.expr.Expr", "dsl.slots.Slot")
"""What JAX and NumPy speak of where they are given a symbol."""


@dataclass(frozen=True)
class SlotSpec:
    """A slot of a program: its key there, and the path of names that its final name is made of."""

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
    """What tracing a composition for one leaf gives.

    Attributes:
      update: the program of a step. Effects: ``store "update" : real[*]``, what is added to the
        parameter; a ``store`` for each slot, in its storage dtype; ``tree_store``.
      init: the program that makes the slots; it reads ``p`` and hyperparameters only.
      slots: what is kept for this leaf, and for the tree (axes None).
      facts: what was read of the leaf: the programs hold for every leaf that answers the same.
    """

    update: Program
    init: Program
    slots: tuple[SlotSpec, ...]
    facts: tuple[Fact, ...]

    def renamed(self, names: dict[str, str]) -> Traced:
        """The same with slots called by their final names."""

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
      RuleError: for whatever is wrong with a rule, at the line that caused it.
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
            update = _apply(tracing, part.rule, values, update, p)
            if part is not composition.parts[-1]:
                _name_result(tracing, part.rule.name, update)
    return _collect(composition.name, tracing, update)


def _apply(tracing: Trace, rule: Rule, values: dict[str, Any], g: Expr, p: Expr) -> Expr:
    """What a rule makes of ``g``, its own parts included."""
    with tracing.part(rule.name), _located(rule):
        args = (g, p) if rule.takes_symbols else ()
        result, end = _observe(tracing, rule.function, args, values)
        if not isinstance(result, Instance):
            return _returned(rule, result, end)
        for part in result.parts:
            with _at(rule, end):
                given = {n: _value(tracing, part.rule, n, v) for n, v in part.values.items()}
            g = _apply(tracing, part.rule, given, g, p)
            if part is not result.parts[-1]:
                _name_result(tracing, part.rule.name, g)
        return g


@contextmanager
def _at(rule: Rule, line: int) -> Iterator[None]:
    """Places what is raised, if it has no place yet, at a line of a rule."""
    try:
        yield
    except RuleError as error:
        if error.filename is not None:
            raise
        raise RuleError(error.reason, rule.function.__code__.co_filename, line, rule.name) from None


def _value(tracing: Trace, rule: Rule, name: str, value: Any) -> Any:
    """A hyperparameter as a rule inside a rule sees it: numbers are symbols, as at run time."""
    declared = next(h for h in rule.hyperparameters if h.name == name)
    if value is None or declared.kind != "scalar":
        if declared.kind == "mask" and not (value is None or isinstance(value, bool)):
            raise RuleError(
                f"{rule.name}({name}=…) inside a rule takes the mask of the rule around it, "
                "True, False or None: a tree or a function belongs where the optimizer is made"
            )
        return value
    if callable(value) and not isinstance(value, Expr):
        raise RuleError(
            f"{rule.name}({name}=…) is given a schedule inside a rule: make {name} a "
            "hyperparameter of the rule around it, and pass the schedule there"
        )
    return lift(tracing, value)


def _returned(rule: Rule, result: Any, end: int) -> Expr:
    code = rule.function.__code__
    shape = "an update, which has the parameter's shape and is added to it"
    if result is None:
        reason = f"nothing is returned: return {shape}"
    elif not isinstance(result, Expr):
        reason = (
            f"{type(result).__name__} is returned: return {shape}, or a dsl.chain of other rules"
        )
    elif result.node.type.axes != LEAF:
        reason = (
            f"what is returned varies along {describe_axes(result.node.type.axes)} only: "
            f"return {shape}"
        )
    else:
        return Expr(result.trace, cast(result.node, REAL), "grad")
    raise RuleError(reason, code.co_filename, end, rule.name)


@contextmanager
def _located(rule: Rule) -> Iterator[None]:
    """Turns whatever a rule raises into an error that names the rule's file and line."""
    code = rule.function.__code__
    try:
        yield
    except Exception as error:
        if isinstance(error, RuleError) and error.filename is not None:
            raise
        reason = error.reason if isinstance(error, RuleError) else _describe(error)
        where = culprit(error.__traceback__, (code,))
        filename, lineno = (where.filename, where.lineno) if where else (code.co_filename, 0)
        raise RuleError(reason, filename, lineno or code.co_firstlineno, rule.name) from error


def _describe(error: Exception) -> str:
    """What Python or a library says of a mistake, with the remedy where it is a common one."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, NameError):
        return f"{text}; the functions of a rule are in optgen.dsl (dsl.sqrt, dsl.where, …)"
    if isinstance(error, AttributeError) and "optgen.dsl" in str(error):
        close = difflib.get_close_matches(error.name or "", dir(error.obj), n=3)
        meant = f". Did you mean {', '.join(close)}?" if close else ""
        return f"{text}{meant} dir(optgen.dsl) lists the functions that there are"
    if any(sign in text for sign in _SYMBOL_IN_A_LIBRARY):
        return NO_ARRAY
    return f"{text}: {NO_NUMBER}" if "'NoneType'" in text else text


def _observe(
    tracing: Trace, function: Callable[..., Any], args: tuple[Any, ...], values: dict[str, Any]
) -> tuple[Any, int]:
    """Calls a rule's function, and notes what it calls its values and the line it returned from.

    The names are for readers of what is emitted. Python tells them only to a profiler.
    """
    code: CodeType = function.__code__
    end = code.co_firstlineno
    if sys.getprofile() is not None:  # somebody is profiling; names are not worth disturbing that
        return function(*args, **values), end

    def profiler(frame: FrameType, event: str, _: Any) -> None:
        nonlocal end
        if event == "return" and frame.f_code is code:
            end = frame.f_lineno
            _note_names(tracing, frame.f_locals)

    sys.setprofile(profiler)
    try:
        return function(*args, **values), end
    finally:
        sys.setprofile(None)


def _note_names(tracing: Trace, found: dict[str, Any]) -> None:
    for name, value in found.items():
        is_value = isinstance(value, Expr) and not isinstance(value, Slot)
        if is_value and value.node.args and name not in ("g", "p") and not name.startswith("_"):
            tracing.names.setdefault(value.node, name)


def _name_result(tracing: Trace, part: str, update: Expr) -> None:
    """What one part of a chain hands to the next is called after the part."""
    if update.node.args and update.node.op != "cast":
        tracing.names.setdefault(update.node, part)


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


def slot_names(traced: Sequence[Traced]) -> dict[str, str]:
    """A name for each slot of a tree: its own, or as much of its path as tells it apart."""
    paths = {slot.key: slot.path for one in traced for slot in one.slots}
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
    for slot in (slot for one in traced for slot in one.slots):
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
    for one in traced:
        for moment, program in (("its init", one.init), ("its .next", one.update)):
            for store in program.outputs:
                if store.op == "tree_store":
                    value = _without_leaves(store)
                    if first.setdefault((moment, store.attr), value) != value:
                        raise _disagreement(one, store.attr, moment)


def _without_leaves(value: Node) -> Node:
    """The value, without what the leaf contributes to the tree reductions in it."""

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
