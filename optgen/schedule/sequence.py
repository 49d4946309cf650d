"""Makes the kernel sequence of a leaf program: its steps as items over buffers, and their bodies.

The sequence is the runtime's (``optgen.runtime.vocabulary.sequence``), so that an emitted package
holds it; the bodies are the programs that emitters print.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from optgen.ir.evaluate import Dtypes
from optgen.ir.node import Node, walk
from optgen.ir.program import Program
from optgen.ir.types import GRAD, LEAF, PARAM, REAL, SCALAR, Axes
from optgen.runtime.vocabulary.sequence import (
    RESULT,
    Buffer,
    Combine,
    Item,
    Kernel,
    KernelSequence,
    Kind,
    Lifetime,
    Mode,
)
from optgen.schedule.graph import is_effect, is_large, is_reduction
from optgen.schedule.leaf import LeafProgram, check_program
from optgen.schedule.stages import Step, steps

_LIFETIMES: tuple[Lifetime, ...] = ("leaf", "temporary", "statistic", "contribution")


@dataclass(frozen=True)
class Schedule:
    """A kernel sequence, and what its kernels compute.

    Attributes:
      sequence: the sequence.
      bodies: the body of each kernel, over the dimensions in which it sees a leaf. All loads come
        before all effects.
    """

    sequence: KernelSequence
    bodies: tuple[Program, ...]

    def __iter__(self) -> Iterator[tuple[Kernel, Program]]:
        return zip(self.sequence.kernels, self.bodies, strict=True)

    def renamed(self, functions: Sequence[str]) -> Schedule:
        """The schedule with other names of its functions."""
        names = iter(functions)
        items = [
            replace(item, function=next(names)) if isinstance(item, Item) else item
            for item in self.sequence.items
        ]
        return replace(self, sequence=replace(self.sequence, items=tuple(items)))


@functools.lru_cache(maxsize=1024)
def schedule(program: LeafProgram, variant: int, mode: Mode, dtypes: Dtypes) -> Schedule:
    """Schedules what one step does to a kind of leaf, moving as few bytes as any order does.

    Args:
      program: what is done, over the dimensions of a view.
      variant: which variant of the emitted module it is.
      mode: ``"step"`` where the program stores ``p``, ``"update"`` where it stores ``update``.
      dtypes: what the symbolic dtypes stand for.

    Raises:
      IRError: if a phase is not a legal kernel body.
      PlanError: if the program has the wrong effects for the mode.
    """
    check_program(program, mode)
    cut = steps(program, dtypes)
    bodies = [_body(step) for step in cut]
    buffers: dict[str, Buffer] = {}
    items: list[Item | Combine] = []
    for place, (step, body) in enumerate(zip(cut, bodies, strict=True)):
        for buffer in _buffers(step, body, dtypes):
            known = buffers.get(buffer.name, buffer)
            buffers[buffer.name] = known if known.combine else buffer
        items.append(_item(step, body, mode))
        if parts := tuple(e.attr for e in body.outputs if buffers[e.attr].combine):
            items.append(Combine("tiles", step.phase, parts))
        last_of_phase = place + 1 == len(cut) or cut[place + 1].phase > step.phase
        emitted = [name for name, x in buffers.items() if x.lifetime == "contribution"]
        mine = {e.attr for s in cut if s.phase == step.phase for e in s.body.outputs}
        if last_of_phase and (contributed := tuple(n for n in emitted if n in mine)):
            items.append(Combine("tree", step.phase, contributed))
    ordered = tuple(sorted(buffers.values(), key=_rank_in_the_list))
    rank = program.rank or 0
    triple = (dtypes.param, dtypes.grad, dtypes.real)
    return Schedule(
        KernelSequence(variant, mode, triple, ordered, tuple(items), rank), tuple(bodies)
    )


def unscheduled(
    variant: int, mode: Mode, dtypes: Dtypes, function: str, reason: str
) -> KernelSequence:
    """The sequence of leaves that no kernels are made for."""
    triple = (dtypes.param, dtypes.grad, dtypes.real)
    return KernelSequence(variant, mode, triple, (), (Item("xla", function, reason=reason),))


def _body(step: Step) -> Program:
    """The body of a step; one that names no dimension is for leaves of any rank."""
    named = any(
        axes not in (LEAF, SCALAR, None)
        for n in step.body.nodes()
        for axes in (n.type.axes, n.attr if is_reduction(n) or n.op == "extent" else None)
    )
    return step.body if named else replace(step.body, rank=None)


def _item(step: Step, body: Program, mode: Mode) -> Item:
    loads = [n.attr for n in body.find("load")]
    effects = [e.attr for e in body.outputs]
    small = not any(is_large(n) for n in body.nodes())
    kind: Kind = "finalize" if small else "sweep"
    if RESULT["update"] in effects:
        kind = "xla"
    return Item(
        kind=kind,
        function=_role(body, mode, small),
        phase=step.phase,
        reads=tuple(name for name in loads if name not in effects),
        updates=tuple(name for name in loads if name in effects),
        writes=tuple(name for name in effects if name not in loads),
        scalars=tuple(n.attr for n in body.find("scalar")),
        flat=body.rank is None,
        independent=independent(body, _slots(step, body)) if small else (),
    )


def _role(body: Program, mode: Mode, small: bool) -> str:
    """Role of a kernel, for its name: its mode, or ``finalize``, ``statistics`` or ``sweep``."""
    effects = {e.attr for e in body.outputs}
    if RESULT[mode] in effects:
        return mode
    if small:
        return "finalize"
    return "statistics" if all(is_reduction(e.args[0]) for e in body.outputs) else "sweep"


def name_functions(schedules: Sequence[tuple[str, Schedule]]) -> list[Schedule]:
    """The schedules with a name for each distinct function, whatever sequences share it.

    Kernels of several dtypes have these in their names; a ``jnp`` function serves them all.

    Args:
      schedules: each with what its functions' names begin with.
    """
    several = len({planned.sequence.dtypes for _, planned in schedules}) > 1
    names: dict[object, str] = {}
    counts: Counter[str] = Counter()
    result = []
    for prefix, planned in schedules:
        param, grad, _ = planned.sequence.dtypes
        functions = []
        for kernel, body in planned:
            key: tuple[object, ...] = (body,)
            base = f"{prefix}_{kernel.function}"
            if kernel.kind != "xla":
                item = replace(kernel.item, function="", phase=0)
                key = (item, kernel.operands, body, _concrete(body, planned.sequence.dtypes))
                suffix = f"_{param}_{grad}" if several else ""
                base = f"{prefix}{suffix}_{kernel.function}"
            if key not in names:
                counts[base] += 1
                names[key] = base if counts[base] == 1 else f"{base}_{counts[base]}"
            functions.append(names[key])
        result.append(planned.renamed(functions))
    return result


def _concrete(body: Program, dtypes: tuple[str, str, str]) -> tuple[str, ...]:
    """Concrete dtypes for the symbolic ones that a body mentions."""
    symbols = dict(zip((PARAM, GRAD, REAL), dtypes, strict=True))
    mentioned = {n.type.dtype for n in body.nodes()}
    return tuple(dtype for symbol, dtype in symbols.items() if symbol in mentioned)


def _slots(step: Step, body: Program) -> frozenset[str]:
    """The slots that a body stores."""
    stored = {e.attr for e in body.outputs if e.op == "store"}
    return frozenset(stored - step.temporaries - step.statistics)


def _buffers(step: Step, body: Program, dtypes: Dtypes) -> Iterator[Buffer]:
    effects = {e.attr: e for e in body.outputs}
    loads = {n.attr: n for n in body.find("load")}
    for name, n in (loads | effects).items():
        combine, over = combined(body, effects.get(name), _slots(step, body))
        yield Buffer(
            name,
            dtypes.numpy(n.type.dtype).name,
            n.type.axes,
            _lifetime(step, effects.get(name), name),
            combine,
            over,
        )


def combined(body: Program, effect: Node | None, slots: Collection[str]) -> tuple[str | None, Axes]:
    """Reduction that combines a buffer's parts, and its axes; None and no axes without parts."""
    if effect is None or not is_reduction(effect.args[0]):
        return None, ()
    reduction = effect.args[0]
    large = is_large(reduction.args[0])
    if not large and independent(body, slots) != LEAF:
        return None, ()  # one worker computes all of it
    return reduction.op, reduction.args[0].type.axes


