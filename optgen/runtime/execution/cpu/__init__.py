"""Compiles, keeps, loads and calls the C++ kernels that were emitted for CPUs.

A kernel is a function of the type ``optgen_entry`` in ``native/optgen_kernel.h``. ``entry``
compiles it into the user's cache and gives it a key; ``call`` calls it through the one FFI
target, whose handler is ``native/handler.cc``.
"""

from optgen.runtime.execution.cpu.call import call
from optgen.runtime.execution.cpu.compiler import compile_library
from optgen.runtime.execution.cpu.handler import entry
from optgen.runtime.execution.cpu.status import describe, unavailable

__all__ = ["call", "compile_library", "describe", "entry", "unavailable"]
