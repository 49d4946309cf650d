"""The planner's search problem: the targets to compute, and the arrays to compute them from.

Every statistic and every store of a large value is a *target*, computed in one of the stages.
Every large array is a bit: a loaded one (until its store, which is in place), a stored one (from
the stage after), and *temporaries*, values that may be kept if that saves bytes.

An update is added to the parameter as it is computed, so in its place the parameter is read and
written.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from optgen.ir.evaluate import Dtypes
from optgen.ir.node import Node
from optgen.ir.types import PARAM
from optgen.schedule.covers import covers
from optgen.schedule.graph import (
    is_effect,
    is_large,
    is_reduction,
    is_statistic,
    is_update,
    itemsize,
    same_value,
)
from optgen.schedule.levels import Levels


@dataclass(frozen=True)
class Target:
    """A value or effect that has to be computed once.

    Attributes:
      node: the statistic, the effect, or the value of a temporary.
      earliest: the first stage that could compute it.
      latest: the last stage that may compute it.
      needs: the statistics that it depends on, as bits of their targets.
      home: the first stage of the first phase that mentions it.
      reads: the arrays that are read with it, whatever it is computed from, as bits.
    """

    node: Node
    earliest: int
    latest: int
    needs: int
    home: int
    reads: int = 0

    @property
    def value(self) -> Node:
        """The large value that is computed for it."""
        computed = is_effect(self.node) or is_reduction(self.node)
        return self.node.args[0] if computed else self.node


@dataclass(frozen=True)
class Array:
    """A large array.

    Attributes:
      kind: ``load`` or ``store`` for an array of the program, or ``temporary``.
      node: the load, the store, or the value of the temporary.
      bytes: the size of each element.
    """

    kind: Literal["load", "store", "temporary"]
    node: Node
    bytes: int


@dataclass(frozen=True, eq=False)
class Problem:
    """All that the search needs to know of a leaf program.

    Attributes:
      levels: the program, and the levels of its values.
      dtypes: the concrete dtypes that the symbolic ones stand for.
      targets: statistics, then stores; a target's bit is its place.
      arrays: loads, then an array for each store; an array's bit is its place.
      candidates: the temporaries that could save bytes, the preferred first.
      overwrites: for each load, the bit of the target that overwrites it, if there is one.
    """

    levels: Levels
    dtypes: Dtypes
    targets: tuple[Target, ...]
    arrays: tuple[Array, ...]
    candidates: tuple[Target, ...]
    overwrites: Mapping[int, int]

    def bytes_written(self, target: Target) -> int:
        """Bytes that each element of a target takes where it is stored."""
        dtype = PARAM if is_update(target.node) else target.node.type.dtype
        return itemsize(dtype, self.dtypes)

    def covers_with(self, temporaries: Collection[Target]) -> dict[Node, tuple[int, ...]]:
        """The covers of every large value; temporaries take the bits after the arrays'."""
        held: dict[Node, list[int]] = {}
        for bit, array in enumerate(self.arrays):
            content = array.node if array.kind == "load" else array.node.args[0]
            for value in [content] if array.kind == "load" else same_value(content, self.dtypes):
                held.setdefault(value, []).append(bit)
        for bit, target in enumerate(temporaries, len(self.arrays)):
            held.setdefault(target.node, []).append(bit)
        return {n: tuple(masks) for n, masks in covers(self.levels.nodes, held).items()}


def state_problem(levels: Levels, dtypes: Dtypes) -> Problem:
    """States the problem for a leaf program, with its symbolic dtypes as in ``dtypes``."""
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
        value_level = levels.level[n] - is_statistic(n)
        needs = beneath[n] & ~bit_of.get(n, 0)
        return Target(n, value_level, levels.stages - 1, needs, levels.first[levels.home[n]])

    targets = _tighten([target(n) for n in (*statistics, *stores)], levels, beneath)
    loads = [n for n in large if n.op == "load"]
    arrays = [Array("load", n, itemsize(n.type.dtype, dtypes)) for n in loads]
    arrays += [Array("store", n, itemsize(n.type.dtype, dtypes)) for n in stores]
    parameter = sum(1 << bit for bit, n in enumerate(loads) if n.attr == "p")
    last = levels.stages - 1  # where XLA computes the update, for what takes it
    targets = [
        replace(t, earliest=last, reads=parameter) if is_update(t.node) else t for t in targets
    ]
    at = {n.attr: len(statistics) + i for i, n in enumerate(stores)}
    overwrites = {bit: at[n.attr] for bit, n in enumerate(loads) if n.attr in at}
    overwritten = {loads[bit] for bit in overwrites}
    candidates = [
        replace(target(n), latest=levels.stages - 2)
        for n in large
        if levels.level[n] < levels.stages - 1 and _worth_keeping(n, overwritten, dtypes)
    ]
    # Of what costs the same the first is chosen: what the author named, and what is computed last.
    authors = levels.program.authors()
    candidates.reverse()
    candidates.sort(key=lambda t: t.node not in authors)
    return Problem(levels, dtypes, tuple(targets), tuple(arrays), tuple(candidates), overwrites)


def _tighten(targets: list[Target], levels: Levels, beneath: dict[Node, int]) -> list[Target]:
    """Lowers ``latest``, so that a statistic is computed before the targets that need it."""
    latest = [t.latest for t in targets]

    def limit(needs: int, stage: int) -> None:
        for bit in range(len(targets)):
            if needs >> bit & 1:
                latest[bit] = min(latest[bit], stage)

    for k, phase in enumerate(levels.program.partials):
        for effect in phase.outputs:
            limit(beneath[effect], levels.first[k + 1] - 1)
    for bit in reversed(range(len(targets))):  # dependents come after what they need
        limit(targets[bit].needs, latest[bit] - 1)
    return [replace(t, latest=stage) for t, stage in zip(targets, latest, strict=True)]


def _worth_keeping(n: Node, overwritten: set[Node], dtypes: Dtypes) -> bool:
    """True where a temporary of the value could save bytes over the arrays that it depends on.

    A function of one large value is not worth it: it can be computed from that value again,
    unless it is narrower. Truth values have no storage.
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
