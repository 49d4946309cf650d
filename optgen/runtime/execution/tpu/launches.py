"""Launch lists of the ``tpu`` target, and the TPUs that it serves.

Small leaves share launches, in each of which every leaf is whole in vector memory (VMEM). A large
leaf has a launch for each phase in which it stays in VMEM from its first kernel to its last, where
it fits; else one for each sweep, with finalizes between them that XLA computes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

from optgen.runtime.execution.tpu import packed
from optgen.runtime.execution.tpu.chip import GENERATIONS
from optgen.runtime.execution.tpu.frame import padded
from optgen.runtime.execution.tpu.sweeps import Sweeps
from optgen.runtime.execution.tpu.work import Work
from optgen.runtime.vocabulary.launches import (
    Launch,
    LaunchList,
    PlacedLeaf,
    Run,
    in_order,
    last_sweep,
    left_to_xla,
    why_left_to_xla,
)
from optgen.runtime.vocabulary.machine import Limits, Machine

SMALL = 1 << 15
"""The most elements of a small leaf: nothing is gained by sharing a launch above."""

PACK = 1 << 18
"""The most elements of a launch on small leaves: its body is unrolled."""

_FINALIZE = "XLA computes small values of a leaf that does not stay in VMEM"


def launches(leaves: Sequence[PlacedLeaf], limits: Limits) -> LaunchList:
    """Returns the launches of small leaves together, and those of each large one."""
    room = limits.on_chip_bytes
    result: list[Launch] = []
    works: dict[int, list[tuple[int, Work]]] = {}  # of each phase, with the places of leaves
    for place, leaf in enumerate(leaves):
        phases = _phases(leaf)
        if reason := why_left_to_xla(leaf) or _why_not(leaf, phases, room):
            result += left_to_xla(place, leaf, reason)
            continue
        for work in phases:
            works.setdefault(work.kernels[0].phase, []).append((place, work))
        result += last_sweep(place, leaf)
    for phase, of_phase in works.items():
        alone = [item for item in of_phase if not _is_small(item[1])]
        for pack in _packs([item for item in of_phase if _is_small(item[1])], room):
            if len(pack) == 1:
                alone += pack
            else:
                runs = [Run(place, work.kernels, resident=True) for place, work in pack]
                result.append(Launch(phase, tuple(runs)))
        for place, work in alone:
            result += _alone(place, work, room)
    return in_order(result)


def _phases(leaf: PlacedLeaf) -> list[Work]:
    """The kernels of each phase of a leaf."""
    phases = (leaf.sequence.launched(phase) for phase in range(leaf.sequence.phases))
    return [Work(leaf, kernels) for kernels in phases if kernels]


def _why_not(leaf: PlacedLeaf, phases: Sequence[Work], room: int) -> str:
    """Says why kernels do not serve a leaf; empty where they do."""
    if leaf.size == 1:
        return "it has one element, which XLA computes on the side"
    for work in phases:
        sweeps = [Work(leaf, (kernel,)) for kernel in work.kernels if kernel.kind == "sweep"]
        if not _stays(work, room) and not all(_fits(sweep, room) for sweep in sweeps):
            return "its statistics do not fit in VMEM beside its tiles"
    return ""


def _is_small(work: Work) -> bool:
    return padded(work.frame.dims, 4) <= SMALL


def _packs(works: Iterable[tuple[int, Work]], room: int) -> Iterator[list[tuple[int, Work]]]:
    """Cuts small leaves into launches: those that contribute alike, as many as one can take.

    Leaves of one shape are next to each other: launches of the same leaves are traced once.
    """

    def contributions(item: tuple[int, Work]) -> tuple[str, ...]:
        return item[1].contributions

    by_shape = sorted(works, key=lambda item: item[1].leaf.shape)
    for _, alike in itertools.groupby(sorted(by_shape, key=contributions), key=contributions):
        pack: list[tuple[int, Work]] = []
        elements = bytes_ = 0
        for place, work in alike:
            more, more_bytes = padded(work.frame.dims, 4), packed.vmem(work)
            if pack and (elements + more > PACK or bytes_ + more_bytes > room // 2):
                yield pack
                pack, elements, bytes_ = [], 0, 0
            pack.append((place, work))
            elements, bytes_ = elements + more, bytes_ + more_bytes
        yield pack


def _alone(place: int, work: Work, room: int) -> Iterator[Launch]:
    """The launches of a phase of one leaf."""
    phase = work.kernels[0].phase
    if _stays(work, room):
        yield Launch(phase, (Run(place, work.kernels, resident=True),))
        return
    for kernel in work.kernels:
        reason = _FINALIZE if kernel.kind == "finalize" else ""
        yield Launch(phase, (Run(place, (kernel,)),), reason)


def _stays(work: Work, room: int) -> bool:
    """True where a leaf stays in VMEM throughout a phase of several kernels."""
    sweeps = any(kernel.kind == "sweep" for kernel in work.kernels)
    return len(work.kernels) > 1 and sweeps and _fits(work, room)


def _fits(work: Work, room: int) -> bool:
    return Sweeps(work).vmem <= room


def _tpu(name: str, title: str, bandwidth: float) -> Machine:
    source = "Google Cloud's documentation of the generation; VMEM from JAX's Pallas TPU reference"
    limits = Limits(on_chip_bytes=GENERATIONS[name].room)
    return Machine(name, title, "tpu", bandwidth, 2e-6, limits, source)


MACHINES = {
    machine.name: machine
    for machine in (
        _tpu("v4", "TPU v4", 1.228e12),
        _tpu("v5e", "TPU v5e", 8.19e11),
        _tpu("v5p", "TPU v5p", 2.765e12),
        _tpu("v6e", "TPU v6e", 1.64e12),
        _tpu("tpu7x", "TPU7x, one of two cores", 3.69e12),
    )
}
"""The TPUs that are known by name: figures are of one JAX device."""
