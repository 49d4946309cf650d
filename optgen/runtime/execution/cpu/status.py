"""Availability of CPU kernels on this machine, and the compiler that they use."""

from __future__ import annotations

import functools
import sys

from optgen.errors import OptgenError
from optgen.runtime.execution.cpu import compiler


@functools.cache
def unavailable() -> str | None:
    """Reason for which CPU kernels cannot serve in this process; None where they can.

    The first call finds the compiler, tries it, and loads the handler; the answer stands until
    the process ends.
    """
    if sys.platform == "win32":
        return "CPU kernels need Linux or macOS: their compiler and cache are not made for Windows"
    from optgen.runtime.execution.cpu.handler import handler

    try:
        compiler.find()
        handler()
    except OptgenError as error:
        return str(error)
    except Exception as error:  # whatever is wrong with JAX's own part is the reason
        return f"JAX does not take the handler of CPU kernels ({type(error).__name__}: {error})"
    return None


def describe() -> dict[str, str]:
    """Compiler of CPU kernels, its flags and their cache, by name, for people to read."""
    try:
        toolchain = compiler.find()
        parts = {
            "compiler": " ".join(toolchain.command),
            "version": toolchain.version.partition("\n")[0],
            "flags": " ".join(toolchain.flags),
        }
    except OptgenError as error:
        parts = {"compiler": f"none: {error}"}
    return parts | {"cache": str(compiler.LIBRARIES.directory())}
