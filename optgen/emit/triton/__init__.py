"""The ``triton`` target: a ``@triton.jit`` function for each kernel of the plan."""

from __future__ import annotations

from collections.abc import Sequence

from optgen.emit.lowered import Lowered
from optgen.emit.tables import MODES, Functions, Route, routes, tables
from optgen.emit.templates import template
from optgen.emit.triton.kernel import NotCovered, TritonFunction
from optgen.emit.triton.settle import Settle
from optgen.emit.triton.sweep import Flat, Matrix
from optgen.emit.xla import header, title
from optgen.ir.evaluate import Dtypes
from optgen.schedule.kernel import Kernel
from optgen.schedule.leaf import Mode


def emit(lowered: Lowered, dtypes: Sequence[Dtypes]) -> dict[str, str]:
    """The ``source`` of the ``triton`` target, and its ``tables`` with ``KERNELS``.

    Args:
      lowered: the programs of a tree.
      dtypes: for which dtypes of parameters and gradients to emit kernels.
    """
    library = _Library()
    found: dict[Mode, Functions] = {
        mode: [
            (route, functions)
            for route in routes(lowered, dtypes, mode)
            if (functions := library.functions_of(route))
        ]
        for mode in MODES
    }
    text = "\n\n\n".join(library.texts.values())
    source = template("triton.py.jinja").render(
        title=title(lowered),
        paragraphs=header(lowered),
        functions=list(library.texts.values()),
        device="device." in text,
        libdevice="libdevice." in text,
    )
    kernels = tables(lowered, "triton", found)
    return {
        "source": source,
        "tables": template("tables.py.jinja").render(
            name=lowered.name, target="Triton", kernels=kernels
        ),
    }


class _Library:
    """The functions of a file: what prints alike, for a step and an update say, stands once."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self._known: dict[str, str] = {}

    def functions_of(self, route: Route) -> list[tuple[str, TritonFunction]]:
        """The functions of a route; none where one of its kernels is not covered."""
        try:
            return self._named(route)
        except NotCovered:
            return []

    def _named(self, route: Route) -> list[tuple[str, TritonFunction]]:
        parts: dict[str, str | None] = {}  # how what is left in parts so far is combined
        functions = []
        for place, planned in enumerate(route.planned):
            kernel = planned.kernel
            anonymous = function("kernel", kernel, route.dtypes, parts)
            name = self._known.get(anonymous.text, f"{route.name}_{place + 1}")
            made = function(name, kernel, route.dtypes, parts)
            for x in made.operands:
                if x.access != "in":
                    parts[x.name] = x.combine if x.access == "partial" else None
            functions.append((anonymous.text, name, made))
        for text, name, made in functions:
            self._known.setdefault(text, name)
            self.texts.setdefault(name, made.text)
        return [(name, made) for _, name, made in functions]


def function(
    name: str, kernel: Kernel, dtypes: Dtypes, parts: dict[str, str | None]
) -> TritonFunction:
    """Prints one kernel.

    Args:
      name: what the function is called.
      kernel: the kernel, which has a view.
      dtypes: what its symbolic dtypes stand for.
      parts: how the arrays that earlier kernels left in parts are combined.
    """
    assert kernel.view is not None
    if kernel.kind == "settle":
        return Settle(name, kernel, dtypes, parts).function()
    if kernel.view.kind == "flat":
        return Flat(name, kernel, dtypes, parts).function()
    return Matrix(name, kernel, dtypes, parts).function()
