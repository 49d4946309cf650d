"""C++ source: the printer of kernel bodies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from optgen.emit.cpu.axes import EXTENTS, roles
from optgen.emit.levels import Leveled
from optgen.emit.printer import ATOM, Text
from optgen.ir.evaluate import Dtypes
from optgen.ir.node import Node, node
from optgen.ir.ops import OPS, Spelling
from optgen.ir.program import Program
from optgen.ir.types import LEAF, SCALAR, Axes
from optgen.runtime.vocabulary.sequence import Kernel, Operand

_TYPES = {
    "float32": "float",
    "float64": "double",
    "bfloat16": "optgen::bfloat16",
    "float16": "optgen::float16",
}
_LOOPS = (
    *("leaf", "slice", "tile", "matrix", "scalars", "i", "line", "position"),
    *("batch", "row", "column", "Real", "Order", "Scalars", "kernels"),
)
"""Names of the functions' own values."""

# fmt: off
_WORDS = (
    "int", "float", "double", "bool", "char", "short", "long", "signed", "unsigned", "void",
    "auto", "const", "static", "struct", "class", "new", "delete", "this", "true", "false", "for",
    "while", "do", "if", "else", "return", "switch", "case", "break", "default", "template",
    "typename", "namespace", "using", "operator", "public", "private", "protected", "virtual",
    "inline", "extern", "volatile", "register", "goto", "union", "enum", "sizeof", "throw", "try",
    "catch", "and", "or", "not", "xor", "friend", "explicit", "export", "mutable", "typedef",
    "requires", "concept", "constexpr", "decltype", "nullptr", "alignas", "alignof", "asm",
    "std", "optgen", "int64_t", "size_t",
)
# fmt: on
"""Words of C++ that are names in Python, and the namespaces."""


def cpp_type(dtype: str) -> str:
    """The C++ type of a storage dtype."""
    return _TYPES[dtype]


def data(name: str) -> str:
    """Name of the array of a value."""
    return f"{name}_data"


def field(name: str) -> str:
    """Name in ``Scalars`` of a value that is the same for every leaf."""
    return f"{name}_" if name in _WORDS else name


_SINGULARS = {"sums": "sum", "maxima": "max", "minima": "min"}


def singular(x: Operand) -> str:
    """Name of one element of a buffer: of ``square_row_sums``, ``square_row_sum``."""
    before, _, last = x.name.rpartition("_")
    if x.lifetime == "leaf" or not before or last not in _SINGULARS:
        return x.name
    return f"{before}_{_SINGULARS[last]}"


def indented(lines: Sequence[str], by: int = 2) -> list[str]:
    """Lines further to the right."""
    return [" " * by + line for line in lines]


def joined(how: str, a: str, b: str) -> str:
    """The statement that joins another value to a reduction."""
    if how == "sum":
        return f"{a} += {b};"
    return f"{a} = optgen::{'maximum' if how == 'max' else 'minimum'}({a}, {b});"


def identity(how: str) -> str:
    """Initial value of a reduction in double."""
    return "0" if how == "sum" else f"optgen::identity<double>(optgen::{how})"


class Cpp(Leveled):
    """Expressions of C++ over the arrays of a leaf, in ``Real``.

    Attributes:
      kept: the values that are kept in arrays, for loops after the one that computes them.
      vectors: the names of these arrays, by the level of their values.
    """

    def __init__(
        self, kernel: Kernel, body: Program, dtypes: Dtypes, reserved: Iterable[str] = ()
    ) -> None:
        self.kernel = kernel
        self.kept: set[Node] = set()
        self.vectors: dict[str, list[str]] = {}
        self._being_named: list[Node | None] = []
        self._elements = {x.name: singular(x) for x in kernel.operands}
        arrays = [f"{x.name}_{end}" for x in kernel.operands for end in ("data", "part")]
        words = (*_LOOPS, *_WORDS, *arrays, *reserved)
        super().__init__(body, dtypes, kernel.dimensions, words)

    # Spelling.

    def const(self, value: float) -> str:
        """A number, in the precision of the leaf."""
        if value != value:
            return "std::numeric_limits<Real>::quiet_NaN()"
        if value in (float("inf"), float("-inf")):
            sign = "-" if value < 0 else ""
            return f"{sign}std::numeric_limits<Real>::infinity()"
        return f"Real({super().const(value)})"

    def spelling(self, op: str) -> Spelling:
        """An operator, or a function of the standard library or of ours."""
        return OPS[op].in_cpp()

    def mean(self, total: Node) -> Text:
        """A sum over the number of its terms."""
        count = node("extent", total.type.with_axes(SCALAR), (), total.attr)
        return self.joined("div", [self.text(total), self.text(count)])

    def extent(self, n: Node) -> Text:
        """A number of elements."""
        return f"static_cast<Real>({self._extent(n.attr)})", ATOM

    def _extent(self, axes: Axes) -> str:
        along = roles(axes, self.dimensions)
        if axes == LEAF or self.dimensions == 1 or len(along) == 3:
            return "leaf.size"
        return " * ".join(f"leaf.{EXTENTS[role]}" for role in along)

    def convert(self, text: Text, dtype: str) -> Text:
        """A value in another dtype."""
        wanted = "Real" if dtype == self.dtypes.real else cpp_type(dtype)
        return f"static_cast<{wanted}>({text[0]})", ATOM

    def truth(self, text: Text) -> Text:
        """A boolean as 0 or 1."""
        return self.joined("where", [text, ("Real(1)", ATOM), ("Real(0)", ATOM)])

    def scalar(self, n: Node) -> str:
        """Scalars are in double."""
        return f"static_cast<Real>(scalars.{field(n.attr)})"

    # Names.

    def known_name(self, n: Node) -> str:
        """The name of an element of an array, or the author's name."""
        if n.op == "load":
            return self._elements.get(n.attr, n.attr)
        return super().known_name(n)

    def reduction_words(self, n: Node) -> str:
        """The dimension that a reduction keeps, and what it is: ``row_sum``."""
        if OPS[n.op].kind != "reduce":
            return ""
        return "_".join((*roles(n.type.axes, self.dimensions)[-1:], n.op))

    # Places.

    def text(self, n: Node) -> Text:
        """Expression for a value where it is used."""
        n = self.visible(n)
        self._being_named.append(n)
        if n.op == "extent" and n not in self._texts:
            outer, self._level = self._level, self.level(SCALAR)
            along = roles(n.attr, self.dimensions)
            word = EXTENTS[along[0]] if len(along) == 1 and self.dimensions > 1 else "size"
            self._texts[n] = self.bind(word, self.extent(n))
            self._level = outer
        text = super().text(n)
        self._being_named.pop()
        return text

    def operation(self, n: Node) -> Text:
        """An elementwise operation; the terms that it is split over are not kept."""
        self._being_named.append(None)
        text = super().operation(n)
        self._being_named.pop()
        return text

    def bind(self, name: str, text: Text) -> Text:
        """Makes a statement of an expression at the level that is being printed."""
        name = self.unique(self._elements.get(name, name))
        if self._being_named[-1] in self.kept:
            self.vectors.setdefault(self._level, []).append(name)
            element = f"{name}[{self.index(self._level)}]"
            self.statement(f"{element} = {text[0]};")
            return element, ATOM
        self.statement(f"const auto {name} = {text[0]};")
        return name, ATOM

    def index(self, level: str) -> str:
        """Index of a value of a level in the array that keeps it."""
        return level

    def statement(self, line: str) -> None:
        """Adds a statement at the level that is being printed."""
        self.levels[self._level].append(line)
