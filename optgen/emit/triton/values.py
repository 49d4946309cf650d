"""Prints small values at the coordinates of a block of elements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from optgen.emit.printer import ATOM, Text
from optgen.emit.triton.function import IDENTITY, KernelFunction, joined
from optgen.emit.triton.layout import indented
from optgen.emit.triton.printer import Triton
from optgen.ir.build import effect
from optgen.ir.node import Node
from optgen.ir.program import Program
from optgen.ir.types import Axes

Coordinates = Mapping[int, str]
"""Names of the coordinates of elements, by their dimensions."""


class Loading(Protocol):
    """Loads of the elements of small arrays at some coordinates."""

    def load_at(self, n: Node, coordinates: Coordinates, before: list[str]) -> str:
        """The expression that loads them; what it needs comes before."""

    def shape_at(self, axes: Axes, coordinates: Coordinates) -> str:
        """The shape of what varies along some dimensions there."""


class Values(Triton):
    """Small values at some coordinates.

    Attributes:
      loading: loads what they are computed from.
      coordinates: what their coordinates are called.
      lines: the statements.
    """

    def __init__(
        self,
        function: KernelFunction,
        loading: Loading,
        values: Sequence[Node],
        coordinates: Coordinates,
        computed: Mapping[Node, str],
        reserved: Iterable[str] = (),
    ) -> None:
        self.loading, self.coordinates = loading, coordinates
        self.lines: list[str] = []
        outputs = tuple(effect("emit", f"value_{i}", v) for i, v in enumerate(values))
        program = Program("values", outputs, function.body.rank, function.body.names)
        super().__init__(function, program, {*computed.values(), *reserved})
        self.computed = dict(computed)
        self._crossing = set()

    def level(self, axes: Axes) -> str:
        """All in one place."""
        return "element"

    def load(self, n: Node) -> str:
        """Elements at the coordinates."""
        return self.loading.load_at(n, self.coordinates, self.lines)

    def reduction(self, n: Node) -> Text:
        """A reduction that was computed before, or that is computed here for each element."""
        if n in self.computed:
            return self.computed[n], ATOM
        function, (argument,) = self.function, n.args
        over = [d for d in function.along(argument.type.axes) if d not in n.type.axes]
        others = {d: f"other_{function.words[d]}" for d in over}
        coordinates = {**self.coordinates, **others}
        inner = Values(function, self.loading, [argument], coordinates, self.computed, self._taken)
        x = inner.text(argument)[0]
        total = self.unique(self.name(n) or self.reduction_name(n))
        lines = [*inner.lines, joined(n.op, total, x)]
        for d in reversed(over):
            head = f"for {coordinates[d]} in range({function.extent(d)}):"
            lines = [head, *indented(lines)]
        self._taken |= inner._taken
        shape = self.loading.shape_at(n.type.axes, self.coordinates)
        self.lines += [f"{total} = tl.full({shape}, {IDENTITY[n.op]}, {function.real})", *lines]
        return total, ATOM

    def reduction_name(self, n: Node) -> str:
        """Name of a reduction: its author's, its buffer's, or one after its argument."""
        stored = next((o.attr for o in self.function.body.outputs if o.args[0] is n), "")
        value = self.visible(n.args[0])
        word = self.name(value) or (value.attr if value.op == "load" else "")
        return self.name(n) or stored or "_".join(filter(None, [word, n.op]))

    def bind(self, name: str, text: Text) -> Text:
        """A statement of the block."""
        name = self.unique(name)
        self.lines.append(f"{name} = {text[0]}")
        return name, ATOM
