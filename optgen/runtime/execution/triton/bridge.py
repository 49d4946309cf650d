"""Calls Triton kernels through jax_triton, whichever of its releases is installed.

0.3 gives a kernel pointers for all outputs after those of its inputs, 0.4 for those alone that
take no input's memory.

A launch is compiled once for a user: it is kept as what ``jax.export`` makes of it, so that the
next process that lowers it imports neither Triton nor jax_triton.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import inspect
import os
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import jax
import jax.export

from optgen import config
from optgen.errors import CacheError, TargetError
from optgen.runtime.execution.cache import Store
from optgen.runtime.execution.notice import warn
from optgen.runtime.execution.triton import dispatch
from optgen.runtime.execution.triton.modules import launch_function, launch_source
from optgen.runtime.execution.triton.options import Options
from optgen.runtime.execution.triton.status import capability, version_of
from optgen.runtime.vocabulary.module import Kernels


@functools.cache
def jax_triton() -> ModuleType:
    """The module; it takes Triton's own cache away, which is given back."""
    before = os.environ.get("TRITON_CACHE_DIR")
    try:
        import jax_triton
    finally:
        if before is None:
            os.environ.pop("TRITON_CACHE_DIR", None)
        else:
            os.environ["TRITON_CACHE_DIR"] = before
    return jax_triton


def outputs_that_are_given(outputs: Sequence[str], aliases: Mapping[int, int]) -> list[str]:
    """The outputs that a kernel is given pointers for, after its inputs."""
    if _old():
        return list(outputs)
    aliased = set(aliases.values())
    return [name for i, name in enumerate(outputs) if i not in aliased]


def _old() -> bool:
    """True for releases of jax-triton before 0.4; a build from source shows it by its signature."""
    version = version_of("jax-triton")
    if version is None:
        return "out_shape" in inspect.signature(jax_triton().triton_call).parameters
    return tuple(map(int, version.split(".")[:2])) < (0, 4)


def compute_capability() -> int:
    """Of the GPUs that are here, 90 for 9.0; else what the environment says.

    Raises:
      TargetError: where they are of different ones: machine code for one does not run on another.
      UsageError: where the environment says none.
    """
    if jax.default_backend() != "gpu":
        return capability(config.COMPUTE_CAPABILITY.get())
    versions = sorted({str(device.compute_capability) for device in jax.local_devices()})
    if len(versions) > 1:
        raise TargetError(
            f"this machine has GPUs of the compute capabilities {' and '.join(versions)}, and one "
            "computation is compiled for one: choose with CUDA_VISIBLE_DEVICES"
        )
    return capability(versions[0])


def call(
    kernels: Kernels,
    sections: Sequence[dispatch.Section],
    inputs: Sequence[jax.Array],
    names: Sequence[str],
    outputs: Mapping[str, jax.ShapeDtypeStruct],
    aliases: Mapping[int, int],
    options: Options,
) -> list[jax.Array]:
    """One launch.

    Args:
      kernels: what was emitted.
      sections: which of its functions run, and on what.
      inputs: arrays.
      names: what the launch calls them.
      outputs: the results by name.
      aliases: for an input, by its number, the result that takes its memory.
      options: compile-time options.

    Returns:
      The results.
    """
    launch = _Launch(
        kernels,
        tuple(sections),
        tuple(jax.ShapeDtypeStruct(x.shape, x.dtype) for x in inputs),
        (*names, *outputs_that_are_given(list(outputs), aliases)),
        tuple(outputs.values()),
        tuple(aliases.items()),
        options,
        compute_capability(),
    )
    if importlib.util.find_spec("flatbuffers") is None:  # in which jax.export writes
        return launch.call(*inputs)
    try:
        path = LAUNCHES.fetch(launch.stem, lambda scratch: launch.exported())
    except CacheError as error:
        warn(f"a launch is compiled again in each process: {error}")
        return launch.call(*inputs)
    return list(jax.export.deserialize(bytearray(path.read_bytes())).call(*inputs))


LAUNCHES = Store("triton", ".jax")

_SOURCES = ("bridge.py", "device.py")
"""Files, besides what was emitted, whose text a cached launch depends on."""


@dataclass(frozen=True)
class _Launch:
    """One launch, and all that what is compiled for it depends on."""

    kernels: Kernels
    sections: tuple[dispatch.Section, ...]
    inputs: tuple[jax.ShapeDtypeStruct, ...]
    parameters: tuple[str, ...]
    outputs: tuple[jax.ShapeDtypeStruct, ...]
    aliases: tuple[tuple[int, int], ...]
    options: Options
    compute_capability: int

    @property
    def stem(self) -> str:
        """A name that tells it apart from all others."""
        described = (
            launch_source(self.kernels, self.parameters, self.sections),
            self.kernels.text,
            [Path(__file__).with_name(name).read_text("utf-8") for name in _SOURCES],
            [(x.shape, x.dtype.name) for x in (*self.inputs, *self.outputs)],
            self.aliases,
            self.options,
            self.compute_capability,
            [(name, version_of(name)) for name in ("jax", "jaxlib", "jax-triton", "triton")],
        )
        digest = hashlib.sha256(repr(described).encode()).hexdigest()
        return f"{self.kernels.name}-{digest[:32]}"

    def exported(self) -> bytes:
        """The launch compiled by Triton, in the form in which JAX keeps a computation.

        It is made in a thread of its own, where no mesh is set: JAX would note the number of its
        devices, and refuse it beside any other.
        """
        wide = jax.config.read("jax_enable_x64")
        with ThreadPoolExecutor(1) as alone:
            return alone.submit(self._exported, wide).result()

    def _exported(self, wide: bool) -> bytes:
        targets = ("triton_kernel_call", "triton_kernel_call_ffi")
        with jax.enable_x64(wide):
            exported = jax.export.export(
                jax.jit(self.call),
                platforms=("cuda",),
                disabled_checks=[jax.export.DisabledSafetyCheck.custom_call(t) for t in targets],
            )(*self.inputs)
        return bytes(exported.serialize())

    def call(self, *inputs: jax.Array) -> list[jax.Array]:
        """Compiles and calls it."""
        kernel = launch_function(self.kernels, self.parameters, self.sections)
        with warnings.catch_warnings():
            # 0.4 would rather have references, which a step's own arrays are not.
            warnings.filterwarnings("ignore", "input_output_aliases is deprecated")
            return list(
                jax_triton().triton_call(
                    *inputs,
                    kernel=kernel,
                    grid=(sum(section.programs for section in self.sections),),
                    name=kernel.__name__,
                    num_warps=self.options.warps,
                    num_stages=self.options.stages,
                    compute_capability=self.compute_capability,
                    input_output_aliases=dict(self.aliases),
                    **{"out_shape" if _old() else "out_type": list(self.outputs)},
                )
            )
