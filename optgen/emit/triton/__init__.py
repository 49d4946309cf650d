"""Emitter of the ``triton`` target: a ``@triton.jit`` function for each kernel."""

from __future__ import annotations

from collections.abc import Sequence

from optgen.emit.header import header, title
from optgen.emit.kernels import Emitter, distinct_functions
from optgen.emit.lowered import Lowered
from optgen.emit.templates import template
from optgen.emit.triton.finalize import FinalizeFunction, entangled
from optgen.emit.triton.flat import FlatSweep
from optgen.emit.triton.function import Helpers, KernelFunction
from optgen.emit.triton.matrix import MatrixSweep
from optgen.runtime.vocabulary.sequence import Kernel
from optgen.schedule.sequence import Schedule


def source(lowered: Lowered, schedules: Sequence[Schedule]) -> str:
    """The file with the functions."""
    kernels = list(distinct_functions(schedules))
    helpers = Helpers(kernel.function for kernel, _, _ in kernels)
    functions: list[str] = []
    for kernel, body, dtypes in kernels:
        text = _kind(kernel)(kernel, body, dtypes, helpers).text()
        functions += [*helpers.take(), text]
    text = "\n".join(functions)
    return template("triton.py.jinja").render(
        title=title(lowered),
        paragraphs=header(lowered),
        functions=functions,
        matrices="ROWS_INNERMOST" in text,
        device="device." in text,
        libdevice="libdevice." in text,
    )


def _kind(kernel: Kernel) -> type[KernelFunction]:
    if kernel.kind == "finalize":
        return FinalizeFunction
    return FlatSweep if kernel.flat else MatrixSweep


def refuses(schedule: Schedule) -> str:
    """Says why there are no kernels for a schedule; empty where there are."""
    if any(kernel.kind == "finalize" and entangled(kernel, body) for kernel, body in schedule):
        return "small slots of different shapes are each made of the other's old values"
    return ""


EMITTER = Emitter("triton", ".py", "triton", "python", source, refuses)
