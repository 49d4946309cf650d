"""A library of kernels for the ``cpu`` target: its functions, its table of kernels, its entry."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from optgen.emit.cpu.finalize import Finalize
from optgen.emit.cpu.printer import cpp_type, data, field, indented
from optgen.emit.cpu.sweep import Sweep, reduction_type
from optgen.emit.header import header, title
from optgen.emit.kernels import distinct_functions
from optgen.emit.lowered import Lowered
from optgen.emit.templates import template
from optgen.ir.evaluate import Dtypes
from optgen.ir.program import Program
from optgen.runtime.execution.cpu.order import ENTRY, scalar_places
from optgen.runtime.vocabulary.sequence import Kernel
from optgen.schedule.sequence import Schedule

_WIDTH = 100


def source(lowered: Lowered, schedules: Sequence[Schedule]) -> str:
    """The file with the functions."""
    functions = list(distinct_functions(schedules))
    return template("cpu.cc.jinja").render(
        title=title(lowered),
        paragraphs=header(lowered),
        scalars=[field(name) for name in scalar_places(s.sequence for s in schedules)],
        functions=[_function(*function) for function in functions],
        kernels=[_declaration(kernel) for kernel, _, _ in functions],
        entry=ENTRY,
    )


def _function(kernel: Kernel, body: Program, dtypes: Dtypes) -> str:
    """A function, after a line on what it does."""
    emitter = (Finalize if kernel.kind == "finalize" else Sweep)(kernel, body, dtypes)
    lines = emitter.lines()
    lines.insert(0, f"using Real = {cpp_type(dtypes.real)};")
    text = "\n".join(lines)
    leaf = " leaf" if "leaf." in text or "(leaf" in text else ""
    scalars = " scalars" if "scalars." in text else ""
    parameters = [f"const optgen::Leaf&{leaf}", *_piece(kernel), f"const Scalars&{scalars}"]
    parameters += _arrays(kernel)
    oriented = ["template <class Order>"] if _is_oriented(kernel) else []
    return "\n".join(
        [
            *_about(kernel),
            *oriented,
            *_head(f"static void {kernel.function}(", parameters),
            *indented(lines),
            "}",
        ]
    )


def _is_oriented(kernel: Kernel) -> bool:
    return kernel.kind == "sweep" and not kernel.flat


def _piece(kernel: Kernel) -> list[str]:
    """Parameters for the part of a leaf that a function takes: a finalize takes all of it."""
    if kernel.kind == "finalize":
        return []
    return ["const optgen::Slice& slice" if kernel.flat else "const optgen::Tile<Order>& tile"]


def _arrays(kernel: Kernel) -> list[str]:
    """The parameters that are operands."""
    parameters = []
    for x in kernel.operands:
        if x.partial and kernel.kind == "sweep":
            parameters.append(f"{reduction_type(x, kernel.dimensions)} {x.name}_part")
        else:
            const = "" if x.written else "const "
            parameters.append(f"{const}{cpp_type(x.dtype)}* __restrict {data(x.name)}")
    return parameters


def _head(start: str, parameters: Sequence[str]) -> list[str]:
    """The head of a function, over as few lines as hold it."""
    lines = [start]
    for place, parameter in enumerate(parameters):
        last = place + 1 == len(parameters)
        text = parameter + (") {" if last else ",")
        if len(lines) == 1 or len(lines[-1]) + 1 + len(text) > _WIDTH:
            lines.append(f"    {text}")
        else:
            lines[-1] += f" {text}"
    return lines


def _about(kernel: Kernel) -> list[str]:
    """The comment on what a function does."""
    reads = [x.name for x in kernel.operands if x.read]
    writes = [x.name for x in kernel.operands if x.written]
    about = f"Reads {', '.join(reads) or 'nothing'}; writes {', '.join(writes)}."
    return [f"// {line}" for line in textwrap.wrap(about, _WIDTH - 3)]


def _declaration(kernel: Kernel) -> str:
    """The kernel in the table of kernels."""
    if _is_oriented(kernel):
        row_major, column_major = (
            f"optgen::declare<{kernel.function}<optgen::{order}>>()"
            for order in ("RowMajor", "ColumnMajor")
        )
        return f"{{.row_major = {row_major},\n     .column_major = {column_major}}}"
    kind = "finalize" if kernel.kind == "finalize" else "vector"
    return f"{{.{kind} = optgen::declare<{kernel.function}>()}}"
