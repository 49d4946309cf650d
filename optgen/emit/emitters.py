"""The registry of emitters: one for each target that has kernels."""

from __future__ import annotations

from optgen.emit import cpu, pallas, triton
from optgen.emit.kernels import Emitter

EMITTERS: dict[str, Emitter] = {}
"""The emitters, by the name of their target."""


def register(emitter: Emitter) -> None:
    """Adds an emitter, or puts it in the place of the one of its target."""
    EMITTERS[emitter.target] = emitter


for _emitter in (cpu.EMITTER, triton.EMITTER, pallas.EMITTER):
    register(_emitter)
