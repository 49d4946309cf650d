"""The pass for the end of a fused step: the update is added to the parameter.

A rule's program stores ``update``, in the dtype that arithmetic runs in. The default passes are
run after this one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from optgen.ir.build import cast, effect
from optgen.ir.node import node
from optgen.ir.program import Program
from optgen.ir.types import LEAF, PARAM, REAL, Type


@dataclass(frozen=True)
class AsStep:
    """Stores the next parameter: the update is added at full precision, and rounded once."""

    name: str = "as_step"

    def run(self, program: Program) -> Program:
        """The program with the next parameter in the place of the update, once."""
        p = cast(node("load", Type(PARAM, LEAF), attr="p"), REAL)
        outputs = tuple(
            effect("store", "p", cast(node("add", p.type, (p, o.args[0])), PARAM))
            if o.attr == "update"
            else o
            for o in program.outputs
        )
        return replace(program, outputs=outputs)
