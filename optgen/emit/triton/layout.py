"""Statements of emitted Triton, laid out as a formatter leaves them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

WIDTH = 100
_INDENT = "    "


def statement(head: str, items: Sequence[str], tail: str, indent: int = 0) -> list[str]:
    """A call as a statement, broken over lines where it is too long at its indentation."""
    line = head + ", ".join(items) + tail
    if len(line) + indent <= WIDTH:
        return [line]
    if len(head) + indent > WIDTH and " = " in head:
        names, call = head.split(" = ", 1)
        broken = statement(call, items, tail, indent + len(_INDENT))
        return [f"{names} = (", *indented(broken), ")"]
    joined = "    " + ", ".join(items)
    if len(joined) + indent <= WIDTH:
        return [head, joined, tail]
    lines = [part for item in items for part in _argument(item, indent + len(_INDENT))]
    return [head, *indented(lines), tail]


def _argument(text: str, indent: int) -> list[str]:
    """An argument with its comma, on lines of its own."""
    if len(text) + 1 + indent <= WIDTH or not text.endswith(")"):
        return [f"{text},"]
    start = _last_call(text)
    return [text[:start], f"{_INDENT}{text[start:-1]}", "),"]


def laid_out(line: str) -> list[str]:
    """A statement that ends in a call or a load, broken where it is too long."""
    if len(line) <= WIDTH:
        return [line]
    if "(" not in line:
        return _parenthesized(line)
    start = _last_call(line)
    if start > WIDTH:
        start = line.index("(") + 1
    depth, items, last = 0, [], start
    for i in range(start, len(line)):
        depth += (line[i] in "([") - (line[i] in ")]")
        if depth < 0 or (depth == 0 and line[i] == ","):
            items.append(line[last:i].strip())
            last = i + 1
        if depth < 0:
            break
    indent = len(line) - len(line.lstrip())
    broken = statement(line[indent:start], items, line[last - 1 :], indent)
    return [" " * indent + part for part in broken]


def _parenthesized(line: str) -> list[str]:
    """An assignment of an expression without calls, which is on a line of its own."""
    name, equals, value = line.partition(" = ")
    if not equals:
        return [line]
    margin = " " * (len(line) - len(line.lstrip()))
    return [f"{name} = (", f"{margin}{_INDENT}{value}", f"{margin})"]


def _last_call(line: str) -> int:
    """Position of the first argument of the call that a statement ends in."""
    depth = 0
    for i in range(len(line) - 1, -1, -1):
        depth += (line[i] in ")]") - (line[i] in "([")
        if depth == 0:
            return i + 1
    return len(line)


def docstring(text: str) -> str:
    """A function's docstring; what is too long for one line stands below a summary."""
    if len(text) + len(_INDENT) + 6 <= WIDTH:
        return f'"""{text}"""'
    lines = textwrap.wrap(text, WIDTH - len(_INDENT))
    return f"\n{_INDENT}".join(['"""One kernel, on a part of a leaf.\n', *lines, '"""'])


def sums(name: str, terms: Sequence[str]) -> list[str]:
    """The statements that add up what is too long for one expression."""
    lines, line = [], f"{name} = {terms[0]}"
    for term in terms[1:]:
        if len(line) + len(term) > WIDTH - 20:
            lines.append(line)
            line = f"{name} += {term}"
        else:
            line += f" + {term}"
    return [*lines, line]


def indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" if line else "" for line in lines]
