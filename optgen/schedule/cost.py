"""The byte count: what each launch reads and writes, by the name of the array."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from optgen.ir.evaluate import Dtypes
from optgen.schedule.graph import itemsize
from optgen.schedule.kernel import Kernel, Launch, Operand
from optgen.schedule.machine import Machine
from optgen.schedule.views import Layout


@dataclass(frozen=True)
class Traffic:
    """Bytes read from and written to memory, by the name of the array."""

    reads: dict[str, int]
    writes: dict[str, int]

    @property
    def total(self) -> int:
        """All bytes."""
        return sum(self.reads.values()) + sum(self.writes.values())


def traffic(launch: Launch) -> Traffic:
    """What a launch moves, in one piece for each leaf.

    What is left of a reduction is counted once: a GPU's programs leave a part each, which the next
    launch combines. For Adafactor that is a few hundredths of a byte for each parameter.
    """
    reads: Counter[str] = Counter()
    writes: Counter[str] = Counter()
    for operand in launch.kernel.operands:
        bytes_ = sum(operand_bytes(operand, layout, launch.dtypes) for layout in launch.layouts)
        if operand.access in ("in", "in-out"):
            reads[operand.name] += bytes_
        if operand.access != "in":
            writes[operand.name] += bytes_
    return Traffic(dict(reads), dict(writes))


def operand_bytes(operand: Operand, layout: Layout, dtypes: Dtypes) -> int:
    """The size of one operand of one leaf."""
    return layout.elements(operand.type.axes) * itemsize(operand.type.dtype, dtypes)


def bytes_moved(kernel: Kernel, layout: Layout, dtypes: Dtypes) -> int:
    """What a kernel moves for one leaf."""
    times = {"in": 1, "in-out": 2, "out": 1, "partial": 1}
    return sum(times[x.access] * operand_bytes(x, layout, dtypes) for x in kernel.operands)


def bytes_held(kernel: Kernel, layout: Layout, dtypes: Dtypes) -> int:
    """What a kernel needs on chip to hold one leaf."""
    return sum(operand_bytes(x, layout, dtypes) for x in kernel.operands)


def least_bytes(launches: Iterable[Launch]) -> int:
    """What would be moved if every array that outlives the step were moved once each way."""
    seen: set[tuple[int, str, bool]] = set()
    least = 0
    for launch in launches:
        for x in launch.kernel.operands:
            if x.purpose != "leaf":
                continue
            for leaf, layout in zip(launch.leaves, launch.layouts, strict=True):
                # What was written before is not read for its old value.
                reads = x.access != "out" and not seen & {(leaf, x.name, w) for w in (True, False)}
                writes = x.access != "in" and (leaf, x.name, True) not in seen
                least += (reads + writes) * operand_bytes(x, layout, launch.dtypes)
                seen |= {(leaf, x.name, False)} if reads else set()
                seen |= {(leaf, x.name, True)} if writes else set()
    return least


def scratch_bytes(launches: Iterable[Launch]) -> int:
    """The memory that temporaries, statistics and contributions take during the step."""
    sizes: dict[tuple[int, str], int] = {}
    for launch in launches:
        for x in launch.kernel.operands:
            if x.purpose != "leaf":
                for leaf, layout in zip(launch.leaves, launch.layouts, strict=True):
                    sizes[leaf, x.name] = operand_bytes(x, layout, launch.dtypes)
    return sum(sizes.values())


def count_launches(launches: Iterable[Launch]) -> int:
    """How many launches there are; what is left to xla is at least one for each leaf."""
    return sum(len(x.leaves) if x.kernel.kind == "xla" else not x.joined for x in launches)


def floor_seconds(launches: Iterable[Launch], machine: Machine) -> float:
    """The least time that the launches can take: their bytes, and what a launch costs."""
    launches = list(launches)
    moved = sum(traffic(launch).total for launch in launches)
    return moved / machine.bandwidth + count_launches(launches) * machine.launch_cost
