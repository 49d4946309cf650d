"""The registry of emitters: one for each target that has kernels."""

from __future__ import annotations

from optgen.emit import cpu, tpu, triton
from optgen.emit.kernels import Emitter

EMITTERS: dict[str, Emitter] = {}
"""The emitters, by the name of their target."""


def register(emitter: Emitter) -> None:
    """Adds an emitter, or replaces the one of its target."""
    EMITTERS[emitter.target] = emitter


for _emitter in (cpu.EMITTER, triton.EMITTER, tpu.EMITTER):
    register(_emitter)
