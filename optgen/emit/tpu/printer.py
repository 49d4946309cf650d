"""Printer of kernels for TPUs: a function of ``jnp`` of the tiles of a leaf, as they are stored."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from optgen.emit.printer import ATOM, Text
from optgen.emit.python import WIDTH, Doc, Jnp, literal, render
from optgen.ir.evaluate import Dtypes
from optgen.ir.node import Node, walk
from optgen.ir.ops import OPS, Spelling
from optgen.ir.program import Program
from optgen.ir.types import BOOL, LEAF, SCALAR, Axes
from optgen.runtime.vocabulary.sequence import Kernel
from optgen.runtime.vocabulary.view import dimension_names, extent_name

FUNCTIONS = (*(row.mosaic for row in OPS.values() if row.mosaic), "round_to")
"""Operations that Mosaic lacks, and ``optgen.runtime.execution.tpu.functions`` writes out."""

_WORDS = ("leaf", "jnp", "lax", *FUNCTIONS)


def function(kernel: Kernel, body: Program, dtypes: Dtypes) -> str:
    """The function of a kernel.

    Args:
      kernel: the kernel.
      body: what it computes.
      dtypes: what symbolic dtypes stand for.
    """
    printer = TileFunction(kernel, body, dtypes)
    results = [f"{literal(o.attr)}: {printer.output(o)}" for o in body.outputs]
    read = [x.name for x in kernel.operands if x.read]
    arguments = ["leaf", *(printer.read(name) for name in (*read, *kernel.scalars))]
    lines = [_about(kernel), *(f"{n} = {text}" for n, text in printer.statements)]
    lines.append(render(Doc("return {", results, "}"), "    "))
    head = render(Doc(f"def {kernel.function}(", arguments, "):"))
    return "\n".join([head, *(f"    {line}" for line in lines)])


def _about(kernel: Kernel) -> str:
    """The docstring: what is written; what is read are the arguments."""
    writes = [x.name for x in kernel.operands if x.written and not x.partial]
    reductions = [x.name for x in kernel.operands if x.partial]
    words = [f"writes {_listed(writes)}"] if writes else []
    words += [f"reduces to {_listed(reductions)}"] if reductions else []
    kind, what = kernel.kind.capitalize(), " and ".join(words)
    sentence = f"{kind} that {what}."
    if len(sentence) <= WIDTH - len('    """"""'):
        return f'"""{sentence}"""'
    lines = "\n    ".join(textwrap.wrap(f"It {what}.", WIDTH - 4))
    return f'"""{kind} of a leaf.\n\n    {lines}\n    """'


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


class TileFunction(Jnp):
    """Expressions of ``jnp`` over a tile of a leaf; ``leaf`` counts, reduces and repeats.

    Decoding what is stored, and encoding what is to be stored, are conversions that stand in the
    code where the two dtypes differ.
    """

    def __init__(self, kernel: Kernel, body: Program, dtypes: Dtypes) -> None:
        self.dtypes = dtypes
        self.dimensions = tuple(map(extent_name, dimension_names(kernel.dimensions)))
        self._arguments: dict[str, str] = {}
        super().__init__(body, "leaf", FUNCTIONS)

    def read(self, name: str) -> str:
        """The name of an input in Python: another one where its own means something."""
        if name not in self._arguments:
            self._arguments[name] = self.unique(f"{name}_value") if name in _WORDS else name
        return self._arguments[name]

    def spelling(self, op: str) -> Spelling:
        """An operator, a function of ``jnp``, or what stands for it."""
        return OPS[op].in_mosaic()

    # Conversions.

    def concrete(self, dtype: str) -> str:
        """The name of the dtype that a symbolic one stands for."""
        return str(getattr(self.dtypes, dtype, dtype))

    def cast_is_silent(self, n: Node) -> bool:
        """Broadcasting is jnp's own, and a conversion between equal dtypes is nothing."""
        before = n.args[0].type.dtype
        if n.op == "broadcast" or before == BOOL:
            return n.op == "broadcast"
        return self.concrete(before) == self.concrete(n.type.dtype)

    def cast(self, n: Node) -> Text:
        """A decoded array, an encoded one, a boolean as 0 or 1, or a rounding inside the rule."""
        x = self.visible(n.args[0])
        if x.type.dtype == BOOL:
            return super().cast(n)
        dtype = self.concrete(n.type.dtype)
        if x.op == "cast" and self.concrete(x.args[0].type.dtype) == dtype:
            rounded = self.text(x.args[0])[0]
            return f"round_to({rounded}, jnp.{self.concrete(x.type.dtype)})", ATOM
        return _converted(self.text(x), dtype), ATOM

    def default_name(self, n: Node) -> str:
        """A decoded array is called as the array is."""
        if self._is_decoded(n):
            return self.read(self.visible(n.args[0]).attr)
        return super().default_name(n)

    def bind(self, name: str, text: Text) -> Text:
        """Makes a statement of an expression; a decoded array takes the place of what it was."""
        if text[0] == f"{name}.astype(jnp.float32)" and self._is_only_decoded(name):
            self.statements.append((name, text[0]))
            return name, ATOM
        return super().bind(name, text)

    def _is_decoded(self, n: Node) -> bool:
        return n.op == "cast" and self.visible(n.args[0]).op == "load"

    def _is_only_decoded(self, name: str) -> bool:
        """True where nothing uses an array as it is stored."""
        uses = [
            n
            for n in self.program.nodes()
            for arg in n.args
            if arg.op == "load" and self._arguments.get(arg.attr) == name
        ]
        return all(self._is_decoded(n) for n in uses)

    # Values with every element there.

    def output(self, effect: Node) -> str:
        """A value as it is stored, with every element there."""
        stored = self.visible(effect.args[0])
        axes = effect.type.axes
        if self._is_filled(stored, axes):
            return self.text(stored)[0]
        encoded = stored.op == "cast" and stored.args[0].type.dtype != BOOL
        value = self.visible(stored.args[0]) if encoded else stored
        text = self._filled(value, axes)
        return _converted((text, ATOM), self.concrete(stored.type.dtype)) if encoded else text

    def filled(self, n: Node) -> str:
        """A value to reduce, with every element there."""
        value, axes = self.visible(n), n.type.axes
        return self.text(value)[0] if self._is_filled(value, axes) else self._filled(value, axes)

    def _is_filled(self, n: Node, axes: Axes) -> bool:
        """True where ``jnp`` gives a value all elements of an array along some dimensions."""
        if self._axes(n) != axes:
            return False
        return axes != SCALAR or any(m.op in _ARRAYS for m in walk([n]))

    def _filled(self, n: Node, axes: Axes) -> str:
        if axes == SCALAR:
            return f"leaf.single({self.text(n)[0]})"
        return f"leaf.filled({', '.join([self.text(n)[0], *self._named(axes)])})"

    # Reductions and counts, over dimensions by their names.

    def _named(self, axes: Axes) -> list[str]:
        """Dimensions of the view as arguments; none for all of them."""
        return [] if axes == LEAF else [literal(self.dimensions[d]) for d in axes]

    def _reduce(self, function: str, n: Node, argument: str) -> str:
        return f"leaf.{function}({', '.join([argument, *self._named(n.attr)])})"

    def mean(self, total: Node) -> Text:
        """A sum over the number of its terms: of a tile there is a part of the sum only."""
        return self.joined("div", [self.text(total), self.extent(total)])

    def extent(self, n: Node) -> Text:
        """A number of elements."""
        return f"leaf.count({', '.join(self._named(n.attr))})", ATOM


_ARRAYS = ("load", "sum", "max", "min")
"""Operations whose values are arrays in every function; scalars are numbers."""


def _converted(text: Text, dtype: str) -> str:
    inside = text[0] if text[1] == ATOM else f"({text[0]})"
    return f"{inside}.astype(jnp.{dtype})"
