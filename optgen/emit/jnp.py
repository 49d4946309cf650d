"""Printer of leaf functions in ``jax.numpy``: arrays as they are stored, axes by their names."""

from __future__ import annotations

from optgen.emit.lowered import LoweredVariant
from optgen.emit.printer import ATOM, Text
from optgen.emit.python import Jnp
from optgen.ir.node import Node
from optgen.ir.program import Program
from optgen.ir.types import BOOL, LEAF, REAL, SCALAR, Axes
from optgen.runtime.vocabulary.variant import DTYPES

_WORDS = ("arrays", *DTYPES)


class LeafFunctions(Jnp):
    """Expressions of ``jax.numpy`` over the arrays of a leaf.

    Conversions between the dtypes of storage and of arithmetic stand in the code; a dimension of
    the view is an argument, such as ``rows``, that holds the axes of the leaf.

    Attributes:
      static: the arguments that are no arrays and no scalars: dtypes and axes.
    """

    def __init__(self, program: Program, array: str, variant: LoweredVariant) -> None:
        self.dimensions = variant.axes_names
        self.static = (*self.dimensions, *DTYPES)
        super().__init__(program, array, (*_WORDS, *self.static))

    def cast(self, n: Node) -> Text:
        """A decoded array, a boolean as 0 or 1, or a rounding inside the rule."""
        (x,) = n.args
        if x.type.dtype == BOOL:
            return super().cast(n)
        if x.op == "cast" and x.args[0].type.dtype == n.type.dtype:
            return f"arrays.round_to({self.text(x.args[0])[0]}, {self._dtype(x.type.dtype)})", ATOM
        return self._converted(self.text(x), n.type.dtype), ATOM

    def default_name(self, n: Node) -> str:
        """The name of the array, for a decoded array."""
        return str(n.args[0].attr) if _is_decoded(n) else super().default_name(n)

    def bind(self, name: str, text: Text) -> Text:
        """Makes a statement of an expression; a decoded array takes the name of the stored one."""
        if text[0] == f"{name}.astype(real)" and self._only_decoded(name):
            self.statements.append((name, text[0]))
            return name, ATOM
        return super().bind(name, text)

    def _only_decoded(self, name: str) -> bool:
        uses = [
            n
            for n in self.program.nodes()
            for arg in n.args
            if (arg.op, arg.attr) == ("load", name)
        ]
        return all(_is_decoded(n) for n in uses)

    def output(self, effect: Node) -> str:
        """A value as it is stored, with every element there."""
        stored = self.visible(effect.args[0])
        encoded = stored.op == "cast" and stored.args[0].type.dtype == REAL
        value = self.visible(stored.args[0]) if encoded else stored
        axes, dtype = effect.type.axes, stored.type.dtype
        if value.op == "const":
            return self._constant(value.attr, axes, dtype)
        text = self.text(value)
        if encoded:
            text = self._converted(text, dtype), ATOM
        if self._axes(value) == axes:
            return text[0]
        return f"jnp.broadcast_to({text[0]}, {self._shape_of(axes)})"

    def filled(self, n: Node) -> str:
        """A value with every element there, where jnp's broadcasting would not make them."""
        value = self.visible(n)
        if self._axes(value) == n.type.axes:
            return self.text(value)[0]
        if value.op == "const":
            return self._constant(value.attr, n.type.axes, REAL)
        return f"jnp.broadcast_to({self.text(value)[0]}, {self._shape_of(n.type.axes)})"

    def _constant(self, number: float, axes: Axes, dtype: str) -> str:
        function = "zeros(" if str(number) == "0.0" else "full("
        middle = "" if function == "zeros(" else f"{self.const(number)}, "
        if dtype == "float64":  # JAX's x64 mode may be off
            wide = f"jnp.full({self._shape_of(axes)}, {self.const(number)})"
            return f'arrays.as_dtype({wide}, "float64")'
        return f"jnp.{function}{self._shape_of(axes)}, {middle}{self._dtype(dtype)})"

    def _shape_of(self, axes: Axes) -> str:
        if axes == SCALAR:
            return "()"
        array = self.read(self.array)
        return (
            f"{array}.shape" if axes == LEAF else f"arrays.along({array}.shape, {self.axes(axes)})"
        )

    def _converted(self, text: Text, dtype: str) -> str:
        if dtype == "float64":
            return f'arrays.as_dtype({text[0]}, "float64")'
        inside = text[0] if text[1] == ATOM else f"({text[0]})"
        return f"{inside}.astype({self._dtype(dtype)})"

    def _dtype(self, dtype: str) -> str:
        return self.read(dtype) if dtype in DTYPES else f"jnp.{dtype}"

    # Axes by their names.

    def axes(self, axes: Axes) -> str:
        """Dimensions as axes of the leaf."""
        return " + ".join(self.read(self.dimensions[d]) for d in axes if isinstance(d, int))

    def reducer(self, function: str) -> str:
        """``jnp``'s reduction; a mean of no elements is not an error."""
        return "arrays.mean" if function == "mean" else super().reducer(function)

    def extent(self, n: Node) -> Text:
        """The number of elements, a Python number when the step is traced."""
        array = self.read(self.array)
        return f"arrays.count({array}{'' if n.attr == LEAF else f', {self.axes(n.attr)}'})", ATOM


def _is_decoded(n: Node) -> bool:
    return n.op == "cast" and n.args[0].op == "load" and n.type.dtype == REAL
