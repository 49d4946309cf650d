"""The choice that the planner has to make, stated: what to compute, and what it may be read from.

Every statistic and every store of a large value is a *target*, computed in some stage. Every
large array is a bit: what is loaded (until its store, for that is in place), what was stored
(from the stage after), and *temporaries*, values that may be kept if that saves bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from optgen.ir.evaluate import Dtypes
from optgen.ir.node import Node
from optgen.schedule.covers import covers
from optgen.schedule.graph import (
    is_effect,
    is_large,
    is_reduction,
    is_statistic,
    itemsize,
    same_value,
)
from optgen.schedule.levels import Levels


@dataclass(frozen=True)
class Target:
    """What has to be computed once.

    Attributes:
      node: the statistic, the effect, or the value of a temporary.
      earliest: the first stage that could compute it.
      latest: the last one that may.
      needs: the statistics that it depends on, as bits of their targets.
      home: the first stage of the first phase that mentions it.
    """

    node: Node
    earliest: int
    latest: int
    needs: int
    home: int

    @property
    def value(self) -> Node:
        """The large value that is computed for it."""
        computed = is_effect(self.node) or is_reduction(self.node)
        return self.node.args[0] if computed else self.node


@dataclass(frozen=True)
class Array:
    """A large array.

    Attributes:
      kind: whether it is what the program loads, what it stored, or a temporary.
      node: the load, the store, or the value of the temporary.
      bytes: of each element.
    """

    kind: Literal["load", "store", "temporary"]
    node: Node
    bytes: int


@dataclass(frozen=True, eq=False)
class Problem:
    """All that the search needs to know of a leaf program.

    Attributes:
      levels: the program, and when its values can be known.
      dtypes: what the symbolic dtypes stand for.
      targets: statistics, then stores; a target's bit is its place.
      arrays: loads, then an array for each store; an array's bit is its place.
      candidates: the temporaries that could be of use.
      overwrites: for each load, the bit of the target that overwrites it, if there is one.
    """

    levels: Levels
    dtypes: Dtypes
    targets: tuple[Target, ...]
    arrays: tuple[Array, ...]
    candidates: tuple[Target, ...]
    overwrites: Mapping[int, int]

    def covers_with(self, temporaries: Collection[Target]) -> dict[Node, tuple[int, ...]]:
        """The covers of every large value; temporaries take the bits after the arrays'."""
        held: dict[Node, list[int]] = {}
        for bit, array in enumerate(self.arrays):
            kept = array.node if array.kind == "load" else array.node.args[0]
            for value in [kept] if array.kind == "load" else same_value(kept, self.dtypes):
                held.setdefault(value, []).append(bit)
        for bit, target in enumerate(temporaries, len(self.arrays)):
            held.setdefault(target.node, []).append(bit)
        found = covers(self.levels.nodes, held)
        return {n: tuple(masks) for n, masks in found.items()}


def state_problem(levels: Levels, dtypes: Dtypes) -> Problem:
    """States the problem for a leaf program whose dtypes stand for these."""
    large = [n for n in levels.nodes if is_large(n)]
    stores = [n for n in large if n.op == "store"]
    statistics = [n for n in levels.nodes if is_statistic(n)]
    bit_of = {n: 1 << bit for bit, n in enumerate(statistics)}
    beneath: dict[Node, int] = {}
    for n in levels.nodes:
        beneath[n] = bit_of.get(n, 0)
        for arg in n.args:
            beneath[n] |= beneath[arg]

    def target(n: Node) -> Target:
        value_level = levels.level[n] - (is_statistic(n) and not levels.resident)
        latest = value_level if is_reduction(n) and levels.resident else levels.stages - 1
        needs = beneath[n] & ~bit_of.get(n, 0)
        return Target(n, value_level, latest, needs, levels.first[levels.home[n]])

    targets = _tighten([target(n) for n in (*statistics, *stores)], levels, beneath)
    loads = [n for n in large if n.op == "load"]
    arrays = [Array("load", n, itemsize(n.type.dtype, dtypes)) for n in loads]
    arrays += [Array("store", n, itemsize(n.type.dtype, dtypes)) for n in stores]
    at = {n.attr: len(statistics) + i for i, n in enumerate(stores)}
    overwrites = {bit: at[n.attr] for bit, n in enumerate(loads) if n.attr in at}
    overwritten = {loads[bit] for bit in overwrites}
    candidates = [
        replace(target(n), latest=levels.stages - 2)
        for n in large
        if levels.level[n] < levels.stages - 1 and _worth_keeping(n, overwritten, dtypes)
    ]
    return Problem(levels, dtypes, tuple(targets), tuple(arrays), tuple(candidates), overwrites)


def _tighten(targets: list[Target], levels: Levels, beneath: dict[Node, int]) -> list[Target]:
    """Lowers what is latest, so that whoever needs a statistic finds it."""
    latest = [t.latest for t in targets]

    def limit(needs: int, stage: int) -> None:
        for bit in range(len(targets)):
            if needs >> bit & 1 and not levels.resident:
                latest[bit] = min(latest[bit], stage)

    for k, phase in enumerate(levels.program.partials):
        for effect in phase.outputs:
            limit(beneath[effect], levels.first[k + 1] - 1)
    for bit in reversed(range(len(targets))):  # dependents come after what they need
        limit(targets[bit].needs, latest[bit] - 1)
    return [replace(t, latest=stage) for t, stage in zip(targets, latest, strict=True)]


def _worth_keeping(n: Node, overwritten: set[Node], dtypes: Dtypes) -> bool:
    """Whether no array that it is computed from would serve as well as a temporary of it.

    A function of one large value is not: that value does for it. Truth values have no storage.
    """
    if n.op == "load":
        return n in overwritten
    if n.type.dtype == "bool" or is_effect(n):
        return False
    sources = _storable_sources(n)
    if len(sources) != 1:
        return bool(sources)
    (source,) = sources
    return itemsize(n.type.dtype, dtypes) < itemsize(source.type.dtype, dtypes)


def _storable_sources(n: Node) -> set[Node]:
    """The large arguments, looking behind truth values."""
    sources: set[Node] = set()
    stack = [arg for arg in n.args if is_large(arg)]
    while stack:
        arg = stack.pop()
        if arg.type.dtype == "bool":
            stack.extend(x for x in arg.args if is_large(x))
        else:
            sources.add(arg)
    return sources
