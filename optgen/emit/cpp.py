"""C++ source: the printer of kernel bodies.

What is computed once for each column is kept for the rows of the tile.
"""

from __future__ import annotations

from collections.abc import Iterable

from optgen.emit.levels import Leveled
from optgen.emit.printer import ATOM, Operator, Text
from optgen.ir.evaluate import Dtypes
from optgen.ir.node import Node
from optgen.ir.program import Program
from optgen.ir.types import BOOL, LEAF, Axes

_TYPES = {
    "float32": "float",
    "float64": "double",
    "bfloat16": "optgen::bfloat16",
    "float16": "optgen::float16",
}
_FUNCTIONS = {
    "maximum": "optgen::maximum",
    "minimum": "optgen::minimum",
    "sign": "optgen::sign",
    "round": "std::nearbyint",
}
_LOOPS = ("leaf", "tile", "i", "row", "column", "begin", "end", "width", "Real")
"""What the loops call their own values."""

# fmt: off
_WORDS = (
    "int", "float", "double", "bool", "char", "short", "long", "signed", "unsigned", "void",
    "auto", "const", "static", "struct", "class", "new", "delete", "this", "true", "false", "for",
    "while", "do", "if", "else", "return", "switch", "case", "break", "default", "template",
    "typename", "namespace", "using", "operator", "public", "private", "protected", "virtual",
    "inline", "extern", "volatile", "register", "goto", "union", "enum", "sizeof", "throw", "try",
    "catch", "and", "or", "not", "xor", "std", "optgen", "int64_t", "size_t",
)
# fmt: on
"""Words of C++ that are names in Python, and the namespaces."""


def cpp_type(dtype: str, dtypes: Dtypes) -> str:
    """The C++ type of a storage dtype."""
    return _TYPES[getattr(dtypes, dtype, dtype)]


def data(name: str) -> str:
    """What the array of a value is called."""
    return f"{name}_data"


def mask(axes: Axes, dimensions: int) -> str:
    """Dimensions of a view as bits."""
    bits = range(dimensions) if axes == LEAF else axes
    return f"0b{sum(1 << d for d in bits):b}"


class Cpp(Leveled):
    """Expressions of C++ over the arrays of a leaf, in ``Real``."""

    infix = {  # noqa: RUF012  (as in the class above, which has Python's)
        "or": Operator("||", 1),
        "and": Operator("&&", 2),
        "lt": Operator("<", 4, chains=False),
        "le": Operator("<=", 4, chains=False),
        "gt": Operator(">", 4, chains=False),
        "ge": Operator(">=", 4, chains=False),
        "eq": Operator("==", 3, chains=False),
        "ne": Operator("!=", 3, chains=False),
        "add": Operator("+", 5),
        "sub": Operator("-", 5),
        "mul": Operator("*", 6),
        "div": Operator("/", 6),
    }
    prefix = {"neg": Operator("-", 7), "not": Operator("!", 7)}  # noqa: RUF012

    def __init__(
        self,
        program: Program,
        dtypes: Dtypes,
        dimensions: int,
        scalars: dict[str, int],
        reserved: Iterable[str] = (),
    ) -> None:
        self.dtypes, self.scalars = dtypes, scalars
        self.buffers: list[str] = []
        arrays = [data(n.attr) for n in program.nodes() if n.op in ("load", "store", "emit")]
        super().__init__(program, dimensions, (*_LOOPS, *_WORDS, *arrays, *reserved))

    # Spelling.

    def const(self, value: float) -> str:
        """A number, in the precision of the leaf."""
        if value != value:
            return "std::numeric_limits<Real>::quiet_NaN()"
        if value in (float("inf"), float("-inf")):
            sign = "-" if value < 0 else ""
            return f"{sign}std::numeric_limits<Real>::infinity()"
        return f"Real({super().const(value)})"

    def call(self, op: str, args: list[str]) -> str:
        """An operation that has no operator."""
        if op == "where":
            return f"({args[0]} ? {args[1]} : {args[2]})"
        if op == "rsqrt":
            return f"(Real(1) / std::sqrt({args[0]}))"
        return f"{_FUNCTIONS.get(op, f'std::{op}')}({', '.join(args)})"

    def mean(self, total: Node) -> Text:
        """A sum over the number of its terms."""
        count = f"leaf.extent<Real>({mask(total.attr, self.dimensions)})"
        return f"{self.text(total)[0]} / {count}", self.infix["div"].precedence

    def extent(self, n: Node) -> Text:
        """A number of elements."""
        return f"leaf.extent<Real>({mask(n.attr, self.dimensions)})", ATOM

    def cast(self, n: Node) -> Text:
        """A boolean as 0 or 1, or a rounding inside the body."""
        (arg,) = n.args
        if arg.type.dtype == BOOL:
            return f"({self.text(arg)[0]} ? Real(1) : Real(0))", ATOM
        storage = cpp_type(arg.type.dtype, self.dtypes)
        return f"static_cast<Real>({storage}({self.text(arg.args[0])[0]}))", ATOM

    # Levels.

    def scalar(self, n: Node) -> str:
        """Scalars are in doubles."""
        return f"static_cast<Real>(leaf.scalar({self.scalars[n.attr]}))"

    def load(self, n: Node) -> Text:
        """An element, in the precision of the leaf."""
        index = {"scalar": "0", "element": "i"}.get(self._level)
        if index is None:
            index = f"leaf.layout.offset({mask(n.type.axes, self.dimensions)}, row)"
        if self._level == "column":
            at = self.unique(f"{n.attr}_at")
            self.levels["row"].append(f"const int64_t {at} = {index};")
            return f"static_cast<Real>({data(n.attr)}[{at} + column])", ATOM
        return self.bind(n.attr, (f"static_cast<Real>({data(n.attr)}[{index}])", ATOM))

    def bind(self, name: str, text: Text) -> Text:
        """Makes a statement of an expression at the level that is being printed."""
        name = self.unique(name)
        if self._level == "column":
            self.buffers.append(name)
            self.levels["column"].append(f"{name}[column] = {text[0]};")
            return f"{name}[column]", ATOM
        self.levels[self._level].append(f"const auto {name} = {text[0]};")
        return name, ATOM
