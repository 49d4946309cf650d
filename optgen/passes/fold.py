"""Constant folding: what is computed from constants only becomes a constant.

The arithmetic is done in double precision: the constants of a rule are Python numbers, and
Python would have computed ``1 - 0.9`` in double too. The result is rounded once, to the dtype
that arithmetic runs in, where the evaluator, or a kernel, reads the constant.

Overflow, and operations that are not defined, fold to the inf or NaN that NumPy gives, without
a warning: at run time they would have given the same. Roundings asked for by the author
(``cast`` to a dtype) are not folded: what they give may depend on what ``real`` stands for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optgen.ir.build import broadcast, const
from optgen.ir.node import Node
from optgen.ir.ops import OPS
from optgen.ir.program import Program
from optgen.ir.types import BOOL, REAL


@dataclass(frozen=True)
class Fold:
    """Replaces operations on constants by constants, and decisions on constants by one branch."""

    name: str = "fold"

    def run(self, program: Program) -> Program:
        """The program with constants computed."""
        return program.rewrite(_fold)


def _fold(n: Node) -> Node:
    if OPS[n.op].kind == "real":
        value = _apply(n)
        return n if value is None else broadcast(const(float(value)), n.type.axes)
    if n.op == "cast":
        value = known(n)
        return n if value is None else broadcast(const(float(value)), n.type.axes)
    if n.op == "where":
        condition, yes, no = n.args
        decided = known(condition)
        return n if decided is None else yes if decided else no
    if n.op in ("and", "or"):
        return _decide(n)
    return n


def _decide(n: Node) -> Node:
    """``and`` and ``or`` with one side known: that side, or the other one."""
    for side, other in (n.args, n.args[::-1]):
        decided = known(side)
        if decided is not None:
            return other if decided == (n.op == "and") else side
    return n


def known(n: Node) -> float | bool | None:
    """The one value that a node has everywhere and always, or None.

    Arithmetic is folded from the inputs up, so what is known of it is a constant already. There
    is no boolean constant: a known truth is found where it chooses, or becomes 0 or 1.
    """
    if n.op == "const":
        return float(n.attr)
    if n.op == "broadcast":
        return known(n.args[0])
    if n.op == "cast":
        return known(n.args[0]) if (n.args[0].type.dtype, n.type.dtype) == (BOOL, REAL) else None
    return _apply(n) if OPS[n.op].kind in ("compare", "test", "logic") else None


def _apply(n: Node) -> float | bool | None:
    """The operation on what is known of its arguments, in double precision."""
    values = [known(arg) for arg in n.args]
    meaning = OPS[n.op].meaning
    if meaning is None or any(value is None for value in values):
        return None
    with np.errstate(all="ignore"):
        result = meaning(*(np.asarray(value) for value in values))
    return bool(result) if n.type.dtype == BOOL else float(result)
