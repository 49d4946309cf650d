"""Launch lists of the ``triton`` target, and the GPUs that it serves.

Bandwidths are published peaks. What a launch costs is a round estimate of the gap between two
dependent kernels.
"""

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
from optgen.runtime.vocabulary.machine import Limits, Machine

LIMITS = Limits(operands=4000)
"""Kernel parameters take 32,764 bytes from CUDA 12.1 on, 8 for a pointer. jax_triton 0.3 passes an
array twice that is updated in place, so every operand is counted twice."""


def launches(leaves: Sequence[PlacedLeaf], limits: Limits) -> LaunchList:
    """Returns one launch for each point of a phase, of all kernels that leaves come to there."""
    result: list[Launch] = []
    points: dict[tuple[int, int], list[Run]] = {}
    for place, leaf in enumerate(leaves):
        if reason := why_left_to_xla(leaf):
            result += left_to_xla(place, leaf, reason)
            continue
        for phase in range(leaf.sequence.phases):
            for point, kernel in enumerate(leaf.sequence.launched(phase)):
                points.setdefault((phase, point), []).append(Run(place, (kernel,)))
        result += last_sweep(place, leaf)
    for (phase, _), runs in sorted(points.items()):
        result += (Launch(phase, part) for part in that_fit(runs, limits.operands, _operands))
    return in_order(result)


def _operands(run: Run) -> int:
    return 2 * sum(len(kernel.operands) for kernel in run.kernels)


def _gpu(name: str, title: str, bandwidth: float, source: str) -> Machine:
    return Machine(name, title, "triton", bandwidth, 3e-6, LIMITS, source)


MACHINES = {
    machine.name: machine
    for machine in (
        _gpu("a100", "NVIDIA A100 80 GB SXM", 2.039e12, "NVIDIA's A100 80 GB data sheet"),
        _gpu("h100", "NVIDIA H100 SXM", 3.35e12, "NVIDIA's H100 data sheet"),
        _gpu("h200", "NVIDIA H200 SXM", 4.8e12, "NVIDIA's H200 data sheet"),
        _gpu("b200", "NVIDIA B200", 8.0e12, "NVIDIA's DGX B200 data sheet, an eighth"),
    )
}
"""The GPUs that are known by name."""
