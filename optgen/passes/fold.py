"""Constant folding: a value that is computed from constants only becomes a constant.

The arithmetic is done in double precision: the constants of a rule are Python numbers, and
Python would have computed ``1 - 0.9`` in double too. The result is rounded once, to the dtype
that arithmetic runs in, where the evaluator, or a kernel, reads the constant.

Overflow, and operations that are not defined, fold to the inf or NaN that NumPy gives, without
a warning: at run time they would have given the same. Roundings asked for by the author
(``cast`` to a dtype) are not folded: their result may depend on the dtype of ``real``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optgen.ir.build import broadcast, const
from optgen.ir.node import Node, walk
from optgen.ir.ops import OPS
from optgen.ir.program import Program
from optgen.ir.types import BOOL, REAL


@dataclass(frozen=True)
class Fold:
    """Replaces operations on constants by constants, and decisions on constants by one branch."""

    name: str = "fold"

    def run(self, program: Program) -> Program:
        """The program with constants computed."""
        return program.rewrite(_Folder())


class _Folder:
    """Folds one node after another, and remembers the value of each where it is known."""

    def __init__(self) -> None:
        self._known: dict[Node, float | bool | None] = {}

    def __call__(self, n: Node) -> Node:
        if OPS[n.op].kind == "real":
            value = self._apply(n)
            return n if value is None else broadcast(const(float(value)), n.type.axes)
        if n.op == "cast":
            value = self.known(n)
            return n if value is None else broadcast(const(float(value)), n.type.axes)
        if n.op == "where":
            condition, yes, no = n.args
            decided = self.known(condition)
            return n if decided is None else yes if decided else no
        return self._decide(n) if n.op in ("and", "or") else n

    def _decide(self, n: Node) -> Node:
        """``and`` and ``or`` with one side known: that side, or the other one."""
        for side, other in (n.args, n.args[::-1]):
            decided = self.known(side)
            if decided is not None:
                return other if decided == (n.op == "and") else side
        return n

    def known(self, n: Node) -> float | bool | None:
        """The one value that a node has everywhere and always, or None.

        Arithmetic is folded from the inputs up, so its known values are constants already. There
        is no boolean constant: a known truth is used where it chooses, or becomes 0 or 1.
        """
        for m in walk([n], self._known):
            self._known[m] = self._value(m)
        return self._known[n]

    def _value(self, n: Node) -> float | bool | None:
        if n.op == "const":
            return float(n.attr)
        if n.op == "broadcast":
            return self._known[n.args[0]]
        if n.op == "cast":
            is_truth = (n.args[0].type.dtype, n.type.dtype) == (BOOL, REAL)
            return self._known[n.args[0]] if is_truth else None
        return self._apply(n) if OPS[n.op].kind in ("compare", "test", "logic") else None

    def _apply(self, n: Node) -> float | bool | None:
        """The operation on the known values of its arguments, in double precision."""
        meaning = OPS[n.op].meaning
        values = []
        for arg in n.args:
            value = self.known(arg)
            if value is None:
                return None
            values.append(value)
        assert meaning is not None
        with np.errstate(all="ignore"):
            result = meaning(*(np.asarray(value) for value in values))
        return bool(result) if n.type.dtype == BOOL else float(result)


def known(n: Node) -> float | bool | None:
    """The one value that a node has everywhere and always, or None; see ``_Folder.known``."""
    return _Folder().known(n)
