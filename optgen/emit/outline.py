"""The equations of a math program: the values that a paper would name, and their names.

Operations that only move numbers (a broadcast, the widening of a load, the rounding of a stored
value) do not appear in an equation; a cast that rounds in the middle of a rule does. No SymPy is
needed here, so that emitted code can carry its equations without importing it.
"""

from __future__ import annotations

from collections import ChainMap, Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from optgen.ir.node import Node, walk
from optgen.ir.ops import OPS
from optgen.ir.program import Program
from optgen.ir.types import BOOL, LEAF, REAL, Axes

_WORTH_A_NAME = 3  # operations; `1 - b1` and `g**2` are repeated rather than named
_UNIFORM = frozenset({"const", "hyper", "step", "extent"})


@dataclass(frozen=True, slots=True)
class Line:
    """One equation.

    Attributes:
      role: ``value``, ``slot`` or ``tree`` (the next value of a slot of the leaf, or of the whole
        tree), or ``update`` (the value added to p).
      name: the left-hand side; ``mu'`` is the next value of the slot ``mu``.
      node: the value on the right.
      key: the name of the effect that stores the value; for a ``value`` its name.
    """

    role: str
    name: str
    node: Node
    key: str


@dataclass(frozen=True, slots=True)
class Outline:
    """The equations of a program, in order, and the names of values in them.

    Attributes:
      lines: the equations; the update comes last.
      names: the names of the inputs, and of the values that have an equation.
    """

    lines: tuple[Line, ...]
    names: Mapping[Node, str]


def meaning(n: Node) -> Node:
    """The value that ``n`` repeats or widens; ``n`` itself where it computes or rounds."""
    while n.op == "broadcast" or (
        n.op == "cast" and n.type.dtype == REAL and n.args[0].type.dtype != BOOL
    ):
        (n,) = n.args
    return n


def stored(effect: Node) -> Node:
    """The value that an effect stores, before it is rounded to its storage dtype."""
    (value,) = effect.args
    rounds = value.op == "cast" and value.args[0].type.dtype == REAL
    return meaning(value.args[0] if rounds else value)


def is_input(n: Node) -> bool:
    """True for a node that is read rather than computed."""
    return OPS[n.op].kind == "input"


@dataclass(frozen=True, slots=True)
class Idiom:
    """A few nodes that mathematics has one word for: ``mean``, ``norm`` or ``global_norm``.

    Attributes:
      word: the word.
      total: the sum inside.
      of: the argument of the mean or the norm.
    """

    word: str
    total: Node
    of: Node


def idiom(n: Node, names: Container[Node] = ()) -> Idiom | None:
    """The idiom that ends in ``n``; None where a part of it has an equation of its own."""
    if n.op not in ("div", "sqrt"):
        return None
    total, *rest = (meaning(arg) for arg in n.args)
    if n.op == "div":
        is_mean = total.op == "sum" and rest[0].op == "extent" and rest[0].attr == total.attr
        return Idiom("mean", total, total.args[0]) if is_mean and total not in names else None
    inner = meaning(total.args[0]) if total.op == "tree_sum" else total
    if inner.op != "sum" or inner in names or total in names:
        return None
    square = meaning(inner.args[0])
    if square.op != "mul" or square in names or square.args[0] is not square.args[1]:
        return None
    return Idiom("norm" if inner is total else "global_norm", inner, square.args[0])


def partial_axes(reduction: Node) -> Axes:
    """The axes that a reduction names; () where it reduces all the axes of its argument."""
    return () if reduction.attr == reduction.args[0].type.axes else reduction.attr


def uniform(nodes: Iterable[Node]) -> frozenset[Node]:
    """Returns the nodes that hyperparameters and the step alone decide; takes arguments first."""
    same: set[Node] = set()
    for n in nodes:
        if n.op in _UNIFORM or (n.args and all(meaning(arg) in same for arg in n.args)):
            same.add(n)
    return frozenset(same)


