"""Passes for the end of a step: the update is added to the parameter, or stored to be added.

A rule's program stores ``update``, in the dtype that arithmetic runs in. These are run for the
mode of a step, with the default passes after them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from optgen.ir.build import cast, effect
from optgen.ir.node import Node, node
from optgen.ir.program import Program
from optgen.ir.types import GRAD, LEAF, PARAM, REAL, Type


@dataclass(frozen=True)
class AsStep:
    """Stores the next parameter: the update is added at full precision, and rounded once."""

    name: str = "as_step"

    def run(self, program: Program) -> Program:
        p = cast(node("load", Type(PARAM, LEAF), attr="p"), REAL)

        def stored(update: Node) -> Node:
            return effect("store", "p", cast(node("add", p.type, (p, update)), PARAM))

        return _with_result(program, stored)


@dataclass(frozen=True)
class AsUpdate:
    """Stores the update, rounded to the gradient's dtype."""

    name: str = "as_update"

    def run(self, program: Program) -> Program:
        return _with_result(program, lambda update: effect("store", "update", cast(update, GRAD)))


def _with_result(program: Program, stored: Callable[[Node], Node]) -> Program:
    """The program with another store in the place of the update, if it is not replaced yet."""
    outputs = tuple(
        stored(o.args[0]) if o.attr == "update" and o.type.dtype == REAL else o
        for o in program.outputs
    )
    return replace(program, outputs=outputs)
