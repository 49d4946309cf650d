"""Passes over math programs: a legal program in, a legal one out, one file for each pass.

``driver`` runs passes to a fixpoint, and checks legality after each. ``DEFAULT`` holds the exact
ones, which every program goes through: ``fold`` (constants), ``algebra`` (a table of identities),
``narrow`` (scalars and rows at their own size), ``cse`` and ``dce``. Others run once, at their
place in lowering: ``names``, ``step`` (the form of a fused step or of an update), ``dimensions``
(axes of the leaf become dimensions of a view) and ``hoist`` (the cut of values that all leaves
share).

After ``DEFAULT``, a later stage may rely on these canonical forms:

- No arithmetic has constants alone for its arguments.
- An elementwise operation or cast whose arguments are all broadcasts stands before one broadcast
  instead, except where a row meets a column. No broadcast is of a broadcast.
- A commutative operation on the same two arguments is one node.
- No store writes back the unchanged load of the same name.

After ``hoist``, a leaf program is a legal kernel body: it reads ``load`` and ``scalar`` alone.
"""

from optgen.passes.driver import DEFAULT, Pass, run

__all__ = ["DEFAULT", "Pass", "run"]
