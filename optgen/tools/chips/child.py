"""The child process that compiles: it serves one job after another, until its input ends.

A job is a line of JSON and the bytes of an exported function; the answer is a line of JSON. The
child's JAX runs on the CPU, and knows the chips as topologies alone.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from typing import Any, BinaryIO

from optgen.tools.chips.chip import CHIPS

ENVIRONMENT = {
    # The child runs nothing on a chip, and does not look for one.
    "JAX_PLATFORMS": "cpu",
    # Autotuning times kernels, and there is nothing to time them on.
    "XLA_FLAGS": "--xla_gpu_autotune_level=0",
    # An exported function may have arrays of any dtype.
    "JAX_ENABLE_X64": "1",
    # What is compiled is read and never run.
    "JAX_ENABLE_COMPILATION_CACHE": "false",
    # libtpu asks the cloud what it runs on where it is not told; the topology decides.
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    # One process at a time may run on a TPU; this one only compiles.
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}
"""The variables that the compilers read while the process starts."""


def serve() -> None:
    """Answers jobs from standard input on standard output, which nothing else may write to."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while line := sys.stdin.buffer.readline():
        answer = _answer(json.loads(line), sys.stdin.buffer)
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()


def _answer(job: dict[str, Any], source: BinaryIO) -> dict[str, Any]:
    exported = source.read(job["size"])
    try:
        return _compile(job["chip"], exported, job["donated"])
    except Exception as error:  # whatever a compiler says is the parent's to tell
        return {"error": f"{type(error).__name__}: {error}"}


def _compile(name: str, serialized: bytes, donated: list[int]) -> dict[str, Any]:
    import jax
    from jax import export

    exported = export.deserialize(bytearray(serialized))
    where = jax.sharding.SingleDeviceSharding(_device(name))
    jitted = jax.jit(
        exported.call,
        donate_argnums=donated,
        keep_unused=True,
        in_shardings=where,
        out_shardings=where,
    )
    lowered = jitted.trace(*exported.in_avals).lower(lowering_platforms=exported.platforms)
    begin = time.perf_counter()
    compiled = lowered.compile()
    seconds = time.perf_counter() - begin
    memory = compiled.memory_analysis()
    return {
        "text": compiled.as_text(),
        "seconds": seconds,
        "memory": {
            "argument": memory.argument_size_in_bytes,
            "output": memory.output_size_in_bytes,
            "alias": memory.alias_size_in_bytes,
            "temporary": memory.temp_size_in_bytes,
        },
    }


@functools.cache
def _device(name: str) -> Any:
    """One device of the chip's topology."""
    from jax.experimental import topologies

    chip = CHIPS[name]
    options = {"topology": chip.topology, "target_config": chip.config} if chip.config else {}
    topology = topologies.get_topology_desc(
        chip.topology if chip.platform == "tpu" else name, chip.platform, **options
    )
    return topology.devices[0]
