"""Common parts of the functions of all kinds of kernels: arguments, addresses, reductions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from optgen.emit.triton.layout import docstring, laid_out, statement, sums
from optgen.ir.evaluate import Dtypes
from optgen.ir.node import Node
from optgen.ir.program import Program
from optgen.ir.types import Axes
from optgen.runtime.vocabulary.sequence import Kernel, Operand
from optgen.runtime.vocabulary.view import along, dimension_names, extent_name

IDENTITY = {"sum": "0.0", "max": 'float("-inf")', "min": 'float("inf")'}
"""Result of a reduction over nothing."""
# fmt: off
_NAMES = (
    "BLOCK", "INNER", "OUTER", "ROWS_INNERMOST", "STAGES", "at", "block", "blocks", "chunk",
    "chunks", "column_part", "column_parts", "device", "first", "first_inner", "first_outer",
    "float", "index", "inner", "inner_extent", "inner_stride", "inside", "last", "libdevice",
    "offsets", "outer", "outer_extent", "outer_stride", "program", "programs", "range", "row_part",
    "row_parts", "scalars", "start", "strip", "strips", "tile", "tiles", "tl", "triton",
    "whole",
)
# fmt: on
"""Names of the functions' own values, and of modules."""

_LONG = 76  # of an address; what is longer is added up in statements of its own

_ROLE = re.compile(r"_(step|update|finalize|statistics|sweep)(_\d+)?$")


def pointer(name: str) -> str:
    """Name of the pointer to the array of a value."""
    return f"{name}_ptr"


class Helpers:
    """Functions that kernels call; what several kernels call alike is there once.

    Attributes:
      new: those that were added since they were last taken.
    """

    def __init__(self, taken: Iterable[str]) -> None:
        self.new: list[str] = []
        self._taken = set(taken)
        self._names: dict[tuple[object, ...], str] = {}

    def add(self, name: str, arguments: Sequence[str], lines: Sequence[str]) -> str:
        """Adds a function, if it is not there; returns what it is called."""
        key = (name, *arguments, None, *lines)
        if key not in self._names:
            free, number = name, 1
            while free in self._taken:
                number += 1
                free = f"{name}_{number}"
            self._taken.add(free)
            self._names[key] = free
            self.new.append(definition(free, arguments, lines))
        return self._names[key]

    def take(self) -> list[str]:
        """The functions that are new; they are so no more."""
        new, self.new = self.new, []
        return new


