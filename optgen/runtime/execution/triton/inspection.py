"""Launches as Triton compiles them, for people and tests: its IR, PTX, and what it takes.

Nothing here needs a GPU or jax_triton.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from optgen.runtime.execution.target import UnrunStep
from optgen.runtime.execution.triton import dispatch
from optgen.runtime.execution.triton.launcher import TritonExecutor
from optgen.runtime.execution.triton.modules import launch_function
from optgen.runtime.execution.triton.options import Options
from optgen.runtime.vocabulary.module import Kernels

_TYPES = {"float32": "*fp32", "float64": "*fp64", "bfloat16": "*bf16", "float16": "*fp16"}


@dataclass(frozen=True)
class Launch:
    """One launch of a step.

    Attributes:
      kernel: the Triton function.
      parameters: what each of its arrays is called, and its dtype.
      programs: how many programs there are.
      options: how it is compiled.
    """

    kernel: Any
    parameters: Mapping[str, str]
    programs: int
    options: Options


@dataclass(frozen=True)
class Compiled:
    """Launch as Triton compiled it: its code, and the registers and memory that it takes.

    Attributes:
      name: of the kernel.
      ttir: Triton's own IR.
      ptx: what it gave to NVIDIA's assembler.
      registers: of a thread.
      stack: bytes of a thread's stack.
      spills: bytes of loads and stores that the assembler added for want of registers.
      shared: bytes of shared memory of a program.
    """

    name: str
    ttir: str = field(repr=False)
    ptx: str = field(repr=False)
    registers: int
    stack: int
    spills: int
    shared: int

    def widths(self, what: str = "ld") -> dict[int, int]:
        """Number of loads (``ld``) or stores (``st``) of global memory, by their bytes."""
        counts: dict[int, int] = {}
        for vector, bits in re.findall(rf"{what}\.global\S*?(?:\.v(\d))?\.b(\d+)\b", self.ptx):
            width = int(vector or 1) * int(bits) // 8
            counts[width] = counts.get(width, 0) + 1
        if what == "ld":  # those of a pipeline go to shared memory
            for number in re.findall(r"cp\.async\.c[ag]\.shared\.global.*?\], (\w+)", self.ptx):
                counts[int(number, 0)] = counts.get(int(number, 0), 0) + 1
        return counts


class Recorder:
    """Calls nothing: collects the launches of a step while its shapes are evaluated."""

    def __init__(self) -> None:
        self.launches: list[Launch] = []

    def call(
        self,
        kernels: Kernels,
        sections: Sequence[dispatch.Section],
        inputs: Sequence[jax.Array],
        names: Sequence[str],
        outputs: Mapping[str, jax.ShapeDtypeStruct],
        aliases: Mapping[int, int],
        options: Options,
    ) -> list[jax.Array]:
        """See ``bridge.call``."""
        aliased = set(aliases.values())
        arrays = dict(zip(names, (x.dtype.name for x in inputs), strict=True))
        arrays |= {n: x.dtype.name for i, (n, x) in enumerate(outputs.items()) if i not in aliased}
        kernel = launch_function(kernels, list(arrays), sections)
        programs = sum(section.programs for section in sections)
        self.launches.append(Launch(kernel, arrays, programs, options))
        return [jnp.zeros(x.shape, x.dtype) for x in outputs.values()]


def record(step: UnrunStep) -> list[Launch]:
    """Returns the launches of a step. Triton is imported, and nothing runs."""
    recorder = Recorder()
    jax.eval_shape(step.executed_by(TritonExecutor(step.kernels, recorder.call)), step.leaves)
    return recorder.launches


def compile_launch(launch: Launch, compute_capability: int) -> Compiled:
    """Compiles a launch to machine code.

    Args:
      launch: what a ``Recorder`` collected.
      compute_capability: of the GPU, 90 for 9.0.
    """
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    signature = {name: _TYPES[dtype] for name, dtype in launch.parameters.items()}
    source = ASTSource(
        fn=launch.kernel,
        signature=signature,
        constexprs={},
        attrs={(i,): [["tt.divisibility", 16]] for i in range(len(launch.parameters))},
    )
    kernel = triton.compile(
        source,
        target=GPUTarget("cuda", compute_capability, 32),
        options={
            "num_warps": launch.options.warps,
            "num_stages": launch.options.stages,
            "enable_fp_fusion": True,
        },
    )
    usage = _usage(kernel.asm["cubin"])
    return Compiled(
        name=launch.kernel.__name__,
        ttir=kernel.asm["ttir"],
        ptx=kernel.asm["ptx"],
        registers=usage["REG"],
        stack=usage["STACK"],
        spills=usage["LOCAL"],
        shared=kernel.metadata.shared,
    )


def _usage(cubin: bytes) -> dict[str, int]:
    """Resources that a kernel takes, as the assembler reports them."""
    import triton.backends.nvidia

    tool = Path(triton.backends.nvidia.__file__).parent / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        command = [str(tool), "-res-usage", file.name]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {name: int(value) for name, value in re.findall(r"\b(REG|STACK|LOCAL):(\d+)", text)}
