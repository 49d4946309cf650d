"""The chips that can be compiled for: what their compilers have to be told of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from optgen.errors import UsageError


@dataclass(frozen=True, slots=True)
class Chip:
    """A chip, as its compiler knows it.

    Attributes:
      name: what ``--machine`` calls it.
      platform: the platform of JAX that it belongs to.
      topology: the name of the smallest system with one.
      config: what XLA's GPU compiler reads of a GPU, a ``GpuTargetConfigProto`` as text; empty for
        TPUs, which libtpu knows.
    """

    name: str
    platform: Literal["cuda", "tpu"]
    topology: str
    config: str = ""


def chip(name: str) -> Chip:
    """The chip of this name.

    Raises:
      UsageError: for a name that is not known, listing those that are.
    """
    if name not in CHIPS:
        raise UsageError(f"unknown chip {name!r}; known: {', '.join(CHIPS)}")
    return CHIPS[name]


def _gpu(
    name: str,
    title: str,
    capability: int,
    *,
    multiprocessors: int,
    float32_units: int,
    clock_ghz: float,
    bandwidth: int,
    memory: int,
    level_two: int,
    shared_memory: int,
) -> Chip:
    """A GPU, from NVIDIA's data sheet, and its CUDA programming guide for the capability.

    Args:
      name: what ``--machine`` calls it.
      title: its name in prose.
      capability: the compute capability: 9 is 9.0.
      multiprocessors: how many there are.
      float32_units: of one multiprocessor.
      clock_ghz: the highest.
      bandwidth: of memory, in bytes per second.
      memory: in bytes.
      level_two: the cache that all share, in bytes.
      shared_memory: of one multiprocessor, in bytes; a block may ask for all but one KiB.
    """
    # Compiling without the chip, XLA takes these for the version of cuDNN it would find there.
    dnn = {"major": 9, "minor": 10}
    device = {
        "threads_per_block_limit": 1024,
        "threads_per_warp": 32,
        "shared_memory_per_block": 48 << 10,
        "shared_memory_per_block_optin": shared_memory - (1 << 10),
        "shared_memory_per_core": shared_memory,
        "threads_per_core_limit": 2048,
        "core_count": multiprocessors,
        "fpus_per_core": float32_units,
        "block_dim_limit_x": 2**31 - 1,
        "block_dim_limit_y": 2**16 - 1,
        "block_dim_limit_z": 2**16 - 1,
        "thread_dim_limit_x": 1024,
        "thread_dim_limit_y": 1024,
        "thread_dim_limit_z": 64,
        "registers_per_core_limit": 1 << 16,
        "registers_per_block_limit": 1 << 16,
        "memory_bandwidth": bandwidth,
        "l2_cache_size": level_two,
        "clock_rate_ghz": clock_ghz,
        "device_memory_size": memory,
        "cuda_compute_capability": {"major": capability},
    }
    config = {
        "gpu_device_info": device,
        "platform_name": "CUDA",
        "dnn_version_info": dnn,
        "device_description_str": title,
    }
    return Chip(name, "cuda", "1x1x1", "\n".join(_proto(config)))


def _proto(message: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """A protocol buffer's text format."""
    for name, value in message.items():
        if isinstance(value, Mapping):
            yield f"{indent}{name} {{"
            yield from _proto(value, indent + "  ")
            yield f"{indent}}}"
        else:
            text = f'"{value}"' if isinstance(value, str) else value
            yield f"{indent}{name}: {text}"


_GIB, _MIB, _KIB = 2**30, 2**20, 2**10

CHIPS: Mapping[str, Chip] = {
    known.name: known
    for known in (
        _gpu(
            "a100",
            "NVIDIA A100-SXM4-80GB",
            8,
            multiprocessors=108,
            float32_units=64,
            clock_ghz=1.41,
            bandwidth=2_039_000_000_000,
            memory=80 * _GIB,
            level_two=40 * _MIB,
            shared_memory=164 * _KIB,
        ),
        _gpu(
            "h100",
            "NVIDIA H100 80GB HBM3",
            9,
            multiprocessors=132,
            float32_units=128,
            clock_ghz=1.98,
            bandwidth=3_350_000_000_000,
            memory=80 * _GIB,
            level_two=50 * _MIB,
            shared_memory=228 * _KIB,
        ),
        _gpu(
            "h200",
            "NVIDIA H200",
            9,
            multiprocessors=132,
            float32_units=128,
            clock_ghz=1.98,
            bandwidth=4_800_000_000_000,
            memory=141 * _GIB,
            level_two=50 * _MIB,
            shared_memory=228 * _KIB,
        ),
        _gpu(
            "b200",
            "NVIDIA B200",
            10,
            multiprocessors=148,
            float32_units=128,
            clock_ghz=1.965,
            bandwidth=8_000_000_000_000,
            memory=180 * _GIB,
            level_two=126 * _MIB,
            shared_memory=228 * _KIB,
        ),
        Chip("v4", "tpu", "v4:2x2x1"),
        Chip("v5e", "tpu", "v5e:1x1"),
        Chip("v5p", "tpu", "v5p:2x2x1"),
        Chip("v6e", "tpu", "v6e:1x1"),
        Chip("tpu7x", "tpu", "tpu7x:2x2x1"),
    )
}
"""The chips, by name."""
