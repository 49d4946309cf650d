"""The machine that this process runs on."""

from __future__ import annotations

from optgen.runtime.execution.cpu.launches import LIMITS
from optgen.runtime.execution.cpu.measure import copy_bandwidth, core_count
from optgen.runtime.vocabulary.machine import Machine


def this_machine() -> Machine:
    """Returns the CPU of this process, its bandwidth measured once by copying."""
    cores = core_count()
    return Machine(
        name="here",
        title=f"this machine, {cores} CPU core{'s' if cores > 1 else ''}",
        target="cpu",
        bandwidth=copy_bandwidth(),
        launch_cost=10e-6,
        limits=LIMITS,
        source="measured: the best of several copies by all cores, bytes read plus bytes written",
    )
