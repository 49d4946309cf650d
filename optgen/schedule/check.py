"""The legality table of kernel sequences, beyond the legality of each node of their bodies.

item      its buffers and scalars are those that its body mentions, with the types and used as
          the body has them; a body over dimensions has those of the sequence
sweep     uses no reduction of its own, and writes large buffers and parts of reductions alone
finalize  computes small values only; its body says which of its dimensions are independent
xla       is the last sweep of an update; or it stands alone in a sequence that no kernels are
          made for, without a body, and says why
combine   over tiles of reductions that an earlier item left in parts, slots never among them;
          over the tree of contributions that are whole
reads     of a reduction come after its parts are combined
phases    never go back; contributions are combined over the tree when their phase ends
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from optgen.errors import PlanError
from optgen.ir.evaluate import Dtypes
from optgen.ir.legality import KERNEL, check
from optgen.ir.program import Program
from optgen.runtime.vocabulary.sequence import RESULT, Combine, Item, Kernel, KernelSequence
from optgen.schedule.graph import is_large, is_reduction, is_statistic
from optgen.schedule.sequence import Schedule, combined, independent, reductions_used


def check_schedule(schedule: Schedule) -> Schedule:
    """Returns the schedule if it is legal.

    Raises:
      IRError: if the body of an item is not a legal kernel body.
      PlanError: naming everything else that is wrong, all of it together.
    """
    sequence = schedule.sequence
    faults = [*_buffer_faults(sequence), *_Order(sequence).faults(), *_xla_faults(sequence)]
    kernels = [kernel for kernel in sequence.kernels if not kernel.item.reason]
    if len(kernels) != len(schedule.bodies):
        faults.append(f"it has {len(kernels)} kernels and {len(schedule.bodies)} bodies")
    for kernel, body in zip(kernels, schedule.bodies, strict=False):
        check(body, KERNEL)
        wrong = (*_operand_faults(kernel, body, sequence), *_KINDS[kernel.kind](kernel, body))
        faults += (f"{kernel.function}: {fault}" for fault in wrong)
    if faults:
        raise PlanError("the kernel sequence is not legal:\n  " + "\n  ".join(faults))
    return schedule


def _buffer_faults(sequence: KernelSequence) -> Iterator[str]:
    names = [x.name for x in sequence.buffers]
    for name in sorted({n for n in names if names.count(n) > 1}):
        yield f"there are two buffers {name!r}"
    for x in sequence.buffers:
        if x.combine and x.lifetime not in ("statistic", "contribution"):
            yield f"{x.name!r} outlives the kernels that combine parts, and would be left in them"
    for item in sequence.items:
        if isinstance(item, Combine):
            yield from (
                f"there is no buffer {n!r} to combine" for n in item.buffers if n not in names
            )
        else:
            mentioned = (*item.reads, *item.updates, *item.writes)
            yield from (f"{item.function} has no buffer {n!r}" for n in mentioned if n not in names)


class _Order:
    """State before an item: the reductions that are in parts, and those that await the tree."""

    def __init__(self, sequence: KernelSequence) -> None:
        self.items = sequence.items
        self.buffers = {x.name: x for x in sequence.buffers}
        self.phase = 0
        self.in_parts: set[str] = set()
        self.contributed: set[str] = set()

    def faults(self) -> Iterator[str]:
        """Faults in the order of the items."""
        for item in self.items:
            if item.phase < self.phase:
                yield f"phase {item.phase} comes after phase {self.phase}"
            elif item.phase > self.phase:
                yield from self.unfinished()
            self.phase = max(self.phase, item.phase)
            yield from self.combine(item) if isinstance(item, Combine) else self.compute(item)
        yield from self.unfinished()
        yield from (f"the parts of {name!r} are never combined" for name in sorted(self.in_parts))

    def combine(self, item: Combine) -> Iterator[str]:
        """Faults of combining these buffers; they are whole afterwards."""
        for name in item.buffers:
            if item.over == "tiles" and name not in self.in_parts:
                yield f"{name!r} is combined and is not in parts"
            if item.over == "tree" and name not in self.contributed:
                yield f"{name!r} is combined over the tree, and no leaf contributes it"
            if item.over == "tree" and name in self.in_parts:
                yield f"{name!r} is combined over the tree before its tiles are"
        (self.in_parts if item.over == "tiles" else self.contributed).difference_update(
            item.buffers
        )

    def compute(self, item: Item) -> Iterator[str]:
        """Faults of computing this item now; it leaves parts and contributions."""
        for name in (*item.reads, *item.updates):
            if name in self.in_parts:
                yield f"{item.function} reads {name!r} before its parts are combined"
        written = [self.buffers[n] for n in (*item.updates, *item.writes) if n in self.buffers]
        self.in_parts |= {x.name for x in written if x.combine}
        self.contributed |= {x.name for x in written if x.lifetime == "contribution"}

    def unfinished(self) -> Iterator[str]:
        """Contributions that a phase leaves behind where it ends."""
        for name in sorted(self.contributed):
            yield f"phase {self.phase} ends, and {name!r} is not combined over the tree"
        self.contributed.clear()


def _xla_faults(sequence: KernelSequence) -> Iterator[str]:
    for item in sequence.items:
        if isinstance(item, Combine) or item.kind != "xla":
            continue
        updates = sequence.mode == "update" and RESULT["update"] in item.writes
        if item.reason and len(sequence.items) > 1:
            yield f"{item.function}: what is left to xla stands alone"
        elif not item.reason and not updates:
            yield f"{item.function}: it is left to xla, and nothing says why"
        elif not item.reason and item is not sequence.items[-1]:
            yield f"{item.function}: the last sweep of an update is not the last item"


def _operand_faults(kernel: Kernel, body: Program, sequence: KernelSequence) -> Iterator[str]:
    loads = {n.attr: n.type for n in body.find("load")}
    effects = {e.attr: e for e in body.outputs}
    types = {name: effect.type for name, effect in effects.items()} | loads
    operands = {x.name: x for x in kernel.operands}
    if operands.keys() != types.keys():
        yield f"its operands {sorted(operands)} are not what its body mentions"
        return
    slots = [x.name for x in kernel.operands if x.written and x.lifetime == "leaf"]
    for name, x in operands.items():
        if x.read != (name in loads) or x.written != (name in effects):
            yield f"it has {name!r} to {x.access}, and its body uses it otherwise"
        if types[name].axes != x.axes:
            yield f"{name!r} varies along {x.axes}, and along something else in its body"
        if Dtypes(*sequence.dtypes).numpy(types[name].dtype).name != x.dtype:
            yield f"{name!r} is stored as {x.dtype}, and as something else in its body"
        if name in effects and (effects[name].op == "emit") != (x.lifetime == "contribution"):
            yield f"{name!r} is a contribution for one of the kernel and its body only"
        if x.written and combined(body, effects.get(name), slots) != (
            x.buffer.combine,
            x.buffer.over,
        ):
            yield f"{name!r} is in other parts than its body leaves"
    if set(kernel.scalars) != {n.attr for n in body.find("scalar")}:
        yield "its scalars are not those of its body"
    if kernel.flat != (body.rank is None):
        yield "a body that names no dimension, and no other, sees the leaf as a vector"
    if body.rank not in (None, sequence.dimensions):
        yield f"its body has {body.rank} dimensions, and the sequence {sequence.dimensions}"


def _sweep_faults(kernel: Kernel, body: Program) -> Iterator[str]:
    """A sweep is cut into tiles that know nothing of each other."""
    for n in reductions_used(body):
        yield f"{n!r} uses a reduction that is still in parts"
    for n in body.nodes():
        if is_reduction(n) and not is_statistic(n):
            yield f"{n!r} reduces what every tile would have to compute"
    partial = {x.name for x in kernel.operands if x.partial}
    for effect in body.outputs:
        if not (is_large(effect) or effect.attr in partial):
            yield f"{effect!r} would be written by one tile while others read it"
    if kernel.item.independent:
        yield "independent dimensions are those of a finalize"


def _finalize_faults(kernel: Kernel, body: Program) -> Iterator[str]:
    if any(is_large(n) for n in body.nodes()):
        yield "it finalizes small values only"
    slots = [x.name for x in kernel.operands if x.written and x.lifetime == "leaf"]
    if kernel.item.independent != independent(body, slots):
        yield f"its independent dimensions are not {kernel.item.independent}"


_KINDS: Mapping[str, Callable[[Kernel, Program], Iterator[str]]] = {
    "sweep": _sweep_faults,
    "finalize": _finalize_faults,
    "xla": lambda kernel, body: iter(()),
}
