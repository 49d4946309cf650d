"""The textual form of kernel sequences, which the tables beside emitted kernels hold.

    sequence variant 0 step float32 float32 float32 dimensions 2 {
      buffer g : float32[*] leaf
      buffer square_row_sums : float32[0] statistic sum<*>
      sweep factored_statistics phase 0 reads g writes square_row_sums scalars eps
      combine tiles phase 0 square_row_sums
      not tpu because "it is stored in float16"
    }

``flat`` marks an item that sees the leaf as a vector; ``independent<0>`` the dimensions of which
a finalize computes every index by itself; ``because "…"`` says why an item is left to xla, and
``not`` why a target is. A long item goes on in the next line before a list, or after a comma. The
body of an item may stand below it, as ``program … {``, lines, ``}``; ``#`` starts a comment.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NoReturn, cast

from optgen.errors import ParseError
from optgen.runtime.vocabulary.sequence import (
    Buffer,
    Combine,
    Item,
    KernelSequence,
    Kind,
    Lifetime,
    Mode,
)
from optgen.runtime.vocabulary.view import Axes

_LISTS = ("reads", "updates", "writes", "scalars")
_WIDTH = 98


@dataclass(frozen=True)
class Entry:
    """A sequence as it is written down.

    Attributes:
      sequence: the sequence.
      bodies: the text of its items' bodies, each behind the lines before it; none in tables.
      refusals: for targets that have no kernels for it, why.
    """

    sequence: KernelSequence
    bodies: tuple[str, ...] = ()
    refusals: Mapping[str, str] = field(default_factory=dict)

    def of(self, target: str) -> KernelSequence:
        """The sequence of a target, which is left to XLA where the target refuses it."""
        reason = self.refusals.get(target)
        return self.sequence.left_to_xla(reason) if reason else self.sequence


def text(entry: Entry) -> str:
    """The sequence in its textual form, each item before its body."""
    s = entry.sequence
    dimensions = f" dimensions {s.dimensions}" if s.dimensions else ""
    lines = [f"sequence variant {s.variant} {s.mode} {' '.join(s.dtypes)}{dimensions} {{"]
    lines += [f"  {_buffer(buffer)}" for buffer in s.buffers]
    bodies = iter(entry.bodies)
    for item in s.items:
        if isinstance(item, Combine):
            lines += _wrapped([f"combine {item.over} phase {item.phase}", ", ".join(item.buffers)])
            continue
        lines += _wrapped(_item(item))
        body = None if item.reason else next(bodies, None)
        if body is not None:
            lines.append(textwrap.indent(body, "    "))
    for target, reason in entry.refusals.items():
        lines.append(f"  not {target} because {json.dumps(reason)}")
    return "\n".join([*lines, "}"])


def _axes(axes: Axes) -> str:
    return ",".join(map(str, axes))


def _buffer(x: Buffer) -> str:
    combine = f" {x.combine}<{_axes(x.over)}>" if x.combine else ""
    return f"buffer {x.name} : {x.dtype}[{_axes(x.axes)}] {x.lifetime}{combine}"


def _item(item: Item) -> list[str]:
    """The parts of an item, between which its line may be broken."""
    words = f"{item.kind} {item.function} phase {item.phase}{' flat' * item.flat}"
    if item.independent:
        words += f" independent<{_axes(item.independent)}>"
    parts = [words]
    for name in _LISTS:
        if names := getattr(item, name):
            parts.append(f"{name} {', '.join(names)}")
    return [*parts, f"because {json.dumps(item.reason)}"] if item.reason else parts


def _wrapped(parts: Sequence[str]) -> Iterator[str]:
    """The lines of an item; those after the first are further to the right."""
    line = f"  {parts[0]}"
    for part in parts[1:]:
        if len(line) + 1 + len(part) <= _WIDTH:
            line += f" {part}"
            continue
        if part.startswith(_LISTS):
            yield line
            line = "       "
        for word in part.split(" "):
            if len(line) + 1 + len(word) > _WIDTH and line.endswith(","):
                yield line
                line = "         "
            line += f" {word}"
    yield line


def parse(source: str, bodies: bool = False) -> list[Entry]:
    """Reads any number of sequences, one after another.

    Args:
      source: the text.
      bodies: True where each item needs its body, which may else be missing.

    Raises:
      ParseError: naming the line, and what was expected there.
    """
    lines = _Lines(source.splitlines())
    entries = []
    while (line := lines.next()) is not None:
        entries.append(_sequence(line, lines, bodies))
    return entries


_COMMENT = re.compile(r"""((?:[^"#]|"(?:[^"\\]|\\.)*")*)#.*""")


def _without_comment(line: str) -> str:
    match = _COMMENT.fullmatch(line)
    return (match[1] if match else line).strip()


class _Lines:
    """Lines of a text without comments and empty ones, and where in it they are."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines, self.number = lines, 0

    def next(self) -> str | None:
        """The next line; None at the end."""
        while self.number < len(self.lines):
            self.number += 1
            if line := _without_comment(self.lines[self.number - 1]):
                return line
        return None

    def item(self, line: str) -> str:
        """An item that begins with a line, in one line."""
        while self.number < len(self.lines):
            following = _without_comment(self.lines[self.number])
            if not (line.endswith(",") or following.split(" ")[0] in _LISTS):
                break
            line = f"{line} {following}"
            self.number += 1
        return line

    def body(self) -> str | None:
        """The program that begins in the next line, behind as many empty lines; None for none."""
        begin = self.number
        head = self.next()
        if head is None or not head.startswith("program "):
            self.number = begin
            return None
        begin = self.number
        while (line := self.next()) != "}":
            if line is None:
                self.fail("the end of the program")
        within = self.lines[begin - 1 : self.number]
        return "\n" * (begin - 1) + "\n".join(within)  # faults have their lines

    def fail(self, expected: str) -> NoReturn:
        """Refuses the line that was read last."""
        raise ParseError(f"line {self.number}: expected {expected}")


_HEAD = re.compile(
    r"sequence variant (\d+) (step|update) (\w+) (\w+) (\w+)(?: dimensions (\d+))? \{"
)
_AXES = r"\*|\d+(?:,\d+)*|"
_BUFFER = re.compile(
    rf"buffer (\S+) : (\w+)\[({_AXES})\] (leaf|temporary|statistic|contribution)"
    rf"(?: (sum|max|min)<({_AXES})>)?"
)
_COMBINE = re.compile(r"combine (tiles|tree) phase (\d+) (\S+(?:, \S+)*)")
_ITEM = re.compile(
    rf"(sweep|finalize|xla) (\S+) phase (\d+)( flat)?(?: independent<({_AXES})>)?"
    + "".join(rf"(?: {name} (\S+(?:, \S+)*))?" for name in _LISTS)
    + r'(?: because ("(?:[^"\\]|\\.)*"))?'
)
_REFUSAL = re.compile(r'not (\w+) because ("(?:[^"\\]|\\.)*")')


def _sequence(head: str, lines: _Lines, needs_bodies: bool) -> Entry:
    match = _HEAD.fullmatch(head) or lines.fail("'sequence variant N MODE DTYPE DTYPE DTYPE {'")
    buffers: list[Buffer] = []
    items: list[Item | Combine] = []
    bodies: list[str] = []
    refusals: dict[str, str] = {}
    while (line := lines.next()) != "}":
        if line is None:
            lines.fail("'}'")
        if part := _BUFFER.fullmatch(line):
            buffers.append(_read_buffer(part))
            continue
        line = lines.item(line)
        if part := _COMBINE.fullmatch(line):
            over = cast(Literal["tiles", "tree"], part[1])
            items.append(Combine(over, int(part[2]), _names(part[3])))
        elif part := _ITEM.fullmatch(line):
            item = _read_item(part)
            items.append(item)
            body = lines.body()
            if body is not None:
                bodies.append(body)
            elif needs_bodies and not item.reason:
                lines.next()
                lines.fail("the item's program")
        elif part := _REFUSAL.fullmatch(line):
            refusals[part[1]] = json.loads(part[2])
        else:
            lines.fail("a buffer, an item or '}'")
    dtypes = (match[3], match[4], match[5])
    mode, rank = cast(Mode, match[2]), int(match[6] or 0)
    sequence = KernelSequence(
        int(match[1]), mode, dtypes, tuple(buffers), tuple(items), dimensions=rank
    )
    return Entry(sequence, tuple(bodies), refusals)


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
    reads, updates, writes, scalars = map(_names, lists)
    return Item(
        cast(Kind, kind),
        function,
        int(phase),
        reads,
        updates,
        writes,
        scalars,
        flat=flat is not None,
        independent=_read_axes(independent),
        reason=json.loads(reason) if reason else "",
    )


def text_all(entries: Iterable[Entry]) -> str:
    """Sequences one after another, each distinct one once."""
    return "\n\n".join(dict.fromkeys(map(text, entries)))
