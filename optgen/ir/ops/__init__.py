"""Every operation of the math program: one row for each, in ``optgen.ir.ops.table``.

Adding an elementwise operation is adding its row. The evaluator, the text, the printers of every
language, the equations, the oracle at 50 digits with its bounds, and ``optgen.dsl`` look it up.
"""

from optgen.ir.ops.row import ELEMENTWISE_KINDS, Jump, Op, Operator, Spelling, call
from optgen.ir.ops.table import IDENTITY_OF_REDUCTION, OPS, is_elementwise

__all__ = [
    "ELEMENTWISE_KINDS",
    "IDENTITY_OF_REDUCTION",
    "OPS",
    "Jump",
    "Op",
    "Operator",
    "Spelling",
    "call",
    "is_elementwise",
]
