"""A description of the machine and the software that a run was made with."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from pathlib import Path

import jax

from optgen.runtime.execution.targets import HERE, TARGETS
from optgen_bench.records import Machine

_PACKAGES = ("jax", "jaxlib", "optax", "optgen", "numpy", "torch", "triton", "jax-triton", "libtpu")
_VARIABLES = ("XLA_FLAGS", "NPROC", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "JAX_ENABLE_X64")


def describe() -> Machine:
    """Returns what this process runs on, with the versions of everything that is compared."""
    device = jax.devices()[0]
    return Machine(
        cpu=cpu_model(),
        cores=os.cpu_count() or 1,
        threads=threads(),
        memory_bytes=_meminfo("MemTotal"),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        platform=jax.default_backend(),
        device=str(device.device_kind),
        versions=_versions(),
        busy=busy(),
        environment={name: os.environ[name] for name in _VARIABLES if name in os.environ},
    )


def planned_for() -> str:
    """Returns the machine, as `optgen explain --machine` knows it, whose plan counts the bytes.

    The plan for a GPU of another name is that of any: none keeps a leaf on chip.
    """
    if not any(t.backend == jax.default_backend() and t.machines() for t in TARGETS.values()):
        return HERE
    kind = str(jax.devices()[0].device_kind).lower()
    serving = (t for t in TARGETS.values() if t.backend == jax.default_backend())
    machines = [name for target in serving for name in target.machines()]
    return next((name for name in machines if name in kind), machines[0])


def threads() -> int:
    """Returns the number of cores that this process may use, which XLA takes for its pool."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def busy(seconds: float = 0.5) -> float | None:
    """Returns the share of all cores' time that other programs take now, or None where unknown."""
    before = _cpu_times()
    time.sleep(seconds)
    after = _cpu_times()
    if before is None or after is None or after[1] == before[1]:
        return None
    return 1 - (after[0] - before[0]) / (after[1] - before[1])


def available_memory() -> int | None:
    """Returns the bytes of memory that the device can still give, or None where unknown."""
    statistics = jax.devices()[0].memory_stats()
    if statistics and "bytes_limit" in statistics:
        return int(statistics["bytes_limit"]) - int(statistics.get("bytes_in_use", 0))
    return _meminfo("MemAvailable") if jax.default_backend() == "cpu" else None


def cpu_model() -> str:
    """Returns the CPU's name as its maker writes it, or the architecture where unknown."""
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def title(machine: Machine) -> str:
    """Returns one line for a table's or a picture's heading."""
    where = f"{machine.cpu}, {machine.threads} threads"
    if machine.platform != "cpu":
        where = f"{machine.device} ({where})"
    versions = ", ".join(
        f"{name} {machine.versions[name]}"
        for name in ("jax", "optax", "torch")
        if name in machine.versions
    )
    return f"{where} · {versions}"


def _versions() -> dict[str, str]:
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _cpu_times() -> tuple[int, int] | None:
    """Ticks that all cores were idle, and all their ticks."""
    for line in _lines("/proc/stat"):
        if line.startswith("cpu "):
            ticks = [int(part) for part in line.split()[1:9]]
            return ticks[3] + ticks[4], sum(ticks)
    return None


def _meminfo(field: str) -> int | None:
    for line in _lines("/proc/meminfo"):
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return None


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
