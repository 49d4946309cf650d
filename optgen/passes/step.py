"""What becomes of the update: it is added to the parameter, or stored for others to add."""

from __future__ import annotations

from dataclasses import replace

from optgen.ir.build import cast, effect
from optgen.ir.node import Node, node
from optgen.ir.program import Program
from optgen.ir.types import GRAD, LEAF, PARAM, REAL, Type


def as_step(program: Program) -> Program:
    """The program that stores the next parameter where this one stores the update.

    The update is added at full precision, and the sum rounded once.
    """

    def fused(output: Node) -> Node:
        if output.attr != "update":
            return output
        p = cast(node("load", Type(PARAM, LEAF), attr="p"), REAL)
        added = node("add", p.type, (p, output.args[0]))
        return effect("store", "p", cast(added, PARAM))

    return replace(program, outputs=tuple(fused(output) for output in program.outputs))


def as_update(program: Program) -> Program:
    """The program that rounds the update to the gradient's dtype as it stores it."""

    def rounded(output: Node) -> Node:
        if output.attr != "update":
            return output
        return effect("store", "update", cast(output.args[0], GRAD))

    return replace(program, outputs=tuple(rounded(output) for output in program.outputs))