class KernelFunction:
    """A kernel as a function of Triton.

    Attributes:
      kernel: the kernel.
      body: what it computes.
      dtypes: what symbolic dtypes stand for.
      helpers: the functions that kernels call.
      words: what the dimensions of its view are called.
      operands: its operands by name.
      integers: the arguments that are numbers which differ from leaf to leaf.
      reserved: names that no value can have.
      real: the dtype of arithmetic.
    """

    def __init__(self, kernel: Kernel, body: Program, dtypes: Dtypes, helpers: Helpers) -> None:
        self.kernel, self.body, self.dtypes, self.helpers = kernel, body, dtypes, helpers
        self.dimensions = kernel.dimensions
        self.words = dimension_names(kernel.dimensions)
        self.operands = {x.name: x for x in kernel.operands}
        self.integers: dict[str, None] = {}
        self.reserved = {*_NAMES, *self.words, *map(extent_name, self.words)}
        self.reserved |= {f"{word}_stride" for word in self.words}
        for name in self.operands:
            suffixes = ("ptr", "at", "parts", "elements")
            self.reserved |= {f"{name}_{suffix}" for suffix in suffixes}
            self.reserved |= {f"{name}_{word}_stride" for word in self.words}
        self.real = f"tl.{dtypes.real}"

    def text(self) -> str:
        """The function, laid out as a formatter leaves it; adds the functions that it calls."""
        raise NotImplementedError

    def integer(self, name: str) -> str:
        """A number that differs from leaf to leaf."""
        self.integers[name] = None
        return name

    def along(self, axes: Axes) -> tuple[int, ...]:
        """Dimensions by their numbers."""
        return along(axes, self.dimensions)

    def extent(self, dimension: int) -> str:
        """The extent of a dimension."""
        return self.integer(extent_name(self.words[dimension]))

    def count(self, axes: Axes) -> str:
        """Number of elements along some dimensions, in 64 bits if there may be many."""
        first, *rest = (self.extent(d) for d in self.along(axes))
        return " * ".join([f"tl.cast({first}, tl.int64)", *rest]) if rest else first

    def term(self, x: Operand, dimension: int, index: str = "") -> str:
        """Offset that an index adds to an element's address in a small array, which is dense."""
        word = self.words[dimension]
        if x.axes == (dimension,):
            return index or word
        return f"{index or word} * {self.integer(f'{x.name}_{word}_stride')}"

    def address(self, x: Operand, terms: Sequence[str], before: list[str]) -> str:
        """The sum of the terms; where it is long, the statements that compute it come before."""
        terms = [pointer(x.name), *terms]
        if len(" + ".join(terms)) <= _LONG:
            return " + ".join(terms)
        name = f"{x.name}_at"
        before += sums(name, terms)
        return name

    @property
    def prefix(self) -> str:
        """Prefix of the names of the functions of one variant."""
        return _ROLE.sub("", self.kernel.function)

    def load(self, n: Node) -> str:
        """The expression that loads what a program needs of an array, as it is stored."""
        raise NotImplementedError

    def combined(self, x: Operand, place: str, places: Sequence[str] = ()) -> str:
        """Call that combines a reduction's parts; ``places`` say which elements, if many."""
        how, parts = x.buffer.combine, self.integer(f"{x.name}_parts")
        if not x.axes:
            return f"device.{how}_of_parts({place}, {parts}, 1)"
        elements = self.integer(f"{x.name}_elements")
        suffix, more = ("", ()) if not places else (f"_{places[0]}", places[1:])
        return f"device.{how}_of_parts{suffix}({', '.join([place, parts, elements, *more])})"

    def numbers(self) -> list[str]:
        """The arguments that are numbers of a leaf: the extents of its view, then all others."""
        extents = [*map(extent_name, self.words), "outer_extent", "inner_extent"]
        known = [name for name in extents if name in self.integers]
        return [*known, *(name for name in self.integers if name not in known)]

    def about(self) -> str:
        """The function's docstring."""
        reads = [x.name for x in self.kernel.operands if x.read]
        writes = [x.name for x in self.kernel.operands if x.written]
        return docstring(f"Reads {', '.join(reads) or 'nothing'}; writes {', '.join(writes)}.")

    def arrays(self) -> list[str]:
        """The arguments that are pointers."""
        scalars = ["scalars"] if self.kernel.scalars else []
        return [*scalars, *(pointer(x.name) for x in self.kernel.operands)]


def definition(name: str, arguments: Sequence[str], lines: Sequence[str]) -> str:
    """A function, laid out as a formatter leaves it."""
    body = [part for line in lines for part in laid_out(f"    {line}")]
    return "\n".join(["@triton.jit", *statement(f"def {name}(", arguments, "):"), *body])


def reduced(how: str, x: str, axis: str = "") -> str:
    """The reduction of a tile."""
    return f"device.{how}_of({x}{axis})"


def joined(how: str, total: str, x: str) -> str:
    """The statement by which a value joins a reduction."""
    if how == "sum":
        return f"{total} += {x}"
    return f"{total} = device.{'maximum' if how == 'max' else 'minimum'}({total}, {x})"


def mentioned(names: Iterable[str], lines: Iterable[str]) -> list[str]:
    """Those of some names that statements read or assign."""
    words = set(re.findall(r"[A-Za-z_]\w*", "\n".join(lines)))
    return [name for name in dict.fromkeys(names) if name in words]


def assigned(lines: Iterable[str]) -> list[str]:
    """The names that statements begin with."""
    return [line.partition(" = ")[0] for line in lines if " = " in line and line[0] != " "]