def outline(program: Program, exact: bool = False) -> Outline:
    """Chooses the equations of a math program.

    Args:
      program: a math program.
      exact: for evaluation rather than for reading: every value that is used twice, every
        reduction of the tree, and every scalar that hyperparameters decide has an equation.
    """
    values = {effect: stored(effect) for effect in program.outputs}
    nodes = [n for n in walk(values.values()) if meaning(n) is n]
    short = _short_names([*nodes, *program.outputs])
    names = {n: _input_name(n, short) for n in nodes if is_input(n) and n.op != "const"}
    lines: dict[Node, Line] = {}
    repeated, update = [], []
    for effect, value in values.items():
        role = "slot" if effect.op == "store" else "tree"
        line = Line(role, short[effect.attr] + "'", value, effect.attr)
        if effect.attr == "update":
            update.append(Line("update", "p'", value, "update"))
        elif is_input(value) or value in lines:
            repeated.append(line)
        else:
            lines[value] = line
    uses = Counter(values.values()) + Counter(meaning(arg) for n in nodes for arg in n.args)
    wanted = _all_shared(nodes, uses) if exact else _readable(program, nodes, uses, lines)
    used, numbered = set(names.values()), Counter[str]()
    stores = set(values.values())
    for n in nodes:
        only_update = uses[n] == 1 and n in stores
        if n in wanted and not (is_input(n) or n in lines or only_update):
            name = _unused(wanted[n], used, numbered)
            lines[n] = Line("value", name, n, name)
    names |= {n: line.name for n, line in lines.items()}
    return Outline((*(lines[n] for n in nodes if n in lines), *repeated, *update), names)


def _short_names(nodes: Iterable[Node]) -> dict[str, str]:
    """The last part of each slot's key, or all of it where another ends in the same."""
    keys = {n.attr for n in nodes if is_input(n) or OPS[n.op].kind == "effect"}
    keys = {key for key in keys if isinstance(key, str)}
    ends = Counter(key.rsplit("/", 1)[-1] for key in keys)
    last = {key: key.rsplit("/", 1)[-1] for key in keys}
    return {key: last[key] if ends[last[key]] == 1 else key.replace("/", "_") for key in keys}


def _input_name(n: Node, short: Mapping[str, str]) -> str:
    if n.op == "step":
        return "t"
    return extent_name(n.attr) if n.op == "extent" else short[n.attr]


def extent_name(axes: Axes) -> str:
    """The name, in equations, of the number of elements along some axes."""
    return "size" if axes == LEAF else "size_" + "_".join(map(str, axes))


def _unused(name: str, used: set[str], numbered: Counter[str]) -> str:
    """The name, or ``name_2`` and so on where it is in use; adds it to the names in use."""
    candidate = name
    while candidate in used:
        numbered[name] += 1
        candidate = f"{name}_{numbered[name] + 1}"
    used.add(candidate)
    return candidate


def _readable(
    program: Program, nodes: list[Node], uses: Mapping[Node, int], lines: Mapping[Node, Line]
) -> dict[Node, str]:
    """The equations for readers: values that the author named, and large ones that serve twice."""
    wanted = _authors_names(program, nodes, uses)
    named = ChainMap(wanted, lines)  # type: ignore[arg-type]  # to ask what has a name
    size: dict[Node, int] = {}
    for n in nodes:
        phrase = idiom(n, named)
        parts = n.args if phrase is None else (phrase.of,)
        size[n] = 0 if is_input(n) else 1 + sum(size[meaning(arg)] for arg in parts)
        if uses[n] > 1 and size[n] >= _WORTH_A_NAME:
            wanted.setdefault(n, "x")
        if n in named:
            size[n] = 0
    return wanted


def _authors_names(
    program: Program, nodes: list[Node], uses: Mapping[Node, int]
) -> dict[Node, str]:
    """The author's names; of ``u = a``, ``u = u + b`` only the last, if ``a`` serves once."""
    position = {n: i for i, n in enumerate(nodes)}
    by_name: dict[str, set[Node]] = {}
    for n, name in program.names.items():
        if meaning(n) in position and name.isidentifier():
            by_name.setdefault(name, set()).add(meaning(n))
    wanted: dict[Node, str] = {}
    for name, values in by_name.items():
        *earlier, last = sorted(values, key=position.__getitem__)
        wanted |= {n: name for n in earlier if uses[n] > 1} | {last: name}
    return wanted


def _all_shared(nodes: list[Node], uses: Mapping[Node, int]) -> dict[Node, str]:
    """The equations for evaluation: every value that it computes once and uses again."""
    same = uniform(nodes)
    scalars = {meaning(arg) for n in nodes if n not in same for arg in n.args} & same
    return {n: "v" for n in nodes if uses[n] > 1 or n in scalars or OPS[n.op].kind == "tree"}
