"""Every operation of the math program, and what NumPy says that it means.

``real`` functions take and give floating-point arrays of one dtype; ``compare`` gives booleans;
``logic`` takes and gives booleans. NaN is propagated by ``maximum`` and ``minimum``, as in jnp,
and -0 is less than +0: NumPy's own give whichever zero comes second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Op:
    """An operation: its kind, how many arguments it takes, and its meaning.

    Attributes:
      kind: ``input``, ``real``, ``compare``, ``logic``, ``select``, ``test``, ``move``,
        ``reduce``, ``tree`` or ``effect``.
      arity: the number of arguments.
      meaning: the NumPy function of the arguments, for the elementwise kinds.
      commutative: whether swapping the arguments gives the same bits.
    """

    kind: str
    arity: int
    meaning: Callable[..., Any] | None = None
    commutative: bool = False


def _rsqrt(x: Any) -> Any:
    return np.ones_like(x) / np.sqrt(x)


def _maximum(a: Any, b: Any) -> Any:
    return np.where(a == b, np.where(np.signbit(a), b, a), np.maximum(a, b))


def _minimum(a: Any, b: Any) -> Any:
    return np.where(a == b, np.where(np.signbit(a), a, b), np.minimum(a, b))


OPS: dict[str, Op] = {
    # What a program reads. attr: a constant's value; a name; the axes counted.
    "const": Op("input", 0),  # a number, exact in double precision
    "load": Op("input", 0),  # an array of the leaf: g, p or a slot, in its storage dtype
    "hyper": Op("input", 0),  # a run-time hyperparameter
    "step": Op("input", 0),  # 1.0 on the first update
    "tree_load": Op("input", 0),  # a slot of the whole tree
    "scalar": Op("input", 0),  # a value computed by another program, once for all leaves
    "extent": Op("input", 0),  # how many elements the leaf has along the axes in attr
    # Arithmetic.
    "add": Op("real", 2, np.add, commutative=True),
    "sub": Op("real", 2, np.subtract),
    "mul": Op("real", 2, np.multiply, commutative=True),
    "div": Op("real", 2, np.divide),
    "pow": Op("real", 2, np.power),
    "neg": Op("real", 1, np.negative),
    "abs": Op("real", 1, np.abs),
    "sign": Op("real", 1, np.sign),
    "sqrt": Op("real", 1, np.sqrt),
    "rsqrt": Op("real", 1, _rsqrt),
    "cbrt": Op("real", 1, np.cbrt),
    "exp": Op("real", 1, np.exp),
    "log": Op("real", 1, np.log),
    "log1p": Op("real", 1, np.log1p),
    "expm1": Op("real", 1, np.expm1),
    "tanh": Op("real", 1, np.tanh),
    "sin": Op("real", 1, np.sin),
    "cos": Op("real", 1, np.cos),
    "atan2": Op("real", 2, np.arctan2),
    "maximum": Op("real", 2, _maximum, commutative=True),
    "minimum": Op("real", 2, _minimum, commutative=True),
    "floor": Op("real", 1, np.floor),
    "round": Op("real", 1, np.round),  # half to even
    # Truth.
    "lt": Op("compare", 2, np.less),
    "le": Op("compare", 2, np.less_equal),
    "gt": Op("compare", 2, np.greater),
    "ge": Op("compare", 2, np.greater_equal),
    "eq": Op("compare", 2, np.equal, commutative=True),
    "ne": Op("compare", 2, np.not_equal, commutative=True),
    "isfinite": Op("test", 1, np.isfinite),
    "and": Op("logic", 2, np.logical_and, commutative=True),
    "or": Op("logic", 2, np.logical_or, commutative=True),
    "not": Op("logic", 1, np.logical_not),
    "where": Op("select", 3, np.where),
    # What is never implicit.
    "cast": Op("move", 1),  # rounds to, or widens to, the dtype of its type; booleans to 0 and 1
    "broadcast": Op("move", 1),  # repeats along the axes that its type adds
    # Reductions over the axes in attr, kept with extent 1. Over nothing: 0, -inf, +inf.
    "sum": Op("reduce", 1, np.sum),
    "max": Op("reduce", 1, np.max),
    "min": Op("reduce", 1, np.min),
    # Over all the leaves of the tree; the argument is one scalar for each leaf, attr a key.
    "tree_sum": Op("tree", 1),
    "tree_max": Op("tree", 1),
    # Effects, in the order of a program's outputs. attr: a name.
    "store": Op("effect", 1),  # the next value of an array of the leaf, in its storage dtype
    "tree_store": Op("effect", 1),  # the next value of a slot of the whole tree
    "emit": Op("effect", 1),  # a named scalar for a later program; from a leaf: a partial
}

ELEMENTWISE_KINDS = frozenset({"real", "compare", "logic", "select", "test"})
"""The kinds whose value at an index depends on the arguments at that index only."""

IDENTITY_OF_REDUCTION = {"sum": 0.0, "max": -np.inf, "min": np.inf}
"""What a reduction over nothing gives."""


def is_elementwise(op: str) -> bool:
    """Whether the operation is a function of each element alone."""
    return OPS[op].kind in ELEMENTWISE_KINDS
