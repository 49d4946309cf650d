"""Emitter of the ``cpu`` target: C++ kernels of a library, and the entry that launches them."""

from optgen.emit.cpu.axes import why_not
from optgen.emit.cpu.library import source
from optgen.emit.kernels import Emitter

EMITTER = Emitter("cpu", ".cc", "cpp", "cpp", source, refuses=why_not)
"""The ``cpu`` target."""
