"""The source of a launch: one kernel for all that can run at the same time.

Each program finds the function that it runs, and then its leaf by a binary tree of comparisons
over the numbers of programs of the leaves before, which are constants; at its end it knows the
pointers and the numbers of its leaf. A number that is the same for all leaves stands outside of
the tree, and one that is always equal to another is that one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_WIDE = 2**21
"""From here on numbers are 64 bits wide, so that a tile of them cannot overflow 32."""


@dataclass(frozen=True, slots=True)
class Row:
    """A leaf of a launch.

    Attributes:
      programs: how many programs it has.
      values: for each argument that differs from leaf to leaf a parameter of the launch (a name)
        or a number.
    """

    programs: int
    values: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Section:
    """The leaves of a launch that one function runs on.

    Attributes:
      function: the emitted function.
      arguments: what it calls its arguments, ``scalars``, ``program`` and compile-time ones too.
      constants: the values of the compile-time ones.
      scalars: where its own begin, as an expression of the launch.
      rows: the leaves.
    """

    function: str
    arguments: tuple[str, ...]
    constants: Mapping[str, int]
    scalars: str
    rows: Sequence[Row]

    @property
    def programs(self) -> int:
        """Number of programs."""
        return sum(row.programs for row in self.rows)


def source(name: str, parameters: Sequence[str], sections: Sequence[Section]) -> str:
    """The launch as Python source.

    Args:
      name: what it is called.
      parameters: the names of its arrays.
      sections: what runs, in the order of the programs.
    """
    lines, start = ["program = tl.program_id(0)"], 0
    for number, section in enumerate(sections):
        suffix = "" if len(sections) == 1 else f"_of_{number + 1}"
        body = _section(section, start, suffix)
        end = start + section.programs
        if len(sections) > 1:  # not elif: the compiler keeps what it needs for each nested branch
            body = [
                f"if (program >= {start}) & (program < {end}):",
                *(f"    {line}" for line in body),
            ]
        lines += body
        start = end
    head = f"def {name}({', '.join(parameters)}):"
    return "\n".join(["@triton.jit", head, *(f"    {line}" for line in lines), ""])


def _section(section: Section, start: int, suffix: str) -> list[str]:
    """Finds the leaf of a program and calls the function on it.

    Variables have a suffix: in the branches of one ``if`` Triton wants one type for each name.
    """
    rows = section.rows
    known = {"scalars", "program", *section.constants}
    columns = {a: tuple(row.values[a] for row in rows) for a in section.arguments if a not in known}
    shared: dict[tuple[str | int, ...], str] = {}
    passed: dict[str, str] = {a: str(value) for a, value in section.constants.items()}
    for argument, column in columns.items():
        passed[argument] = shared.setdefault(column, f"{argument}{suffix}")
    lines = []
    varying = []
    for column, argument in shared.items():
        wide = any(isinstance(v, int) and v >= _WIDE for v in column)
        texts = [_text(v, wide) for v in column]
        if len(set(texts)) == 1:
            lines.append(f"{argument} = {texts[0]}")
        else:
            varying.append((argument, texts))
    first = f"first{suffix}"
    lines += _tree(rows, start, [*varying, (first, _starts(rows, start)[:-1])])
    passed["program"] = f"program - {first}"
    passed["scalars"] = section.scalars
    return [*lines, f"{section.function}({', '.join(passed[a] for a in section.arguments)})"]


def _starts(rows: Sequence[Row], start: int) -> list[int]:
    starts = [start]
    for row in rows:
        starts.append(starts[-1] + row.programs)
    return starts


def _text(value: str | int, wide: bool) -> str:
    if isinstance(value, str):
        return value
    return f"tl.full((), {value}, tl.int64)" if wide else str(value)


def _tree(
    rows: Sequence[Row], start: int, varying: Sequence[tuple[str, Sequence[str | int]]]
) -> list[str]:
    """Statements that give each program the values of its leaf."""
    starts = _starts(rows, start)

    def chosen(first: int, last: int) -> list[str]:
        if last - first == 1:
            lines = [f"{argument} = {values[first]}" for argument, values in varying]
            return lines if len(rows) == 1 else [f'device.found("// {start + first}")', *lines]
        middle = _middle(starts, first, last)
        return [
            f"if program < {starts[middle]}:",
            *(f"    {line}" for line in chosen(first, middle)),
            "else:",
            *(f"    {line}" for line in chosen(middle, last)),
        ]

    return chosen(0, len(rows))


def _middle(starts: Sequence[int], first: int, last: int) -> int:
    """Halves the programs: most of them find their leaf in a few steps."""
    half = (starts[first] + starts[last]) / 2
    return min(range(first + 1, last), key=lambda k: abs(starts[k] - half))
