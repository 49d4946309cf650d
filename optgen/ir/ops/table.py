"""The operations of the math program, by their names.

``real`` functions take and give floating-point arrays of one dtype; ``compare`` gives booleans;
``logic`` takes and gives booleans.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from optgen.ir.ops.functions import FUNCTIONS
from optgen.ir.ops.operators import OPERATORS
from optgen.ir.ops.row import Op

_INPUTS = (
    Op(name="const", kind="input", arity=0, attribute="number"),  # exact in double precision
    # An array of the leaf: g, p or a slot, in its storage dtype.
    Op(name="load", kind="input", arity=0, attribute="name"),
    Op(name="hyper", kind="input", arity=0, attribute="name"),  # a run-time hyperparameter
    Op(name="step", kind="input", arity=0, positive="always"),  # 1.0 on the first update
    Op(name="tree_load", kind="input", arity=0, attribute="name"),  # a slot of the whole tree
    # A value computed by another program, once for all leaves.
    Op(name="scalar", kind="input", arity=0, attribute="name"),
    # How many elements the leaf has along some axes.
    Op(name="extent", kind="input", arity=0, attribute="axes", positive="always"),
)
"""Inputs of programs."""

_REDUCTION: dict[str, Any] = {"kind": "reduce", "arity": 1, "attribute": "axes", "degree": 1}
_TREE: dict[str, Any] = {"kind": "tree", "arity": 1, "attribute": "name", "degree": 1}
_EFFECT: dict[str, Any] = {"kind": "effect", "arity": 1, "attribute": "name"}

_OTHERS = (
    # Never implicit. A cast rounds to, or widens to, the dtype of its type, booleans to 0 and 1;
    # a broadcast repeats along the axes that its type adds.
    Op(name="cast", kind="move", arity=1),
    Op(name="broadcast", kind="move", arity=1, positive="inherited", degree=1),
    # Over the axes in attr, which are kept with extent 1. Over nothing: 0, -inf, +inf.
    Op(name="sum", meaning=np.sum, sympy="LeafSum", positive="inherited", **_REDUCTION),
    Op(name="max", meaning=np.max, sympy="LeafMax", **_REDUCTION),
    Op(name="min", meaning=np.min, sympy="LeafMin", **_REDUCTION),
    # Over all the leaves of the tree; the argument is one scalar for each leaf, attr a key.
    Op(name="tree_sum", sympy="TreeSum", **_TREE),
    Op(name="tree_max", sympy="TreeMax", **_TREE),
    # Effects, in the order of a program's outputs.
    Op(name="store", **_EFFECT),  # the next value of an array of the leaf, in its storage dtype
    Op(name="tree_store", **_EFFECT),  # the next value of a slot of the whole tree
    Op(name="emit", **_EFFECT),  # a named scalar for a later program; from a leaf: a partial
)
"""Moves, reductions, and effects."""

OPS: dict[str, Op] = {row.name: row for row in (*_INPUTS, *OPERATORS, *FUNCTIONS, *_OTHERS)}
"""The rows by their names."""

IDENTITY_OF_REDUCTION = {"sum": 0.0, "max": -np.inf, "min": np.inf}
"""The value of each reduction over no elements."""


def is_elementwise(op: str) -> bool:
    """True where the operation is a function of each element alone."""
    return OPS[op].is_elementwise