def _lifetime(step: Step, effect: Node | None, name: str) -> Lifetime:
    if effect is not None and effect.op == "emit":
        return "contribution"
    if name in step.temporaries:
        return "temporary"
    return "statistic" if name in step.statistics else "leaf"


def _rank_in_the_list(x: Buffer) -> tuple[bool, int, int]:
    return not x.large, _LIFETIMES.index(x.lifetime), {"g": 0, "p": 1}.get(x.name, 2)


def reductions_used(body: Program) -> Iterator[Node]:
    """The values in a body that are computed from one of its own reductions."""
    for n in body.nodes():
        if not is_effect(n) and any(is_reduction(arg) for arg in n.args):
            yield n


def independent(body: Program, slots: Collection[str] = ()) -> Axes:
    """Dimensions of which a body of small values computes every index by itself; all as ``"*"``.

    Args:
      body: the body.
      slots: the slots among what it stores: a slot outlives the step, and is never in parts.
    """
    if not any(reductions_used(body)) and _elementwise(body, slots):
        return LEAF
    dimensions = set(range(body.rank or 0))
    for n in body.nodes():
        if n in body.outputs or is_reduction(n):
            dimensions &= set(n.type.axes)
    return tuple(sorted(dimensions))


def _elementwise(body: Program, slots: Collection[str]) -> bool:
    """True where no element that is written is read to compute another.

    What is reduced to one value for each matrix of a batch may be left in parts too, of blocks
    that lie within one matrix.
    """
    written = {o.attr: section(o) for o in body.outputs if o.op == "store"}
    apart: dict[Axes, Axes] = {}  # the matrices that the blocks of a section lie within
    batch = set(range((body.rank or 0) - 2))
    for output in body.outputs:
        value, elements = output.args[0], section(output)
        if is_reduction(value) and output.attr in slots:
            return False
        if is_reduction(value) and value.type.axes != SCALAR:
            kept = apart.setdefault(elements, value.type.axes)
            if kept != value.type.axes or not batch.issuperset(kept):
                return False
        loads = [n.attr for n in walk([output]) if n.op == "load"]
        if any(written.get(name, elements) != elements for name in loads):
            return False
    return True


def section(output: Node) -> Axes:
    """The dimensions of the elements that are computed for an output."""
    value = output.args[0]
    return value.args[0].type.axes if is_reduction(value) else value.type.axes
