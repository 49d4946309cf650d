"""Narrowing: scalar and row arithmetic is done at its own size, and repeated afterwards.

    op(broadcast a, broadcast b)  =  broadcast op(a, b)          op elementwise
    cast(broadcast a)             =  broadcast cast(a)
    broadcast(broadcast a)        =  broadcast a

Exact by nature, for the same operations are applied to the same numbers, fewer times. Nothing
is reassociated: ``(x * s) * t`` keeps its two products, because ``s * t`` is another rounding.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from optgen.ir.build import broadcast
from optgen.ir.node import Node, node
from optgen.ir.ops import is_elementwise
from optgen.ir.program import Program
from optgen.ir.types import SCALAR, Axes, join


@dataclass(frozen=True)
class Narrow:
    """Moves broadcasts from the arguments of elementwise operations to their results."""

    name: str = "narrow"

    def run(self, program: Program) -> Program:
        """The program with every operation at the smallest size that its arguments have."""
        rank = program.rank or 0
        return _name_what_is_repeated(program.rewrite(lambda n: _sink(n, rank)))


def _sink(n: Node, rank: int) -> Node:
    if n.op == "broadcast" and n.args[0].op == "broadcast":
        return broadcast(n.args[0].args[0], n.type.axes)
    if n.op != "cast" and not is_elementwise(n.op):
        return n
    if any(arg.op != "broadcast" for arg in n.args):
        return n
    narrow = [arg.args[0] for arg in n.args]
    axes: Axes = SCALAR
    for arg in narrow:
        axes = join(axes, arg.type.axes, rank)
    # Where a row meets a column, this builds the node again.
    args = [broadcast(arg, axes) for arg in narrow]
    return broadcast(node(n.op, n.type.with_axes(axes), args, n.attr), n.type.axes)


def _name_what_is_repeated(program: Program) -> Program:
    """Moves the author's names from broadcasts to their arguments, which hold the formula."""
    names = dict(program.names)
    for n, name in program.names.items():
        if n.op == "broadcast" and n.args[0] not in names:
            del names[n]
            names[n.args[0]] = name
    return replace(program, names=names)
