"""The ``tpu`` target: a function of ``jnp`` for each kernel of the plan, run on tiles by Pallas."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from optgen.emit.lowered import Lowered
from optgen.emit.printer import ATOM, INFIX, Text
from optgen.emit.python import Doc, Jnp, literal, render
from optgen.emit.tables import MODES, Functions, Route, routes, tables
from optgen.emit.templates import template
from optgen.emit.xla import header, title
from optgen.ir.evaluate import Dtypes
from optgen.ir.node import Node
from optgen.ir.types import BOOL, LEAF, Axes
from optgen.schedule.kernel import Kernel, Operand
from optgen.schedule.leaf import Mode

STORED = ("float32", "bfloat16")
"""What arrays may be stored in. Arithmetic runs in float32: a TPU has no registers of float64, and
float16 only some generations convert."""

FUNCTIONS = ("cbrt", "expm1", "round_to")
"""What Mosaic has no operation for, and ``optgen.runtime.execution.tpu.functions`` writes out."""

_WORDS = ("leaf", "jnp", "lax", *FUNCTIONS)


@dataclass(frozen=True)
class PallasFunction:
    """A kernel as Pallas source.

    Attributes:
      text: the function.
      operands: the arrays, as the plan has them: a launch leaves no parts of a reduction.
      sections: none: a launch decides what runs at once.
      apart: none, likewise.
    """

    text: str
    operands: tuple[Operand, ...]
    sections: tuple[tuple[int, ...], ...] = ()
    apart: tuple[int, ...] = ()


def emit(lowered: Lowered, dtypes: Sequence[Dtypes]) -> dict[str, str]:
    """The ``source`` of the ``tpu`` target, and its ``tables`` with ``KERNELS``.

    Args:
      lowered: the programs of a tree.
      dtypes: for which dtypes of parameters and gradients to emit kernels; leaves of those that a
        TPU does not compute in are left to ``jnp``.
    """
    library = _Library()
    found: dict[Mode, Functions] = {
        mode: [
            (route, library.functions_of(route))
            for route in routes(lowered, dtypes, mode)
            if _fits_the_chip(route)
        ]
        for mode in MODES
    }
    text = "\n".join(library.texts.values())
    source = template("pallas.py.jinja").render(
        title=title(lowered),
        paragraphs=header(lowered),
        functions=list(library.texts.values()),
        jnp="jnp." in text,
        lax="lax." in text,
        library=[name for name in FUNCTIONS if f"{name}(" in text],
    )
    kernels = tables(lowered, "tpu", found)
    return {
        "source": source,
        "tables": template("tables.py.jinja").render(
            name=lowered.name, target="Pallas", kernels=kernels
        ),
    }


def _fits_the_chip(route: Route) -> bool:
    """Whether all that is stored, or rounded on the way, has a dtype that a TPU converts."""
    dtypes = route.dtypes
    if dtypes.real != "float32":
        return False
    bodies = [planned.kernel.body for planned in route.planned]
    named = {n.type.dtype for body in bodies for n in body.nodes()} - {BOOL}
    return all(getattr(dtypes, dtype, dtype) in STORED for dtype in named)


class _Library:
    """The functions of a file: what prints alike, for a step and an update say, stands once."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self._known: dict[str, str] = {}

    def functions_of(self, route: Route) -> list[tuple[str, PallasFunction]]:
        functions = []
        for place, planned in enumerate(route.planned):
            anonymous = function("kernel", planned.kernel, route.dtypes)
            name = self._known.setdefault(anonymous.text, f"{route.name}_{place + 1}")
            made = function(name, planned.kernel, route.dtypes)
            self.texts.setdefault(name, made.text)
            functions.append((name, made))
        return functions


def function(name: str, kernel: Kernel, dtypes: Dtypes) -> PallasFunction:
    """Prints one kernel.

    Args:
      name: what the function is called.
      kernel: the kernel, which has a view.
      dtypes: what its symbolic dtypes stand for.
    """
    printer = Pallas(kernel, dtypes)
    results = [f"{literal(o.attr)}: {printer.value(o.args[0])}" for o in kernel.body.outputs]
    read = [x.name for x in kernel.operands if x.access in ("in", "in-out")]
    arguments = ["leaf", *(printer.read(name) for name in (*read, *kernel.scalars))]
    lines = [f'"""{_about(kernel)}"""', *(f"{n} = {text}" for n, text in printer.statements)]
    lines.append(render(Doc("return {", results, "}"), "    "))
    head = render(Doc(f"def {name}(", arguments, "):"))
    text = "\n".join([head, *(f"    {line}" for line in lines)])
    return PallasFunction(text, kernel.operands)


def _about(kernel: Kernel) -> str:
    reads = [x.name for x in kernel.operands if x.access in ("in", "in-out")]
    writes = [x.name for x in kernel.operands if x.access in ("out", "in-out")]
    parts = [x.name for x in kernel.operands if x.access == "partial"]
    words = [f"Reads {', '.join(reads) or 'nothing'}"]
    words += [f"writes {', '.join(writes)}"] if writes else []
    words += [f"reduces to {', '.join(parts)}"] if parts else []
    return "\n    ".join(textwrap.wrap(f"{'; '.join(words)}.", 90))


class Pallas(Jnp):
    """Expressions of ``jnp`` over a tile of a leaf; ``leaf`` counts and reduces."""

    def __init__(self, kernel: Kernel, dtypes: Dtypes) -> None:
        self.dtypes = dtypes
        self._arguments: dict[str, str] = {}
        super().__init__(kernel.body, "leaf", FUNCTIONS)

    def value(self, n: Node) -> str:
        """What is stored: the launch repeats and rounds it as the array has it."""
        return self.text(n)[0]

    def read(self, name: str) -> str:
        """What an input is called in Python: another name where its own means something."""
        if name not in self._arguments:
            self._arguments[name] = self.unique(f"{name}_value") if name in _WORDS else name
        return self._arguments[name]

    def call(self, op: str, args: list[str]) -> str:
        """The function of ``jnp`` with the operation's name, or what stands for it."""
        return f"{op}({', '.join(args)})" if op in FUNCTIONS else super().call(op, args)

    def _reduce(self, function: str, n: Node, argument: str) -> str:
        return f"leaf.{function}({', '.join([argument, *_dimensions(n.attr)])})"

    def mean(self, total: Node) -> Text:
        """A sum over the number of its terms: of a tile there is a part of the sum only."""
        return f"{self.text(total)[0]} / {self.extent(total)[0]}", INFIX["div"].precedence

    def extent(self, n: Node) -> Text:
        """A number of elements."""
        return f"leaf.count({', '.join(_dimensions(n.attr))})", ATOM

    def cast(self, n: Node) -> Text:
        """A boolean as 0 or 1, or a rounding inside the body."""
        (arg,) = n.args
        if arg.type.dtype == BOOL:
            return super().cast(n)
        dtype = getattr(self.dtypes, arg.type.dtype, arg.type.dtype)
        return f"round_to({self.text(arg.args[0])[0]}, jnp.{dtype})", ATOM

    def filled(self, n: Node) -> str:
        """A value to reduce, with every element there."""
        value = self.visible(n)
        text = self.text(value)[0]
        if self._axes(value) == n.type.axes:
            return text
        return f"leaf.filled({', '.join([text, *_dimensions(n.type.axes)])})"


def _dimensions(axes: Axes) -> list[str]:
    """Dimensions of the view as arguments; none for all of them."""
    return [] if axes == LEAF else [str(d) for d in axes]
