"""Dead code: stores that write back the value that was loaded.

Values that nothing needs are in no program at all: a program is its effects and the nodes that
they are computed from. So only an effect can be dead, and a slot that never changes costs no write.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from optgen.ir.node import Node
from optgen.ir.program import Program

_LOAD_OF = {"store": "load", "tree_store": "tree_load"}


@dataclass(frozen=True)
class Dce:
    """Drops the stores whose value is the unchanged load of the same name."""

    name: str = "dce"

    def run(self, program: Program) -> Program:
        """The program without the stores that change nothing."""
        live = tuple(effect for effect in program.outputs if not _writes_back(effect))
        return program if len(live) == len(program.outputs) else replace(program, outputs=live)


def _writes_back(effect: Node) -> bool:
    (value,) = effect.args
    return value.op == _LOAD_OF.get(effect.op) and value.attr == effect.attr
