"""Printer of leaf functions in ``jax.numpy``: arrays as they are stored, axes by their names."""

from __future__ import annotations

from collections.abc import Sequence

from optgen.emit.lowered import LoweredVariant
from optgen.emit.printer import ATOM, Text
from optgen.emit.python import Jnp
from optgen.ir.node import Node
from optgen.ir.program import Program
from optgen.ir.types import BOOL, LEAF, REAL, SCALAR, Axes
from optgen.runtime.vocabulary.module import DTYPES, axes_arguments
from optgen.runtime.vocabulary.view import dimension_names, extent_name

_WORDS = ("along", "as_dtype", "count", "mean", *DTYPES)


class LeafFunctions(Jnp):
    """Expressions of ``jax.numpy`` over the arrays of a leaf.

    Decoding what is stored to the precision of arithmetic, and encoding what is to be stored, are
    conversions that stand in the code; a dimension of the view is an argument, such as ``rows``,
    that holds the axes of the leaf.

    Attributes:
      static: the arguments that are no arrays and no scalars: dtypes and axes.
    """

    def __init__(self, program: Program, array: str, variant: LoweredVariant) -> None:
        rank = max(len(guard.groups) for guard in variant.guards)
        self.dimensions = [extent_name(d) for d in dimension_names(rank)] if rank else []
        self.static = (*axes_arguments(((),) * rank), *DTYPES)
        super().__init__(program, array, (*_WORDS, *self.static))

    def cast_is_silent(self, n: Node) -> bool:
        """Broadcasting is jnp's own; conversions are not."""
        return n.op == "broadcast"

    def cast(self, n: Node) -> Text:
        """A decoded array, a boolean as 0 or 1, or a rounding inside the rule."""
        (x,) = n.args
        if x.type.dtype == BOOL:
            return super().cast(n)
        if x.op == "cast" and x.args[0].type.dtype == n.type.dtype:
            return f"round_to({self.text(x.args[0])[0]}, {self._dtype(x.type.dtype)})", ATOM
        return self._converted(self.text(x), n.type.dtype), ATOM

    def default_name(self, n: Node) -> str:
        """A decoded array is called as the array is."""
        return str(n.args[0].attr) if _is_decoded(n) else super().default_name(n)

    def bind(self, name: str, text: Text) -> Text:
        """Makes a statement of an expression; a decoded array takes the place of what it was."""
        if text[0] == f"{name}.astype(real)" and self._only_decoded(name):
            self.statements.append((name, text[0]))
            return name, ATOM
        return super().bind(name, text)

    def _only_decoded(self, name: str) -> bool:
        uses = [
            n for n in self.program.nodes() for arg in n.args if (arg.op, arg.attr) == ("load", name)
        ]
        return all(_is_decoded(n) for n in uses)

    def output(self, effect: Node) -> str:
        """A value as it is stored."""
        value = effect.args[0]
        if value.op == "cast" and value.args[0].type.dtype == REAL:
            text = self.filled(value.args[0])
            atom = text.isidentifier() or (text.endswith(")") and _is_call(text))
            return self._converted((text, ATOM if atom else 0), value.type.dtype)
        return self.filled(value)

    def _converted(self, text: Text, dtype: str) -> str:
        if dtype == "float64":
            return f'as_dtype({text[0]}, "float64")'
        inside = text[0] if text[1] == ATOM else f"({text[0]})"
        return f"{inside}.astype({self._dtype(dtype)})"

    def _dtype(self, dtype: str) -> str:
        return self.read(dtype) if dtype in DTYPES else f"jnp.{dtype}"

    # Axes by their names.

    def axes(self, axes: Axes) -> str:
        """Dimensions as axes of the leaf."""
        return " + ".join(self.read(self.dimensions[d]) for d in axes)

    def _reduce(self, function: str, n: Node, argument: str) -> str:
        spelled = "mean" if function == "mean" else f"jnp.{function}"
        options = ""
        if n.type.axes != SCALAR:
            options = f", axis={self.axes(n.attr)}, keepdims=True"
        if function in ("max", "min"):  # what there is none of is left out, not an error
            options += f", initial={'-' if function == 'max' else ''}jnp.inf"
        return f"{spelled}({argument}{options})"

    def extent(self, n: Node) -> Text:
        """How many elements there are, as Python knows them."""
        array = self.read(self.array)
        return f"count({array}{'' if n.attr == LEAF else f', {self.axes(n.attr)}'})", ATOM

    def _shape(self, array: str, axes: Sequence[int] | str) -> str:
        return f"along({array}.shape, {self.axes(tuple(map(int, axes)))})"


def _is_decoded(n: Node) -> bool:
    return n.op == "cast" and n.args[0].op == "load" and n.type.dtype == REAL


def _is_call(text: str) -> bool:
    """Whether text is one call or attribute chain, and needs no parentheses before a dot."""
    depth = 0
    for i, character in enumerate(text):
        depth += (character in "([") - (character in ")]")
        if depth == 0 and character == " ":
            return False
        if depth == 0 and character in ")]" and i + 1 < len(text) and text[i + 1] != ".":
            return False
    return not text.startswith("-")
