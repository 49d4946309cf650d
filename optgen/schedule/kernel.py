"""The kernel program: what a target emits and runs, launch after launch.

A kernel knows no leaf: what is emitted serves every tree. A launch is a kernel and its leaves.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from optgen.ir.evaluate import Dtypes
from optgen.ir.node import Node
from optgen.ir.program import Program
from optgen.ir.types import LEAF, Type
from optgen.schedule.graph import is_effect, is_large, is_reduction
from optgen.schedule.stages import Step
from optgen.schedule.views import Grouping, Layout, Uncovered, View, view_of

Access = Literal["in", "in-out", "out", "partial"]
Purpose = Literal["leaf", "temporary", "statistic", "contribution"]
Kind = Literal["sweep", "settle", "resident", "xla"]


@dataclass(frozen=True)
class Operand:
    """An array that a kernel is given for each leaf.

    Attributes:
      name: what loads, stores and emits call it.
      type: its dtype and the dimensions of the view that it varies along.
      access: ``in-out`` is updated in place. What is ``partial`` is a reduction of which every
        part of a leaf (a tile, a thread, a shard) has its own; the next step that reads it
        expects all parts combined.
      purpose: an array of the ``leaf`` outlives the step; a ``temporary`` (large) and a
        ``statistic`` (small) do not; a ``contribution`` to a reduction over the tree is for the
        scalars that are computed after the phase.
      combine: how parts are combined, ``sum``, ``max`` or ``min``, where access is ``partial``.
    """

    name: str
    type: Type
    access: Access
    purpose: Purpose
    combine: str | None = None


@dataclass(frozen=True)
class Kernel:
    """What one launch runs for each of its leaves.

    Attributes:
      kind: a ``sweep`` reads each element once and may be cut into tiles in any way; a
        ``settle`` computes small values, one worker for each leaf; a ``resident`` kernel holds
        a whole leaf on chip, and may use a reduction that it has just computed; what is left to
        ``xla`` has a body that no view covers.
      view: how it sees a leaf, or None for ``xla``.
      operands: g and p, the other arrays of the leaf, temporaries, and then what is small.
      scalars: the names of what other programs compute once for all leaves.
      body: its axes are dimensions of the view. All loads come before all effects.
      why_xla: why no view covers the body, for ``xla``.
    """

    kind: Kind
    view: View | None
    operands: tuple[Operand, ...]
    scalars: tuple[str, ...]
    body: Program
    why_xla: str = ""

    @property
    def partial(self) -> tuple[Operand, ...]:
        """The reductions that it leaves partial: across shards they are combined after it."""
        return tuple(x for x in self.operands if x.access == "partial")


@dataclass(frozen=True)
class Launch:
    """A kernel, and the leaves on which it runs: a launch, or part of one.

    Attributes:
      phase: scalars that are computed after this phase depend on it.
      kernel: the kernel.
      dtypes: what its symbolic dtypes stand for.
      leaves: places in the plan's list of leaves.
      layouts: of each of the leaves, where its elements are.
      joined: whether it runs in the same launch as the one before it in the plan.
    """

    phase: int
    kernel: Kernel
    dtypes: Dtypes
    leaves: tuple[int, ...]
    layouts: tuple[Layout, ...]
    joined: bool = False


@functools.lru_cache(maxsize=1024)
def kernel_of(step: Step) -> tuple[Kernel, Grouping | None]:
    """The kernel of a step, and how it sees the axes of the step's leaves."""
    grouping = view_of(step.body)
    if isinstance(grouping, Uncovered):
        operands = _operands(step, step.body, "xla")
        kernel = Kernel("xla", None, operands, _scalars(step.body), step.body, grouping.reason)
        return kernel, None
    body = grouping.rewrite(step.body)
    kind = _kind(step, body)
    operands = _operands(step, body, kind)
    return Kernel(kind, grouping.view, operands, _scalars(body), body), grouping


def _scalars(body: Program) -> tuple[str, ...]:
    return tuple(n.attr for n in body.find("scalar"))


def _kind(step: Step, body: Program) -> Kind:
    if not any(is_large(n) for n in body.nodes()):
        return "settle"
    stored = {e.attr for e in body.outputs if e.op == "store" and not is_large(e)}
    only_left = stored <= step.statistics and not any(reductions_used(body))
    return "sweep" if only_left else "resident"


def reductions_used(body: Program) -> Iterator[Node]:
    """The values in a body that are computed from one of its own reductions."""
    for n in body.nodes():
        if not is_effect(n) and any(is_reduction(arg) for arg in n.args):
            yield n


def _operands(step: Step, body: Program, kind: Kind) -> tuple[Operand, ...]:
    loads = {n.attr: n for n in body.find("load")}
    effects = {e.attr: e for e in body.outputs}
    operands = []
    for name, n in (loads | effects).items():
        access: Access = "in" if name not in effects else "in-out" if name in loads else "out"
        purpose: Purpose = "leaf"
        if name in effects and effects[name].op == "emit":
            purpose = "contribution"
        elif name in step.temporaries or name in step.statistics:
            purpose = "temporary" if name in step.temporaries else "statistic"
        combine = None
        if kind == "sweep" and name in effects and is_reduction(n.args[0]):
            access, combine = "partial", n.args[0].op
        operands.append(Operand(name, n.type, access, purpose, combine))
    return tuple(sorted(operands, key=_rank_in_the_list))


def _rank_in_the_list(x: Operand) -> tuple[bool, int, int]:
    purposes = ("leaf", "temporary", "statistic", "contribution")
    first = {"g": 0, "p": 1}.get(x.name, 2)
    return x.type.axes != LEAF, purposes.index(x.purpose), first
