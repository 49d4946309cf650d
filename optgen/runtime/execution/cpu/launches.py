"""Launch lists of the ``cpu`` target: one custom call for each phase."""

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
    why_left_to_xla,
)
from optgen.runtime.vocabulary.machine import Limits


def launches(leaves: Sequence[PlacedLeaf], limits: Limits) -> LaunchList:
    """Returns one launch for each phase, of all leaves that kernels serve."""
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
    result += (Launch(phase, tuple(of_phase)) for phase, of_phase in runs.items())
    return in_order(result)


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
