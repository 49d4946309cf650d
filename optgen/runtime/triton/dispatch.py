"""The source of a launch: one kernel for all the leaves of a bucket.

Each program finds its leaf by a binary tree of comparisons over the numbers of programs of the
leaves before, which are constants; at its end it knows the pointers and the numbers of its leaf.
A number that is the same for all leaves stands outside of the tree, and one that is always equal
to another is that one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_WIDE = 2**24
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


def source(
    name: str,
    function: str,
    arguments: Sequence[str],
    parameters: Sequence[str],
    constants: Sequence[str],
    rows: Sequence[Row],
) -> str:
    """The launch as Python source.

    Args:
      name: what it is called.
      function: the emitted function.
      arguments: what the function calls its arguments, ``program`` and compile-time ones too.
      parameters: what the launch is given: arrays.
      constants: those arguments that are given to the launch at compile time.
      rows: the leaves.
    """
    given = {"scalars", "program", *constants}
    columns = {a: tuple(row.values[a] for row in rows) for a in arguments if a not in given}
    shared: dict[tuple[str | int, ...], str] = {}
    same: dict[str, str] = {}
    for argument, column in columns.items():
        same[argument] = shared.setdefault(column, argument)
    lines = ["program = tl.program_id(0)"]
    varying = []
    for column, argument in shared.items():
        wide = any(isinstance(v, int) and v >= _WIDE for v in column)
        texts = [_text(v, wide) for v in column]
        if len(set(texts)) == 1:
            lines.append(f"{argument} = {texts[0]}")
        else:
            varying.append((argument, texts))
    lines += _tree(rows, varying)
    passed = [a if a in given else same[a] for a in arguments]
    lines.append(f"{function}({', '.join(passed)})")
    head = f"def {name}({', '.join([*parameters, *(f'{c}: tl.constexpr' for c in constants)])}):"
    return "\n".join(["@triton.jit", head, *(f"    {line}" for line in lines), ""])


def _text(value: str | int, wide: bool) -> str:
    if isinstance(value, str):
        return value
    return f"tl.full((), {value}, tl.int64)" if wide else str(value)


def _tree(rows: Sequence[Row], varying: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    starts = [0]
    for row in rows:
        starts.append(starts[-1] + row.programs)

    def chosen(first: int, last: int) -> list[str]:
        if last - first == 1:
            lines = [f"{argument} = {texts[first]}" for argument, texts in varying]
            return [*lines, f"first = {starts[first]}"]
        middle = _middle(starts, first, last)
        return [
            f"if program < {starts[middle]}:",
            *(f"    {line}" for line in chosen(first, middle)),
            "else:",
            *(f"    {line}" for line in chosen(middle, last)),
        ]

    lines = chosen(0, len(rows))
    return [*lines, "program -= first"] if len(rows) > 1 else lines[:-1]


def _middle(starts: Sequence[int], first: int, last: int) -> int:
    """Halves the programs: most of them find their leaf in a few steps.

    A tree that halves the leaves costs up to twice as many registers too: where leaves repeat, the
    compiler merges like subtrees, and has the pointers of all their leaves at hand.
    """
    half = (starts[first] + starts[last]) / 2
    return min(range(first + 1, last), key=lambda k: abs(starts[k] - half))
