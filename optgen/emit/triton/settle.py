"""Kernels of small values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from optgen.emit.order import readers_first
from optgen.emit.printer import ATOM, Text
from optgen.emit.triton.kernel import (
    IDENTITY,
    KernelEmitter,
    NotCovered,
    TritonFunction,
    joined,
    reduced,
)
from optgen.emit.triton.layout import indented
from optgen.emit.triton.printer import Triton
from optgen.ir.build import effect
from optgen.ir.node import Node, walk
from optgen.ir.program import Program
from optgen.ir.types import SCALAR, Axes
from optgen.runtime.vocabulary.kernels import Section
from optgen.schedule.graph import is_reduction
from optgen.schedule.kernel import Operand, reductions_used


class Settle(KernelEmitter):
    """A kernel of small values.

    Where no value depends on one that is reduced here, programs share the elements of its arrays.
    Else one program does all of a leaf, or of each index along the dimensions that every value
    varies along.
    """

    def function(self) -> TritonFunction:
        body = self.kernel.body
        self.shared = not any(reductions_used(body)) and self._elementwise()
        self.apart = () if self.shared else self._apart()
        self.names: dict[Node, str] = {}
        lines = [self.about()]
        partial: dict[str, str] = {}
        sections: list[Section] = []
        if self.shared:
            by_axes: dict[Axes, list[Node]] = {}
            for output in body.outputs:
                by_axes.setdefault(self._section(output), []).append(output)
            for place, (axes, outputs) in enumerate(by_axes.items()):
                inside, made = self._shared(axes, outputs)
                partial |= made
                sections.append((self.along(axes), tuple(made)))
                lines += self._guarded(place, len(by_axes), axes, inside)
        else:
            lines += self._alone()
        arguments = [*self.arrays(), *self.integers, "program", "BLOCK: tl.constexpr"]
        text = self.definition(self.name, arguments, lines)
        return TritonFunction(text, self.marked(partial), tuple(sections), self.apart)

    # Programs that share the elements.

    def _elementwise(self) -> bool:
        """Whether programs that share the elements write nothing that another one reads."""
        written = {o.attr: self._section(o) for o in self.kernel.body.outputs if o.op == "store"}
        for output in self.kernel.body.outputs:
            value = output.args[0]
            if is_reduction(value) and value.type.axes != SCALAR:
                return False
            section = self._section(output)
            loads = [n.attr for n in walk([output]) if n.op == "load"]
            if any(written.get(name, section) != section for name in loads):
                return False
        return True

    def _section(self, output: Node) -> Axes:
        value = output.args[0]
        return value.args[0].type.axes if is_reduction(value) else value.type.axes

    def _guarded(self, place: int, count: int, axes: Axes, inside: list[str]) -> list[str]:
        """The part of the programs that is for one section."""
        if count == 1:
            return inside
        lines = [f"blocks = tl.cdiv({self.count(axes)}, BLOCK)" if axes else "blocks = 1"]
        lines += ["if (program >= 0) & (program < blocks):", *indented(inside)]
        return [*lines, "program -= blocks"] if place + 1 < count else lines

    def _shared(self, axes: Axes, outputs: list[Node]) -> tuple[list[str], dict[str, str]]:
        printer = _SettlePrinter(self, outputs)
        stores, partial = [], {}
        for output in outputs:
            value = output.args[0]
            if is_reduction(value):
                partial[output.attr] = value.op
                x = printer.output_text(value.args[0])
                if axes != SCALAR:
                    x = reduced(value.op, f"tl.where(inside, {x}, {IDENTITY[value.op]})")
                place = f"{self.array(self.operands[output.attr])} + program"
                stores.append(f"tl.store({place}, {x})")
            else:
                stores += self._stores(output, printer.output_text(value))
        head = self._block(axes, "program * BLOCK")
        return [*head, *printer.made, *stores], partial

    def _block(self, axes: Axes, start: str) -> list[str]:
        """The elements of a block, and their coordinates."""
        if axes == SCALAR:
            return []
        along = self.along(axes)
        counted = self.count(axes)
        lines = [
            f"index = {start} + tl.arange(0, BLOCK)",
            f"inside = index < {counted}",
        ]
        rest = "index"
        for d in reversed(along[1:]):
            lines.append(f"{self.words[d]} = {rest} % {self.extent(d)}")
            rest += f" // {self.extent(d)}"
        return [*lines, f"{self.words[along[0]]} = {rest}"]

    # A program for a whole leaf.

    def _apart(self) -> tuple[int, ...]:
        """The dimensions along which all that is written or reduced varies."""
        dims = set(range(self.dimensions))
        for n in self.kernel.body.nodes():
            if n in self.kernel.body.outputs or is_reduction(n):
                dims &= set(n.type.axes)
        return tuple(sorted(dims))

    def _alone(self) -> list[str]:
        lines = []
        rest = "program"
        for d in reversed(self.apart[1:]):
            lines.append(f"{self.words[d]} = {rest} % {self.extent(d)}")
            rest += f" // {self.extent(d)}"
        if self.apart:
            lines.append(f"{self.words[self.apart[0]]} = {rest}")
        for n in self.kernel.body.nodes():
            if is_reduction(n) and set(n.type.axes) == set(self.apart):
                lines += self._whole_reduction(n)
        outputs, entangled = readers_first(self.kernel.body.outputs, self.names)
        groups: list[list[Node]] = [[o] for o in outputs]
        groups += [entangled] if entangled else []
        for place, group in enumerate(groups):
            if place:
                lines.append("tl.debug_barrier()")
            lines += self._loop_over(group)
        return lines

    def _inner(self, axes: Axes) -> tuple[int, ...]:
        return tuple(d for d in self.along(axes) if d not in self.apart)

    def _whole_reduction(self, n: Node) -> list[str]:
        """A reduction to one value for a program."""
        name = f"reduced_{len(self.names) + 1}"
        printer = _SettlePrinter(self, [n.args[0]])
        x = printer.output_text(n.args[0])
        inner = self._inner(n.args[0].type.axes)
        self.names[n] = name
        if not inner:
            return [*printer.made, f"{name} = {x}"]
        total = f"{name}_total"
        loop = [
            *self._block(inner, "block * BLOCK"),
            *printer.made,
            joined(n.op, total, f"tl.where(inside, {x}, {IDENTITY[n.op]})"),
        ]
        return [
            f"{total} = tl.full((BLOCK,), {IDENTITY[n.op]}, {self.real})",
            f"for block in range(tl.cdiv({self.count(inner)}, BLOCK)):",
            *indented(loop),
            f"{name} = {reduced(n.op, total)}",
        ]

    def _loop_over(self, outputs: list[Node]) -> list[str]:
        axes = {self._inner(o.type.axes) for o in outputs}
        if len(axes) > 1:
            raise NotCovered
        (inner,) = axes
        printer = _SettlePrinter(self, [o.args[0] for o in outputs])
        values = [(o, printer.output_text(o.args[0])) for o in outputs]
        stores = [line for o, text in values for line in self._stores(o, text)]
        if not inner:
            return [*printer.made, *stores]
        loop = [*self._block(inner, "block * BLOCK"), *printer.made, *stores]
        return [f"for block in range(tl.cdiv({self.count(inner)}, BLOCK)):", *indented(loop)]

    # Both.

    def place(self, x: Operand, coordinates: Mapping[int, str], before: list[str]) -> str:
        """Where the elements of a block are in an array."""
        terms = [f"{coordinates[d]} * {self.stride(x, d)}" for d in self.along(x.type.axes)]
        return self.address(x, terms, before)

    def _stores(self, output: Node, text: str) -> list[str]:
        x = self.operands[output.attr]
        mask = ", mask=inside" if self._inner(x.type.axes) else ""
        before: list[str] = []
        place = self.place(x, self.coordinates, before)
        return [*before, f"tl.store({place}, {text}{mask})"]

    @property
    def coordinates(self) -> dict[int, str]:
        """What the coordinates of the elements of a block are called."""
        return dict(enumerate(self.words))

    def load_at(self, n: Node, coordinates: Mapping[int, str], before: list[str]) -> str:
        """Loads elements of a small array, all at once those of a block."""
        x = self.operands[n.attr]
        place = self.place(x, coordinates, before)
        block = any(coordinates[d] == self.words[d] for d in self._inner(x.type.axes))
        if how := self.combined.get(x.name):
            parts = self.integer(f"{x.name}_parts")
            if x.type.axes == SCALAR:
                return f"device.{how}_of_parts({place}, {parts}, {self.real})"
            elements = self.integer(f"{x.name}_elements")
            given = [place, parts, elements, "inside" if block else "True", self.real]
            along = ", BLOCK)" if block else ")"
            return f"device.{how}_of_parts_{'along' if block else 'at'}({', '.join(given)}{along}"
        return self.widened(f"tl.load({place}, mask=inside)" if block else f"tl.load({place})")


class _SettlePrinter(Triton):
    """Prints small values at the coordinates of a block."""

    def __init__(
        self,
        settle: Settle,
        values: Sequence[Node],
        coordinates: Mapping[int, str] | None = None,
        reserved: Iterable[str] = (),
    ) -> None:
        self.settle = settle
        self.coordinates = coordinates or settle.coordinates
        self.made: list[str] = []
        body = settle.kernel.body
        outputs = tuple(effect("emit", f"value_{i}", v) for i, v in enumerate(values))
        known = {f"reduced_{i + 1}" for i in range(len(settle.names) + 1)}
        program = Program("values", outputs, body.rank, body.names)
        super().__init__(settle, program, known | set(reserved))
        self.computed = dict(settle.names)
        self._crossing = set()

    def level(self, axes: Axes) -> str:
        """All in one place."""
        return "element"

    def load(self, n: Node) -> Text:
        """Elements at the coordinates."""
        loaded = self.settle.load_at(n, self.coordinates, self.made)
        return self.bind(n.attr, (loaded, ATOM))

    def output_text(self, n: Node) -> str:
        """The expression of a value."""
        return self.text(n)[0]

    def reduction(self, n: Node) -> Text:
        """A reduction that was computed before, or that is computed here for each element."""
        if n in self.computed:
            return self.computed[n], ATOM
        kept = set(n.type.axes)
        over = [d for d in self.settle.along(n.args[0].type.axes) if d not in kept]
        coordinates = dict(self.coordinates) | {d: f"other_{self.settle.words[d]}" for d in over}
        inner = _SettlePrinter(self.settle, [n.args[0]], coordinates, self._taken)
        x = inner.output_text(n.args[0])
        total = self.unique(f"{n.op}_total")
        shape = "(BLOCK,)" if self.settle._inner(n.type.axes) else "()"
        lines = [*inner.made, joined(n.op, total, x)]
        for d in reversed(over):
            head = f"for {coordinates[d]} in range({self.settle.extent(d)}):"
            lines = [head, *indented(lines)]
        self._taken |= inner._taken
        self.made += [f"{total} = tl.full({shape}, {IDENTITY[n.op]}, {self.settle.real})", *lines]
        return total, ATOM

    def bind(self, name: str, text: Text) -> Text:
        """A statement of the block."""
        name = self.unique(name)
        self.made.append(f"{name} = {text[0]}")
        return name, ATOM
