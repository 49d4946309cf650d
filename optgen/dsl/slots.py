"""Slots: the values that an optimizer keeps between steps."""

from __future__ import annotations

import keyword
from typing import Any

from optgen.dsl.dtypes import storage_dtype
from optgen.dsl.expr import Expr, lift
from optgen.dsl.location import caller
from optgen.dsl.trace import SlotRecord, Trace, current
from optgen.errors import RuleError
from optgen.ir.build import broadcast, cast
from optgen.ir.node import Node, node, walk
from optgen.ir.ops import OPS
from optgen.ir.types import LEAF, PARAM, REAL, REAL_SCALAR, Axes, Type
from optgen.runtime.vocabulary.variant import EMITTED

RESERVED = EMITTED | {"count", "g", "p", "replace", "slots", "update"}
"""Names that a slot cannot have: the state's own, and those of other values in programs."""


class Slot(Expr):
    """A slot: in arithmetic its old value; ``.next`` is its new one, to be set exactly once."""

    def __init__(self, trace: Trace, record: SlotRecord, node: Node) -> None:
        super().__init__(trace, node)
        self._record = record

    @property
    def next(self) -> Expr:
        """The value after this step, at full precision."""
        if self._record.constant:
            return Expr(self.trace, self.node)
        if self._record.next is None:
            raise RuleError(
                f"{self._record.name}.next is read before it is assigned: assign "
                f"{self._record.name}.next = … first ({self._record.name} alone is the old value)"
            )
        return Expr(self.trace, self._record.next)

    @next.setter
    def next(self, value: Any) -> None:
        record = self._record
        if record.constant:
            raise RuleError(
                f"constant slot {record.name!r} cannot be assigned: declare it with dsl.state"
            )
        if record.next is not None:
            raise RuleError(f"{record.name}.next is assigned twice: assign each slot once")
        new = cast(lift(self.trace, value).node, REAL)
        if record.axes is None:
            _check_tree_value(f"{record.name}.next", new)
        target: Axes = () if record.axes is None else record.axes
        if not self.trace.build.fits(new, target):
            raise RuleError(
                f"{record.name}.next is assigned a value that varies along "
                f"{describe_axes(new.type.axes)}, but the slot varies along "
                f"{describe_axes(target)}: reduce the value, or declare the slot with like= a "
                "value of that shape"
            )
        record.next = broadcast(new, target)


def describe_axes(axes: Axes) -> str:
    """The axes along which a value varies, in words."""
    if axes == LEAF:
        return "every axis of the leaf"
    if axes == ():
        return "no axis (a scalar)"
    return f"axis {axes[0]}" if len(axes) == 1 else f"axes {axes}"


def _declare(name: str, axes: Axes | None, init: Any, dtype: str, constant: bool, op: str) -> Slot:
    trace = current("a slot")
    location = caller()
    if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
        raise RuleError(f"a slot's name must be a Python name without a leading _, not {name!r}")
    if name in RESERVED or keyword.iskeyword(name):
        raise RuleError(f"{name!r} is reserved: call the slot something else")
    initial = cast(lift(trace, init).node, REAL)
    if axes is None:
        _check_tree_value(f"the init of {name}", initial)
    if not trace.build.fits(initial, axes or ()):
        raise RuleError(
            f"slot {name!r} varies along {describe_axes(axes or ())}, but its init varies along "
            f"{describe_axes(initial.type.axes)}: reduce the init, or give like= a larger value"
        )
    _check_init(name, initial)
    record = SlotRecord(
        trace.path, name, axes, dtype, broadcast(initial, axes or ()), constant, location
    )
    if record.key in trace.slots:
        first = trace.slots[record.key].location
        raise RuleError(
            f"slot {name!r} is declared twice, first at line {first.lineno}: "
            "give the second another name"
        )
    trace.slots[record.key] = record
    if op == "tree_load":
        value = node("tree_load", REAL_SCALAR, attr=record.key)
    else:
        value = cast(node("load", Type(dtype, axes or ()), attr=record.key), REAL)
    return Slot(trace, record, value)


def _check_tree_value(what: str, value: Node) -> None:
    """Requires the value of a tree slot to be one for the whole tree."""
    seen: set[Node] = set()
    left = [value]
    while left:
        n = left.pop()
        if n in seen or OPS[n.op].kind == "tree":
            continue
        if n.op in ("load", "extent"):
            raise RuleError(
                f"{what}, a tree_state, differs from leaf to leaf, and must be the same for every "
                "leaf: reduce over the tree with dsl.tree_sum, tree_max, tree_any or global_norm"
            )
        seen.add(n)
        left.extend(n.args)


def _check_init(name: str, initial: Node) -> None:
    for n in walk([initial]):
        reads = {"tree_load": "a slot", "step": "dsl.step()"}.get(n.op)
        if n.op == "load" and n.attr != "p":
            reads = "the gradient" if n.attr == "g" else f"the slot {n.attr!r}"
        if reads:
            raise RuleError(
                f"the init of slot {name!r} reads {reads}: it is computed before the first step "
                "from p, the hyperparameters and tree reductions alone"
            )


def state(name: str, like: Any = None, init: Any = 0.0, dtype: Any = None) -> Slot:
    """Declares a slot of the leaf.

    Args:
      name: its name in the state; the part's name tells two of a chain apart.
      like: a symbol whose shape the slot takes, by default the parameter. Reduced axes are kept
        with extent 1, so that the slot broadcasts back.
      init: its value before the first step: a number, or an expression in p, the hyperparameters
        (a schedule at count 0) and tree reductions.
      dtype: its storage dtype: by default p's dtype for a slot shaped like p, otherwise
        float32 (float64 beside float64 leaves).

    Returns:
      The slot: in arithmetic its old value, with ``.next`` to be assigned exactly once.

    Raises:
      RuleError: for a name that is no Python name, is reserved, or is declared already; for an
        init that does not fit or reads a value that is not known before the first step.
    """
    axes = _like(like)
    return _declare(name, axes, init, _slot_dtype(axes, dtype), False, "load")


def constant_state(name: str, like: Any = None, init: Any = 0.0) -> Slot:
    """Declares a slot that never changes, and so costs no write; see ``state``."""
    axes = _like(like)
    return _declare(name, axes, init, _slot_dtype(axes, None), True, "load")


def tree_state(name: str, init: Any = 0.0) -> Slot:
    """Declares one scalar for the whole tree, float32 (float64 where JAX's x64 mode is on).

    Its ``.next`` must be the same for every leaf: made of hyperparameters, the step, tree
    reductions and other such slots.
    """
    return _declare(name, None, init, REAL, False, "tree_load")


def _like(like: Any) -> Axes:
    if like is None:
        return LEAF
    if not isinstance(like, Expr):
        raise RuleError(f"like= takes a symbol such as dsl.mean(g, axis=0), not {like!r}")
    return like.node.type.axes


def _slot_dtype(axes: Axes, dtype: Any) -> str:
    if dtype is None:
        return PARAM if axes == LEAF else REAL
    return storage_dtype(dtype)
