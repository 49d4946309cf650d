"""What the functions of all kinds of kernels share: arguments, addresses, reductions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from optgen.emit.triton.layout import docstring, laid_out, statement, sums
from optgen.ir.evaluate import Dtypes
from optgen.ir.node import Node
from optgen.ir.types import LEAF, REAL, Axes
from optgen.runtime.execution.triton.geometry import plural, words
from optgen.runtime.vocabulary.kernels import Section
from optgen.schedule.kernel import Kernel, Operand

IDENTITY = {"sum": "0.0", "max": 'float("-inf")', "min": 'float("inf")'}
"""What a reduction over nothing gives."""
# fmt: off
_NAMES = (
    "BLOCK", "COLUMNS", "ROWS", "STAGES", "at", "block", "blocks", "column", "column_tile",
    "column_tiles", "columns", "device", "first", "first_column", "first_row", "float", "index",
    "inside", "inside_columns", "inside_rows", "last", "libdevice", "offsets", "part", "program",
    "range", "row", "row_chunk", "row_chunks", "rows", "scalars", "size", "start", "tile",
    "tiles", "tl", "triton", "whole",
)
# fmt: on
"""What the functions call their own values, and the modules."""

_LONG = 56  # of an address; what is longer is added up in statements of its own


def pointer(name: str) -> str:
    """What the array of a value is called."""
    return f"{name}_ptr"


class NotCovered(Exception):
    """What no function is made for, and ``jnp`` computes beside the kernels.

    There is one such thing: small slots of different shapes, each made of the other's old values.
    """


@dataclass(frozen=True)
class TritonFunction:
    """A kernel as Triton source.

    Attributes:
      text: the functions.
      operands: the arrays, with what it leaves in parts marked ``partial``.
      sections: of a settling kernel, the dimensions of each kind of array that programs share,
        and the reductions over it.
      apart: of one that needs a program for a whole leaf, the dimensions that have each their own.
    """

    text: str
    operands: tuple[Operand, ...]
    sections: tuple[Section, ...] = ()
    apart: tuple[int, ...] = ()


class KernelEmitter:
    """What the functions of all kinds of kernels share."""

    def __init__(
        self, name: str, kernel: Kernel, dtypes: Dtypes, parts: dict[str, str | None]
    ) -> None:
        assert kernel.view is not None
        self.name, self.kernel, self.dtypes = name, kernel, dtypes
        self.dimensions = len(kernel.view.roles)
        self.words = words(self.dimensions)
        self.operands = {x.name: x for x in kernel.operands}
        # What earlier kernels left in parts, and this one reads.
        self.combined = {
            x.name: how
            for x in kernel.operands
            if x.access in ("in", "in-out") and (how := parts.get(x.name)) is not None
        }
        self.integers: dict[str, None] = {}
        self.reserved = {*_NAMES, *(pointer(x.name) for x in kernel.operands)}
        for x in kernel.operands:
            if x.purpose in ("statistic", "contribution"):
                self.reserved |= {f"{x.name}_{what}" for what in ("offset", "parts", "elements")}
            self.reserved |= {f"{x.name}_{word}_stride" for word in self.words} | {f"{x.name}_at"}
        self.reserved |= {f"{word}_stride" for word in self.words} | set(self.words)
        self.reserved |= {self.plural(d) for d in range(self.dimensions)}
        self.real = f"tl.{getattr(dtypes, REAL)}"

    def along(self, axes: Axes) -> tuple[int, ...]:
        """The dimensions that axes are."""
        return tuple(range(self.dimensions)) if isinstance(axes, str) else axes

    def integer(self, name: str) -> str:
        """A number that differs from leaf to leaf."""
        self.integers[name] = None
        return name

    def plural(self, dimension: int) -> str:
        """What the extent of a dimension is called."""
        return plural(self.words[dimension])

    def extent(self, dimension: int) -> str:
        """The extent of a dimension."""
        return self.integer(self.plural(dimension))

    def count(self, axes: Axes) -> str:
        """How many elements there are along some dimensions, as 64 bits if there may be many."""
        first, *rest = (self.extent(d) for d in self.along(axes))
        return " * ".join([f"tl.cast({first}, tl.int64)", *rest]) if rest else first

    def stride(self, x: Operand, dimension: int) -> str:
        """The stride of an array along a dimension of the view."""
        word = self.words[dimension]
        own = "" if x.type.axes == LEAF else f"{x.name}_"
        return self.integer(f"{own}{word}_stride")

    def array(self, x: Operand) -> str:
        """Where the array of a leaf begins."""
        if x.purpose in ("statistic", "contribution"):
            return f"{pointer(x.name)} + {self.integer(f'{x.name}_offset')}"
        return pointer(x.name)

    def address(self, x: Operand, terms: Sequence[str], before: list[str]) -> str:
        """The sum of the terms; where it is long, the statements that compute it come before."""
        terms = [self.array(x), *terms]
        if len(" + ".join(terms)) <= _LONG:
            return " + ".join(terms)
        name = f"{x.name}_at"
        before += sums(name, terms)
        return name

    def load(self, n: Node) -> str:
        """The expression that loads what a program needs of an array."""
        raise NotImplementedError

    def widened(self, loaded: str) -> str:
        """What was loaded, in the precision of the leaf."""
        return f"{loaded}.to({self.real})"

    def about(self) -> str:
        """The function's docstring."""
        reads = [x.name for x in self.kernel.operands if x.access in ("in", "in-out")]
        writes = [x.name for x in self.kernel.operands if x.access != "in"]
        return docstring(f"Reads {', '.join(reads) or 'nothing'}; writes {', '.join(writes)}.")

    def arrays(self) -> list[str]:
        """The arguments that are pointers."""
        return ["scalars", *(pointer(x.name) for x in self.kernel.operands)]

    def marked(self, partial: dict[str, str]) -> tuple[Operand, ...]:
        """The operands, with what is left in parts marked, and how it is combined."""
        return tuple(
            replace(x, access="partial", combine=partial[x.name])
            if x.name in partial
            else replace(x, access="out", combine=None)
            if x.access == "partial"
            else x
            for x in self.kernel.operands
        )

    def definition(self, name: str, arguments: Sequence[str], lines: Sequence[str]) -> str:
        """A function, laid out as a formatter leaves it."""
        body = [laid for line in lines for laid in laid_out(f"    {line}")]
        return "\n".join(["@triton.jit", *statement(f"def {name}(", arguments, "):"), *body])


def reduced(how: str, x: str, axis: str = "") -> str:
    """The reduction of a tile."""
    return f"device.{how}_of({x}{axis})"


def joined(how: str, total: str, x: str) -> str:
    if how == "sum":
        return f"{total} += {x}"
    return f"{total} = device.{'maximum' if how == 'max' else 'minimum'}({total}, {x})"
