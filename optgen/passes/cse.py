"""Common subexpressions: ``a * b`` and ``b * a`` become one node.

Equal nodes are one object already (``optgen.ir.node``), so all that is left is the order of the
arguments of commutative operations. The form seen first stays: a formula that stands alone
keeps the order in which its author wrote it.
"""

from __future__ import annotations

from dataclasses import dataclass

from optgen.ir.node import Node
from optgen.ir.ops import OPS
from optgen.ir.program import Program


@dataclass(frozen=True)
class Cse:
    """Makes commutative operations on the same two arguments one node."""

    name: str = "cse"

    def run(self, program: Program) -> Program:
        """The program with each commutative operation written one way round only."""
        first: dict[tuple[str, frozenset[Node]], Node] = {}

        def step(n: Node) -> Node:
            if not OPS[n.op].commutative:
                return n
            # The type follows from the arguments.
            return first.setdefault((n.op, frozenset(n.args)), n)

        return program.rewrite(step)
