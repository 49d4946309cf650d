"""Emitter of the ``tpu`` target: a function of ``jnp`` for each kernel, run on tiles by Pallas."""

from __future__ import annotations

from collections.abc import Sequence

from optgen.emit.header import header, title
from optgen.emit.kernels import Emitter, distinct_functions
from optgen.emit.lowered import Lowered
from optgen.emit.templates import template
from optgen.emit.tpu.printer import FUNCTIONS, function
from optgen.ir.types import BOOL
from optgen.schedule.sequence import Schedule

ARITHMETIC = "float32"
"""The dtype that kernels compute in: a TPU has no registers of float64."""

STORED = ("float32", "bfloat16")
"""The dtypes of stored arrays: float16 is one that only some generations convert."""


def source(lowered: Lowered, schedules: Sequence[Schedule]) -> str:
    """The file with the functions."""
    functions = [function(*kernel) for kernel in distinct_functions(schedules)]
    text = "\n".join(functions)
    return template("tpu.py.jinja").render(
        title=title(lowered),
        paragraphs=header(lowered),
        functions=functions,
        jnp="jnp." in text,
        lax="lax." in text,
        library=[name for name in FUNCTIONS if f"{name}(" in text],
    )


def refuses(schedule: Schedule) -> str:
    """Says why a TPU does not compute in a schedule's dtypes; empty where it does."""
    param, grad, real = schedule.sequence.dtypes
    if real != ARITHMETIC:
        return f"it is computed in {real}, and a TPU computes in {ARITHMETIC}"
    concrete = {"param": param, "grad": grad, "real": real}
    named = {n.type.dtype for body in schedule.bodies for n in body.nodes()} - {BOOL}
    dtypes = {concrete.get(dtype, dtype) for dtype in named}
    if others := sorted(dtypes - set(STORED)):
        return f"it is stored in {', '.join(others)}, and TPUs convert {' and '.join(STORED)}"
    return ""


EMITTER = Emitter("tpu", ".py", "pallas", "python", source, refuses)
