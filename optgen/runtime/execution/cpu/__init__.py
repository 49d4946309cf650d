"""The ``cpu`` target: compiles, keeps, loads and calls the C++ kernels that were emitted.

A kernel is a function of the type ``optgen_entry`` in ``native/optgen_kernel.h``. ``entry``
compiles it into the user's cache and gives it a key; ``call`` calls it through the one FFI
target, whose handler is ``native/handler.cc``. One launch, a custom call, takes all that a phase
of the step does to some hundred leaves of a tree.
"""

from __future__ import annotations

from optgen.runtime.execution.cpu.call import call
from optgen.runtime.execution.cpu.compiler import compile_library
from optgen.runtime.execution.cpu.handler import entry
from optgen.runtime.execution.cpu.launches import LIMITS, launches
from optgen.runtime.execution.cpu.machine import this_machine
from optgen.runtime.execution.cpu.status import describe, unavailable
from optgen.runtime.execution.target import Executor, Target
from optgen.runtime.vocabulary.module import Kernels

__all__ = [
    "TARGET",
    "call",
    "compile_library",
    "describe",
    "entry",
    "this_machine",
    "unavailable",
]


def _executor(kernels: Kernels, interpreted: bool) -> Executor:
    from optgen.runtime.execution.cpu.executor import CpuExecutor

    return CpuExecutor(kernels)


def _prepare(kernels: Kernels) -> None:
    compile_library(kernels.text, kernels.name)


TARGET = Target(
    name="cpu",
    platform="cpu",
    backend="cpu",
    unavailable=unavailable,
    launches=launches,
    limits=lambda: LIMITS,
    executor=_executor,
    prepare=_prepare,
)
