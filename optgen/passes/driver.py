"""Runs passes over a program, to a fixpoint, and verifies between them.

Adding a pass: write its file, and add it to ``DEFAULT`` (exact: the same floating-point result
for every input).
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import cycle
from typing import Protocol, TextIO

from optgen.errors import IRError, UsageError
from optgen.ir.legality import MATH, Check, check
from optgen.ir.program import Program
from optgen.ir.text import text
from optgen.passes.algebra import EXACT, Algebra
from optgen.passes.cse import Cse
from optgen.passes.dce import Dce
from optgen.passes.fold import Fold
from optgen.passes.narrow import Narrow


class Pass(Protocol):
    """A frozen dataclass with a name, that takes a legal program and returns a legal one."""

    @property
    def name(self) -> str:
        """The name of the pass in ``--print-after`` and in errors."""

    def run(self, program: Program) -> Program:
        """The program after the pass; equal to the program where there was nothing to do."""


# Constants first, so that algebra sees the 1s and 0s; then what algebra left is computed at its
# own size, equal values become one, and stores of nothing new go.
DEFAULT: tuple[Pass, ...] = (Fold(), Algebra("algebra", EXACT), Narrow(), Cse(), Dce())
"""The exact passes, in the order in which they run."""

ELSEWHERE = ("hoist",)
"""Passes from one program to several, which the compiler itself runs and prints."""

# The default passes shrink a program, so they come to rest in two or three rounds; the bound is for
# passes of a caller's that undo each other.
_MAX_ROUNDS = 20


def run(
    program: Program,
    passes: Iterable[Pass] = DEFAULT,
    table: Mapping[str, Check] = MATH,
    print_after: str | Collection[str] = (),
    out: TextIO | None = None,
) -> Program:
    """Runs the passes in turn, again and again, until none of them changes the program.

    Args:
      program: legal under ``table``.
      passes: the passes to run.
      table: the legality table that holds before and after every pass.
      print_after: the names of passes, or "all". The program is printed after the first run of
        each, and after every later run that changed it.
      out: the stream to print to; standard error if None.

    Raises:
      IRError: if the program is not legal, naming the pass that left it so.
      UsageError: if ``print_after`` holds an unknown name; lists those that there are.
    """
    passes = tuple(passes)
    wanted = [print_after] if isinstance(print_after, str) else list(print_after)
    _require_known(wanted, ["all", *(p.name for p in (*passes, *DEFAULT)), *ELSEWHERE])
    check(program, table)
    unchanged = 0
    for turn, current in enumerate(cycle(passes)):
        before, program = program, current.run(program)
        changed = program != before
        if changed:
            _verify(program, table, current)
        if (changed or turn < len(passes)) and ("all" in wanted or current.name in wanted):
            print_program(current.name, program, out)
        unchanged = 0 if changed else unchanged + 1
        if unchanged == len(passes) or turn == _MAX_ROUNDS * len(passes):
            break
    return program


def print_program(after: str, program: Program, out: TextIO | None = None) -> None:
    """Prints a program as it is after a pass, to standard error if ``out`` is None."""
    print(f"# after {after}\n{text(program)}", file=out or sys.stderr)


def _verify(program: Program, table: Mapping[str, Check], after: Pass) -> None:
    try:
        check(program, table)
    except IRError as error:
        raise IRError(f"after pass {after.name!r}: {error}") from None


def _require_known(names: Iterable[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            distinct = ", ".join(dict.fromkeys(known))
            raise UsageError(f"no pass is called {name!r}; there are: {distinct}")
