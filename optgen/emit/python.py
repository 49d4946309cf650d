"""Python source: the printers of ``jnp`` code, and the layout that a formatter would leave."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from optgen.emit.printer import ATOM, Printer, Text
from optgen.ir.node import Node, walk
from optgen.ir.ops import OPS, Spelling
from optgen.ir.types import BOOL, LEAF, REAL, SCALAR, Axes, join

WIDTH = 100

_RESERVED = ("jnp", "lax", "scalar", "along", "round_to", "param", "grad")


class Jnp(Printer):
    """Expressions of ``jax.numpy`` over the arrays of a leaf, in the leaf's precision."""

    def __init__(self, program: Any, array: str, reserved: Iterable[str] = ()) -> None:
        self._known_axes: dict[Node, Axes] = {}
        self.array = array  # an array that is there and varies along every axis
        super().__init__(program, (*_RESERVED, *reserved))

    def spelling(self, op: str) -> Spelling:
        """An operator, or a function of ``jnp``."""
        return OPS[op].in_jnp()

    def reduction(self, n: Node) -> Text:
        """A sum, maximum or minimum; reduced axes are kept unless all are reduced."""
        return self._reduce(n.op, n, self.filled(n.args[0])), ATOM

    def _reduce(self, function: str, n: Node, argument: str) -> str:
        options = ""
        if n.type.axes != SCALAR:
            options = f", axis={self.axes(n.attr)}, keepdims=True"
        if function in ("max", "min"):  # what there is none of is left out, not an error
            options += f", initial={'-' if function == 'max' else ''}jnp.inf"
        return f"{self.reducer(function)}({argument}{options})"

    def reducer(self, function: str) -> str:
        """The function that reduces an array."""
        return f"jnp.{function}"

    def axes(self, axes: Axes) -> str:
        """The axes that a reduction runs over."""
        return _axis(axes)

    def mean(self, total: Node) -> Text:
        """A mean over the axes of a sum; jnp counts the elements itself."""
        return self._reduce("mean", total, self.filled(total.args[0])), ATOM

    def cast_is_silent(self, n: Node) -> bool:
        """Broadcasting is jnp's own; conversions are not."""
        return n.op == "broadcast"

    def cast(self, n: Node) -> Text:
        """A boolean as 0 or 1; conversions are a subclass's to spell."""
        (arg,) = n.args
        if arg.type.dtype == BOOL:
            return f"jnp.where({self.text(arg)[0]}, 1.0, 0.0)", ATOM
        return super().cast(n)

    def _axes(self, n: Node) -> Axes:
        """The axes that the printed value really has, once broadcasts are left to jnp."""
        for m in walk([n], self._known_axes):
            axes = m.type.axes
            if m.op not in ("load", "sum", "max", "min"):
                axes = SCALAR
                for arg in m.args:
                    axes = join(axes, self._known_axes[arg], self.program.rank or 0)
            self._known_axes[m] = axes
        return self._known_axes[n]


class Scalars(Printer):
    """Scalar arithmetic inside the compiled step, in ``jnp``."""

    def __init__(self, program: Any) -> None:
        super().__init__(program, _RESERVED)

    def spelling(self, op: str) -> Spelling:
        """An operator, or a function of ``jnp``."""
        return OPS[op].in_jnp()

    def cast_is_silent(self, n: Node) -> bool:
        """Only booleans and roundings are cast among scalars."""
        return n.op == "broadcast" or n.type.dtype != REAL

    def cast(self, n: Node) -> Text:
        """A boolean as 0 or 1, or a rounding inside the rule."""
        (arg,) = n.args
        if arg.type.dtype == BOOL:
            return self.joined("where", [self.text(arg), ("1.0", ATOM), ("0.0", ATOM)])
        return f"round_to({self.text(arg.args[0])[0]}, jnp.{arg.type.dtype})", ATOM


class Constants(Scalars):
    """Scalar arithmetic that stays in Python's doubles where it is given Python numbers."""

    def spelling(self, op: str) -> Spelling:
        """An operator that never raises, or a function of ``optgen.runtime.execution.scalar``."""
        return OPS[op].of_numbers()


def _axis(axes: Axes) -> str:
    if axes == LEAF:
        raise AssertionError("a reduction of the whole leaf names no axis")
    return str(axes[0]) if len(axes) == 1 else repr(tuple(axes))


def literal(value: Any) -> str:
    """A Python literal with the quotes that formatters leave."""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple):
        inside = ", ".join(literal(v) for v in value)
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
    return repr(value)


class Doc(NamedTuple):
    """A bracketed list: its opening text, its items, its closing text."""

    head: str
    items: Sequence[str | Doc]
    tail: str


def render(doc: str | Doc, indent: str = "", after: int = 0) -> str:
    """The text of a list: on one line where it fits, else one item a line, as Ruff leaves it.

    Args:
      doc: the list to print.
      indent: the text before its first line.
      after: the number of characters that follow its last line.
    """
    if isinstance(doc, str):
        return doc
    line = flat(doc)
    if len(indent) + len(line) + after <= WIDTH:
        return line
    inner = indent + "    "
    items = "".join(f"{inner}{render(item, inner, 1)},\n" for item in doc.items)
    return f"{doc.head}\n{items}{indent}{doc.tail.lstrip(',')}"


def flat(doc: str | Doc) -> str:
    """The text of a list on one line."""
    if isinstance(doc, str):
        return doc
    return f"{doc.head}{', '.join(flat(item) for item in doc.items)}{doc.tail}"


def document(value: Any, head: str = "") -> str | Doc:
    """A literal as a list that can be broken over lines; ``head`` stands before it."""
    if isinstance(value, tuple) and value:
        tail = ",)" if len(value) == 1 else ")"
        return Doc(f"{head}(", [document(v) for v in value], tail)
    if isinstance(value, dict) and value:
        return Doc(f"{head}{{", [document(v, f"{literal(k)}: ") for k, v in value.items()], "}")
    return value if isinstance(value, Doc) else head + literal(value)
