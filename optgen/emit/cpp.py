"""C++ source: the printer of kernel bodies, and the loops that they stand in.

A value is computed at its own level: once for a tile if it varies along nothing, once for a row,
once for each column (kept for the rows of the tile), or for each element.
"""

from __future__ import annotations

from collections.abc import Iterable

from optgen.emit.printer import ATOM, Operator, Printer, Text
from optgen.ir.evaluate import Dtypes
from optgen.ir.node import Node
from optgen.ir.program import Program
from optgen.ir.types import BOOL, LEAF, REAL, SCALAR, Axes

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

LEVELS = ("scalar", "row", "column", "element")


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


class Cpp(Printer):
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
        self.dtypes, self.dimensions, self.scalars = dtypes, dimensions, scalars
        self.levels: dict[str, list[str]] = {level: [] for level in LEVELS}
        self.buffers: list[str] = []
        self.computed: dict[Node, str] = {}  # reductions that are there already
        self._level = "element"
        arrays = [data(n.attr) for n in program.nodes() if n.op in ("load", "store", "emit")]
        super().__init__(program, (*_LOOPS, *_WORDS, *arrays, *reserved))
        inputs = {n.attr for n in program.nodes() if n.op in ("load", "scalar")}
        self._taken -= inputs - {*_LOOPS, *_WORDS, *arrays, *reserved}  # others keep their names
        self._crossing = {
            self.visible(arg)
            for n in program.nodes()
            for arg in n.args
            if self.level(self.visible(arg).type.axes) != self.level(n.type.axes)
        }

    def level(self, axes: Axes) -> str:
        """At which level a value that varies along these dimensions is computed."""
        if axes == LEAF:
            return "element"
        if axes == SCALAR:
            return "scalar"
        return "column" if self.dimensions - 1 in axes else "row"

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

    def reduction(self, n: Node) -> Text:
        """A reduction that was computed before."""
        return self.computed[n], ATOM

    def cast_is_silent(self, n: Node) -> bool:
        """Loads and stores convert; only what is rounded inside the body is spelled."""
        (arg,) = n.args
        if n.op == "broadcast":
            return True
        if n.type.dtype != REAL:
            return True
        return arg.op == "load"

    def cast(self, n: Node) -> Text:
        """A boolean as 0 or 1, or a rounding inside the body."""
        (arg,) = n.args
        if arg.type.dtype == BOOL:
            return f"({self.text(arg)[0]} ? Real(1) : Real(0))", ATOM
        storage = cpp_type(arg.type.dtype, self.dtypes)
        return f"static_cast<Real>({storage}({self.text(arg.args[0])[0]}))", ATOM

    # Levels.

    def text(self, n: Node) -> Text:
        """How a value is written where it is used; what crosses levels gets a name at its own."""
        n = self.visible(n)
        if n in self._texts:
            return self._texts[n]
        outer, self._level = self._level, self.level(n.type.axes)
        if n.op == "load":
            self._texts[n] = self._load(n)
        elif n.op == "scalar":
            self._texts[n] = self.bind(n.attr, (self._scalar(n), ATOM))
        elif n.op == "extent":
            self._texts[n] = self.bind("size", self.extent(n))
        elif n in self._crossing and n.op != "const" and n not in self.computed:
            self._texts[n] = self.bind(self.name(n) or self.default_name(n), self._expression(n))
        else:
            super().text(n)
        self._level = outer
        return self._texts[n]

    def _scalar(self, n: Node) -> str:
        return f"static_cast<Real>(leaf.scalar({self.scalars[n.attr]}))"

    def _load(self, n: Node) -> Text:
        self.read(n.attr)
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
