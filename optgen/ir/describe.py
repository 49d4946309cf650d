"""Words for values: after their names, and after how they are computed of named ones."""

from __future__ import annotations

from collections.abc import Callable

from optgen.ir.node import Node

_SUFFIXES = {"sqrt": "sqrt", "rsqrt": "rsqrt", "exp": "exp", "log": "log", "abs": "size"}
_MOVES = ("cast", "broadcast")


def describe(
    n: Node, name: Callable[[Node], str], reduction: Callable[[Node], str] = lambda n: ""
) -> str:
    """Words for a value: its name, ``g_square``, ``v_row_mean``; empty where there are none.

    Args:
      n: the value.
      name: the name of a value; empty where it has none.
      reduction: what a reduction adds to the words for its argument; empty for no words.
    """
    suffixes: list[str] = []
    while not (word := name(n)):
        if n.op in ("load", "scalar"):
            word = str(n.attr)
            break
        suffix = _suffix(n) or ("" if n.op in _MOVES else reduction(n))
        if not (suffix or n.op in _MOVES):
            return ""
        suffixes += [suffix] if suffix else []
        n = n.args[0]
    for suffix in reversed(suffixes):
        if suffix == "mean":
            stem, _, ending = word.rpartition("sum")
            if not stem or ending not in ("", "s"):
                return ""
            word = f"{stem}mean{ending}"
        else:
            word = f"{word}_{suffix}"
    return word


def _suffix(n: Node) -> str:
    """Word that an operation on one value adds to those for it; empty for none."""
    if n.op == "mul" and n.args[0] is n.args[1]:
        return "square"
    if n.op == "div":
        count = n.args[1]
        while count.op in _MOVES:
            (count,) = count.args
        return "mean" if count.op == "extent" else ""
    return _SUFFIXES.get(n.op, "")
