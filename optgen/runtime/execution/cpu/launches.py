"""Launch lists of the ``cpu`` target: custom calls of many leaves, for each phase."""

from __future__ import annotations

from collections.abc import Sequence

from optgen.runtime.vocabulary.launches import (
    Launch,
    LaunchList,
    PlacedLeaf,
    Run,
    in_order,
    last_sweep,
    left_to_xla,
    that_fit,
    why_left_to_xla,
)
from optgen.runtime.vocabulary.machine import Limits

LIMITS = Limits(updated=450)
"""XLA's time to compile a custom call grows faster than the square of the arrays that it updates in
place, three a leaf for AdamW: 0.5 s for 148 leaves, 1.3 s for 250, 9.5 s for 500. On two cores a
step of 148 or of 1,000 leaves takes as long in one call as in three, or in ten."""


def launches(leaves: Sequence[PlacedLeaf], limits: Limits) -> LaunchList:
    """Returns the launches of each phase, of all leaves that kernels serve."""
    result: list[Launch] = []
    runs: dict[int, list[Run]] = {}
    for place, leaf in enumerate(leaves):
        if reason := why_left_to_xla(leaf) or _why_not(leaf):
            result += left_to_xla(place, leaf, reason)
            continue
        for phase in range(leaf.sequence.phases):
            if kernels := leaf.sequence.launched(phase):
                runs.setdefault(phase, []).append(Run(place, kernels))
        result += last_sweep(place, leaf)
    for phase, of_phase in runs.items():
        result += (Launch(phase, part) for part in that_fit(of_phase, limits.updated, _updated))
    return in_order(result)


def _updated(run: Run) -> int:
    """The number of arrays that a run reads first, and writes."""
    operands = [x for kernel in run.kernels for x in kernel.operands]
    first = {x.name: x.read for x in reversed(operands)}
    return sum(first[name] for name in {x.name for x in operands if x.written})


def _why_not(leaf: PlacedLeaf) -> str:
    """Reason for which the loops over rows and columns do not serve a leaf; empty where they do.

    Loops run along the innermost dimension of memory that has more than one element. Along a batch
    they would compute many matrices at once, and tiles are of one.
    """
    for kernel in leaf.sequence.kernels:
        layout = leaf.layout(kernel)
        innermost = next((d for d in reversed(layout.order) if layout.extents[d] > 1), None)
        if innermost is not None and innermost < kernel.dimensions - 2:
            return "its rows and columns are not innermost in memory"
    return ""
