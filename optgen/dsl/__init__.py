"""The language that rules are written in: ``rule``, ``state``, ``chain``, and functions of symbols.

A rule is a Python function of symbols (``expr``, ``slots``), and runs once for each signature of a
leaf (``tracing``): arithmetic and the functions of ``functions`` build the nodes of a math program
as they are called. ``rule`` and ``composition`` hold rules, chains, and the values of their
hyperparameters; ``calling`` runs one rule, and places its errors at the user's line.

The elementwise functions (``sqrt``, ``where``, …) are those of the rows of ``optgen.ir.ops``.
"""

import sys
from collections.abc import Callable

from optgen.dsl.expr import Expr
from optgen.dsl.functions import (
    ELEMENTWISE,
    any,
    cast,
    clip,
    constant,
    elementwise,
    factored_axes,
    global_norm,
    max,
    mean,
    min,
    norm,
    rms,
    square,
    step,
    sum,
    tree_any,
    tree_max,
    tree_sum,
)
from optgen.dsl.hyper import DType, Mask
from optgen.dsl.rule import Rule, chain, rule
from optgen.dsl.slots import constant_state, state, tree_state
from optgen.ir.ops import OPS

__all__ = [
    "DType",
    "Mask",
    "Rule",
    "any",
    "cast",
    "chain",
    "clip",
    "constant",
    "constant_state",
    "factored_axes",
    "global_norm",
    "max",
    "mean",
    "min",
    "norm",
    "rms",
    "rule",
    "square",
    "state",
    "step",
    "sum",
    "tree_any",
    "tree_max",
    "tree_state",
    "tree_sum",
]
__all__ += list(ELEMENTWISE)
globals().update(ELEMENTWISE)


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Callable[..., Expr]:
    if name in OPS and OPS[name].arguments:  # a row that was added after this was imported
        return elementwise(name)
    module = sys.modules[__name__]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=module)
