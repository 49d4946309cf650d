"""Compiled text of the launches of a step, for a reader: Triton's IR or PTX."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

from optgen import config
from optgen.errors import TargetError
from optgen.runtime.execution.target import UnrunStep
from optgen.runtime.execution.triton.inspection import Compiled, Launch, compile_launch, record
from optgen.runtime.execution.triton.status import capability


def check_triton() -> None:
    """Refuses where Triton is not installed.

    Raises:
      TargetError: saying what to install.
    """
    if importlib.util.find_spec("triton") is None:
        raise TargetError("Triton compiles the kernels, and cannot be found: pip install triton")


def listing(form: str, step: UnrunStep) -> str:
    """All launches of a step, each after what it is and what it takes.

    Args:
      form: ``ttir``, beside which stands the source of the launch, or ``ptx``.
      step: what is compiled.

    Raises:
      TargetError: where Triton is not installed.
    """
    check_triton()
    launches = record(step)
    wanted = step.compute_capability or config.COMPUTE_CAPABILITY.get()
    compute_capability = capability(str(wanted) if wanted else wanted)
    parts = []
    for number, launch in enumerate(launches, 1):
        compiled = compile_launch(launch, compute_capability)
        head = [f"launch {number} of {len(launches)}: {compiled.name}"]
        head += _about(launch, compiled, compute_capability)
        if form == "ttir":
            head += ["", *launch.kernel.src.rstrip().splitlines()]
        comment = "\n".join(f"// {line}".rstrip() for line in head)
        parts.append(f"{comment}\n{getattr(compiled, form).strip()}\n")
    return "\n".join(parts) or "// No launch: XLA compiles all that this step does.\n"


def _about(launch: Launch, compiled: Compiled, compute_capability: int) -> Iterator[str]:
    options = launch.options
    programs = f"{launch.programs:,} program{'' if launch.programs == 1 else 's'}"
    yield f"{programs} of {options.warps} warps, in {options.stages} stages"
    yield (
        f"on sm_{compute_capability}: {compiled.registers} registers of a thread, "
        f"{compiled.spills} bytes spilled, {compiled.stack} of stack, "
        f"{compiled.shared} of shared memory"
    )
