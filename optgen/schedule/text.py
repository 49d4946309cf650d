"""The textual form of kernel sequences. ``parse(text(s)) == s``, bodies included.

    sequence variant 0 step float32 float32 float32 dimensions 2 {
      buffer g : float32[*] leaf
      buffer square_row_sums : float32[0] statistic sum<*>
      sweep factored_statistics phase 0 reads g writes square_row_sums scalars eps
        program adafactor rank 2 {
          …
        }
      combine tiles phase 0 square_row_sums
    }

``flat`` marks an item that sees the leaf as a vector; ``independent<0>`` the dimensions of which
a finalize computes every index by itself. Bodies are programs (``optgen.ir.text``).
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from typing import NoReturn, cast

from optgen.errors import ParseError
from optgen.ir import text as programs
from optgen.ir.program import Program
from optgen.runtime.vocabulary.sequence import (
    Buffer,
    Combine,
    Item,
    Kind,
    KernelSequence,
    Lifetime,
    Mode,
)
from optgen.runtime.vocabulary.view import Axes
from optgen.schedule.sequence import Schedule

_LISTS = ("reads", "updates", "writes", "scalars")


def text(schedule: Schedule) -> str:
    """The sequence in its textual form, each item before its body."""
    s = schedule.sequence
    dimensions = f" dimensions {s.dimensions}" if s.dimensions else ""
    lines = [f"sequence variant {s.variant} {s.mode} {' '.join(s.dtypes)}{dimensions} {{"]
    lines += [f"  {_buffer(buffer)}" for buffer in s.buffers]
    bodies = iter(schedule.bodies)
    for item in s.items:
        if isinstance(item, Combine):
            lines.append(f"  combine {item.over} phase {item.phase} {', '.join(item.buffers)}")
            continue
        lines.append(f"  {_item(item)}")
        if item.kind != "xla":
            lines.append(textwrap.indent(programs.text(next(bodies)), "    "))
    return "\n".join([*lines, "}"])


def _axes(axes: Axes) -> str:
    return ",".join(map(str, axes))


def _buffer(x: Buffer) -> str:
    combine = f" {x.combine}<{_axes(x.over)}>" if x.combine else ""
    return f"buffer {x.name} : {x.dtype}[{_axes(x.axes)}] {x.lifetime}{combine}"


def _item(item: Item) -> str:
    words = [item.kind, item.function, f"phase {item.phase}"]
    words += ["flat"] if item.flat else []
    words += [f"independent<{_axes(item.independent)}>"] if item.independent else []
    for name in _LISTS:
        if names := getattr(item, name):
            words.append(f"{name} {', '.join(names)}")
    return " ".join(words) + (f" because {item.reason}" if item.reason else "")


def parse(source: str) -> Schedule:
    """Reads the textual form of one sequence. Whether it is legal is for ``check_schedule``.

    Raises:
      ParseError: naming the line, and what was expected there.
    """
    schedules = parse_all(source)
    if len(schedules) != 1:
        raise ParseError(f"expected one sequence, found {len(schedules)}")
    return schedules[0]


def parse_all(source: str) -> list[Schedule]:
    """Reads any number of sequences, one after another."""
    lines = _Lines(source.splitlines())
    schedules = []
    while (line := lines.next()) is not None:
        schedules.append(_sequence(line, lines))
    return schedules


class _Lines:
    """Lines of a text without comments and empty ones, and where in it they are."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines, self.number = lines, 0

    def next(self) -> str | None:
        while self.number < len(self.lines):
            self.number += 1
            line = self.lines[self.number - 1].split("#", 1)[0].strip()
            if line:
                return line
        return None

    def body(self) -> Program | None:
        """The program that begins in the next line, if one does."""
        rest = self.lines[self.number :]
        if not rest or not rest[0].strip().startswith("program "):
            return None
        end = next((i for i, line in enumerate(rest) if line.strip() == "}"), None)
        if end is None:
            self.fail("the end of a program")
        self.number += end + 1
        return programs.parse(textwrap.dedent("\n".join(rest[: end + 1])))

    def fail(self, expected: str) -> NoReturn:
        raise ParseError(f"line {self.number}: expected {expected}")


_HEAD = re.compile(r"sequence variant (\d+) (step|update) (\w+) (\w+) (\w+)(?: dimensions (\d+))? \{")
_BUFFER = re.compile(r"buffer (\S+) : (\w+)\[([\d,*]*)\] (\w+)(?: (\w+)<([\d,*]*)>)?")
_COMBINE = re.compile(r"combine (tiles|tree) phase (\d+) (.+)")
_ITEM = re.compile(
    r"(sweep|finalize|xla) (\S+) phase (\d+)( flat)?(?: independent<([\d,*]*)>)?"
    r"(?: reads (.+?))?(?: updates (.+?))?(?: writes (.+?))?(?: scalars (.+?))?(?: because (.+))?"
)


def _sequence(head: str, lines: _Lines) -> Schedule:
    match = _HEAD.fullmatch(head) or lines.fail("'sequence variant N MODE DTYPE DTYPE DTYPE {'")
    buffers: list[Buffer] = []
    items: list[Item | Combine] = []
    bodies: list[Program] = []
    while (line := lines.next()) != "}":
        if line is None:
            lines.fail("'}'")
        if found := _BUFFER.fullmatch(line):
            buffers.append(_read_buffer(found))
        elif found := _COMBINE.fullmatch(line):
            over = "tree" if found[1] == "tree" else "tiles"
            items.append(Combine(over, int(found[2]), _names(found[3])))
        elif found := _ITEM.fullmatch(line):
            items.append(_read_item(found))
            body = lines.body()
            bodies += [body] if body is not None else []
        else:
            lines.fail("a buffer, an item or '}'")
    dtypes = (match[3], match[4], match[5])
    sequence = KernelSequence(
        int(match[1]), cast(Mode, match[2]), dtypes, tuple(buffers), tuple(items), int(match[6] or 0)
    )
    return Schedule(sequence, tuple(bodies))


def _names(listed: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in listed.split(",")) if listed else ()


def _read_axes(listed: str | None) -> Axes:
    if listed == "*":
        return "*"
    return tuple(int(d) for d in listed.split(",")) if listed else ()


def _read_buffer(match: re.Match[str]) -> Buffer:
    name, dtype, axes, lifetime, combine, over = match.groups()
    return Buffer(
        name, dtype, _read_axes(axes), cast(Lifetime, lifetime), combine, _read_axes(over)
    )


def _read_item(match: re.Match[str]) -> Item:
    kind, function, phase, flat, independent, *lists, reason = match.groups()
    return Item(
        cast(Kind, kind),
        function,
        int(phase),
        *map(_names, lists),
        flat=flat is not None,
        independent=_read_axes(independent),
        reason=reason or "",
    )


def text_all(schedules: Sequence[Schedule]) -> str:
    """Sequences one after another, each distinct one once."""
    return "\n\n".join(dict.fromkeys(text(schedule) for schedule in schedules))

