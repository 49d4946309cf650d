"""The functions of the DSL: elementwise, and reductions over a leaf and over the tree.

Several have the names of Python's own functions, which this module therefore does not call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optgen.dsl.dtypes import storage_dtype
from optgen.dsl.expr import Expr, apply, lift
from optgen.dsl.leaf import Shape
from optgen.dsl.location import caller
from optgen.dsl.trace import Trace, current
from optgen.errors import RuleError
from optgen.ir.build import cast as cast_node
from optgen.ir.node import node
from optgen.ir.ops import OPS
from optgen.ir.types import LEAF, REAL, REAL_SCALAR, Axes
from optgen.runtime.vocabulary.leaf import factored_axes as _factored_axes

Axis = int | Sequence[int] | None


def elementwise(op: str) -> Callable[..., Expr]:
    """The function of an operation, with the arguments and the words of its row."""
    arguments, count = OPS[op].arguments, OPS[op].arity

    def function(*args: Any) -> Expr:
        if len(args) != count:
            raise RuleError(f"dsl.{op} takes ({arguments}), not {len(args)} arguments")
        return apply(op, *args)

    function.__name__ = function.__qualname__ = op
    function.__doc__ = (
        f"{OPS[op].about}, element by element; takes symbols and numbers ({arguments})."
    )
    return function


ELEMENTWISE: Mapping[str, Callable[..., Expr]] = {
    op: elementwise(op) for op, row in OPS.items() if row.arguments
}
"""A function for each row with arguments: ``optgen.dsl`` has all of them."""


def square(x: Any) -> Expr:
    """``x * x``."""
    return apply("mul", x, x)


def clip(x: Any, low: Any, high: Any) -> Expr:
    """``x``, but at least ``low`` and at most ``high``."""
    return apply("minimum", apply("maximum", x, low), high)


def constant(x: Any) -> Expr:
    """A number as a symbol."""
    return lift(current("dsl.constant"), x)


def step() -> Expr:
    """The number of this update as a scalar: 1.0 on the first one."""
    trace = current("dsl.step")
    return Expr(trace, node("step", REAL_SCALAR))


def cast(x: Any, dtype: Any) -> Expr:
    """Rounds to a storage dtype, and continues with the rounded value at full precision."""
    trace = current("dsl.cast")
    value = cast_node(lift(trace, x).node, REAL)
    return Expr(trace, cast_node(cast_node(value, storage_dtype(dtype)), REAL))


def _axes(trace: Trace, axis: Axis) -> Axes:
    if axis is None:
        return LEAF
    rank = int(trace.ask("ndim"))
    listed: tuple[Any, ...] = tuple(axis) if isinstance(axis, Sequence) else (axis,)
    if [a for a in listed if isinstance(a, bool) or not isinstance(a, int)]:
        raise RuleError(f"axis takes an int or a tuple of ints, not {axis!r}")
    if wrong := [a for a in listed if not -rank <= a < rank]:
        raise RuleError(
            f"axis {wrong[0]} does not exist: this leaf has {rank} axes (branch on p.ndim)"
        )
    axes = tuple(sorted({a % rank for a in listed}))
    if len(axes) != len(listed):
        raise RuleError(f"axis {axis!r} names an axis twice")
    return axes


def _reduce(op: str, x: Any, axis: Axis) -> Expr:
    trace = current(f"dsl.{op}")
    return Expr(trace, trace.build.reduce(op, lift(trace, x).node, _axes(trace, axis)))


def sum(x: Any, axis: Axis = None) -> Expr:
    """The sum over the axes of a leaf (all of them by default), which are kept with extent 1."""
    return _reduce("sum", x, axis)


def max(x: Any, axis: Axis = None) -> Expr:
    """The largest value over the axes of a leaf, which are kept with extent 1."""
    return _reduce("max", x, axis)


def min(x: Any, axis: Axis = None) -> Expr:
    """The smallest value over the axes of a leaf, which are kept with extent 1."""
    return _reduce("min", x, axis)


def mean(x: Any, axis: Axis = None) -> Expr:
    """The mean over the axes of a leaf, which are kept with extent 1."""
    total = sum(x, axis)
    reduced = total.node
    if reduced.op != "sum" or reduced is cast_node(lift(total.trace, x).node, REAL):
        return total  # the value is the same all along these axes
    return total / Expr(total.trace, total.trace.build.extent(reduced.attr))


def any(x: Any, axis: Axis = None) -> Expr:
    """True where ``x`` holds anywhere along the axes of a leaf, which are kept with extent 1."""
    trace = current("dsl.any")
    truth = trace.build.truth(lift(trace, x).node)
    return _reduce("max", Expr(trace, truth), axis) > 0.0


def norm(x: Any, axis: Axis = None) -> Expr:
    """The Euclidean norm over the axes of a leaf, which are kept with extent 1."""
    return apply("sqrt", sum(square(x), axis))


def rms(x: Any, axis: Axis = None) -> Expr:
    """The root of the mean square over the axes of a leaf, which are kept with extent 1."""
    return apply("sqrt", mean(square(x), axis))


def _tree(op: str, what: str, x: Expr) -> Expr:
    key = x.trace.unique_key(what, caller())
    return Expr(x.trace, node(op, REAL_SCALAR, (x.node,), key))


def tree_sum(x: Any) -> Expr:
    """The sum over all elements of all leaves, as a scalar for the whole tree."""
    return _tree("tree_sum", "tree_sum", sum(x))


def tree_max(x: Any) -> Expr:
    """The largest element of all leaves, as a scalar for the whole tree."""
    return _tree("tree_max", "tree_max", max(x))


def tree_any(x: Any) -> Expr:
    """True where ``x`` holds for any element of any leaf, as a scalar for the whole tree."""
    trace = current("dsl.tree_any")
    truth = trace.build.truth(lift(trace, x).node)
    return _tree("tree_max", "tree_any", _reduce("max", Expr(trace, truth), None)) > 0.0


def global_norm(x: Any) -> Expr:
    """The Euclidean norm of all leaves together, as a scalar for the whole tree."""
    return apply("sqrt", _tree("tree_sum", "global_norm", sum(square(x))))


def factored_axes(shape: Any, min_dim: int) -> tuple[int, int] | None:
    """(Second largest axis, largest axis) of a leaf, as optax's Adafactor factors them.

    Args:
      shape: the shape of ``p`` or ``g``, or a tuple of ints.
      min_dim: the length that the second largest axis must have.

    Returns:
      None for leaves with fewer than two axes, or whose second largest is shorter.

    Raises:
      RuleError: for a symbol instead of its shape.
    """
    if isinstance(shape, Expr):
        raise RuleError("dsl.factored_axes takes a shape, not a symbol: pass p.shape")
    if isinstance(shape, Shape):
        return shape.factored_axes(int(min_dim))
    return _factored_axes(tuple(shape), int(min_dim))
