"""What the planner knows of the hardware: one frozen record for each machine.

Bandwidths are published peaks. For TPUs they, and the sizes of VMEM, are those of one JAX device:
a whole chip, but one of its two TensorCores on TPU7x. What a launch costs is a round estimate of
the gap between two dependent kernels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from optgen.errors import UsageError
from optgen.runtime.execution.tpu.chip import GENERATIONS
from optgen.runtime.execution.tpu.packed import LARGEST
from optgen.schedule.measure import (
    copy_bandwidth,
    core_count,
    level_two_bytes,
    vector_bytes,
)


@dataclass(frozen=True)
class Machine:
    """All that the planner knows of a machine.

    Attributes:
      name: what ``--machine`` calls it.
      title: its name in prose.
      kind: which target serves it.
      bandwidth: of memory, reads and writes together, in bytes per second.
      on_chip_bytes: how large a leaf may be, with all its arrays, to be kept on chip while one
        kernel reads it once; 0 where kernels spread every leaf over the whole chip.
      launch_cost: what a launch costs beyond its bytes, in seconds.
      cores: how many work at once.
      vector_bytes: the widest load of one lane or core, in bytes.
      max_operands: how many arrays one launch can be given, or None for no limit.
      source: where the figures are from.
      mixes_kernels: whether one launch runs all kernels that can run at the same time.
      shared_elements: how large a leaf may be to share a launch with others, or None for any.
    """

    name: str
    title: str
    kind: Literal["cpu", "gpu", "tpu"]
    bandwidth: float
    on_chip_bytes: int
    launch_cost: float
    cores: int
    vector_bytes: int
    max_operands: int | None
    source: str
    shared_elements: int | None = None
    mixes_kernels: bool = False


def _gpu(name: str, title: str, bandwidth: float, cores: int, source: str) -> Machine:
    # Kernel parameters take 32,764 bytes from CUDA 12.1 on, 8 for a pointer, and an array that is
    # updated in place may have two. One launch spreads a leaf over all multiprocessors, so none
    # keeps it on chip.
    return Machine(
        name, title, "gpu", bandwidth, 0, 3e-6, cores, 16, 2000, source, mixes_kernels=True
    )


def _tpu(name: str, title: str, bandwidth: float, cores: int) -> Machine:
    # A register holds 8×128 float32.
    source = "Google Cloud's documentation of the generation; VMEM from JAX's Pallas TPU reference"
    room = GENERATIONS[name].room
    return Machine(name, title, "tpu", bandwidth, room, 2e-6, cores, 4096, None, source, LARGEST)


MACHINES = {
    machine.name: machine
    for machine in (
        _gpu("a100", "NVIDIA A100 80 GB SXM", 2.039e12, 108, "NVIDIA's A100 80 GB data sheet"),
        _gpu("h100", "NVIDIA H100 SXM", 3.35e12, 132, "NVIDIA's H100 data sheet"),
        _gpu("h200", "NVIDIA H200 SXM", 4.8e12, 132, "NVIDIA's H200 data sheet"),
        _gpu("b200", "NVIDIA B200", 8.0e12, 148, "NVIDIA's DGX B200 data sheet, an eighth"),
        _tpu("v4", "TPU v4", 1.228e12, 2),
        _tpu("v5e", "TPU v5e", 8.19e11, 1),
        _tpu("v5p", "TPU v5p", 2.765e12, 2),
        _tpu("v6e", "TPU v6e", 1.64e12, 1),
        _tpu("tpu7x", "TPU7x, one of two cores", 3.69e12, 1),
    )
}
"""The machines that are known by name."""

HERE = "here"
"""The name of the machine that this process runs on."""


def machine(name: str) -> Machine:
    """The machine of this name; ``"here"`` is measured, which takes up to a second once.

    Raises:
      UsageError: for a name that is not known, listing those that are.
    """
    if name == HERE:
        return this_machine()
    if name not in MACHINES:
        raise UsageError(f"unknown machine {name!r}; known: {', '.join([*MACHINES, HERE])}")
    return MACHINES[name]


def this_machine() -> Machine:
    """The CPU that this process runs on, its bandwidth measured once by copying."""
    cores = core_count()
    return Machine(
        name=HERE,
        title=f"this machine, {cores} CPU core{'s' if cores > 1 else ''}",
        kind="cpu",
        bandwidth=copy_bandwidth(),
        # Half of one core's own cache: the other half is for what comes next.
        on_chip_bytes=level_two_bytes() // 2,
        launch_cost=10e-6,
        cores=cores,
        vector_bytes=vector_bytes(),
        max_operands=None,
        source="measured: the best of several copies by all cores, bytes read plus bytes written",
    )
