"""The textual form of schedules: kernel sequences with the bodies of their items.

``parse(text(s)) == s``. The form of sequences is ``optgen.runtime.vocabulary.text``'s, that of
bodies ``optgen.ir.text``'s.
"""

from __future__ import annotations

from collections.abc import Sequence

from optgen.errors import ParseError
from optgen.ir import text as programs
from optgen.runtime.vocabulary import text as sequences
from optgen.runtime.vocabulary.text import Entry
from optgen.schedule.sequence import Schedule


def text(schedule: Schedule) -> str:
    """The sequence in its textual form, each item before its body."""
    return sequences.text(Entry(schedule.sequence, tuple(map(programs.text, schedule.bodies))))


def parse(source: str) -> Schedule:
    """Reads the textual form of one schedule. Whether it is legal is for ``check_schedule``.

    Raises:
      ParseError: naming the line, and what was expected there.
    """
    schedules = parse_all(source)
    if len(schedules) != 1:
        raise ParseError(f"expected one sequence, found {len(schedules)}")
    return schedules[0]


def parse_all(source: str) -> list[Schedule]:
    """Reads any number of schedules, one after another."""
    return [
        Schedule(entry.sequence, tuple(map(programs.parse, entry.bodies)))
        for entry in sequences.parse(source, bodies=True)
    ]


def text_all(schedules: Sequence[Schedule]) -> str:
    """Schedules one after another, each distinct one once."""
    return "\n\n".join(dict.fromkeys(map(text, schedules)))
