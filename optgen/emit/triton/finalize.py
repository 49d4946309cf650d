"""Kernels of small values.

Where no value depends on one that is reduced in the same kernel, programs share the elements of
its arrays, and leave reductions of them in parts. Else one program does all of a leaf, or of each
index along the dimensions that are independent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from optgen.emit.order import readers_first
from optgen.emit.triton.function import (
    IDENTITY,
    Helpers,
    KernelFunction,
    definition,
    joined,
    reduced,
)
from optgen.emit.triton.layout import indented
from optgen.emit.triton.values import Coordinates, Values
from optgen.ir.evaluate import Dtypes
from optgen.ir.node import Node
from optgen.ir.program import Program
from optgen.ir.types import LEAF, Axes
from optgen.runtime.execution.triton.geometry import Section, sections
from optgen.runtime.vocabulary.sequence import Kernel, Operand
from optgen.runtime.vocabulary.view import along
from optgen.schedule.graph import is_reduction

Dimensions = tuple[int, ...]


def entangled(kernel: Kernel, body: Program) -> bool:
    """Small arrays of different shapes are each made of the other's old values."""
    if kernel.item.independent == LEAF:
        return False
    _, rest = readers_first(body.outputs, [*_of_an_index(kernel, body)])
    return len({_rest(kernel, o.type.axes) for o in rest}) > 1


def _of_an_index(kernel: Kernel, body: Program) -> Iterator[Node]:
    """The reductions to one value for each independent index."""
    for n in body.nodes():
        if is_reduction(n) and n.type.axes == kernel.item.independent:
            yield n


def _rest(kernel: Kernel, axes: Axes) -> Dimensions:
    """The dimensions among some that a program goes through by itself."""
    independent = along(kernel.item.independent, kernel.dimensions)
    return tuple(d for d in along(axes, kernel.dimensions) if d not in independent)


class FinalizeFunction(KernelFunction):
    """A kernel of small values.

    Attributes:
      names: of the reductions that are computed before what uses them.
      coordinates: what the coordinates of elements are called.
      blocked: the dimensions along which a program has a block at a time.
    """

    def __init__(self, kernel: Kernel, body: Program, dtypes: Dtypes, helpers: Helpers) -> None:
        super().__init__(kernel, body, dtypes, helpers)
        self.reserved |= {f"other_{word}" for word in self.words}
        self.names: dict[Node, str] = {}
        self.coordinates = dict(enumerate(self.words))
        independent = self.along(kernel.item.independent)
        self.blocked = frozenset(range(self.dimensions)) - frozenset(independent)

    def values(self, nodes: Sequence[Node]) -> Values:
        """A printer of values at the coordinates of a program's elements."""
        return Values(self, self, nodes, self.coordinates, self.names)

    def text(self) -> str:
        """The function."""
        shared = self.kernel.item.independent == LEAF
        lines = [self.about(), *(self._shared() if shared else self._of_one_program())]
        arguments = [*self.arrays(), *self.numbers(), "program", "BLOCK: tl.constexpr"]
        return definition(self.kernel.function, arguments, lines)

    # Programs that share the elements.

    def _shared(self) -> list[str]:
        """All sections, one after the other; each has programs of its own."""
        lines: list[str] = []
        every = sections(self.kernel)
        for place, section in enumerate(every):
            blocks = self._blocks(section)
            inside = self._section(section)
            if len(every) == 1:
                return inside
            lines += [f"programs = {blocks}"]
            lines += ["if (program >= 0) & (program < programs):", *indented(inside)]
            lines += ["program -= programs"] if place + 1 < len(every) else []
        return lines

    def _blocks(self, section: Section) -> str:
        """The number of programs of a section."""
        each = f"tl.cdiv({self.count(section.along)}, BLOCK)" if section.along else "1"
        return " * ".join([*(self.extent(d) for d in section.apart), each])

    def _section(self, section: Section) -> list[str]:
        """Statements of the programs of a section."""
        names = {x.name for x in section.written}
        outputs = [o for o in self.body.outputs if o.attr in names]
        self.blocked = frozenset(section.along)
        partial = {o for o in outputs if self.operands[o.attr].partial}
        printer = self.values([o.args[0].args[0] if o in partial else o.args[0] for o in outputs])
        stores = []
        for output in outputs:
            x, value = self.operands[output.attr], output.args[0]
            if output in partial:
                text = printer.text(value.args[0])[0]
                if section.along:
                    text = reduced(value.op, f"tl.where(inside, {text}, {IDENTITY[value.op]})")
                stores += self._stored_part(x, section, text)
            else:
                stores += self._stores(output, printer.text(value)[0])
        return [*self._elements(section), *printer.lines, *stores]

    def _elements(self, section: Section) -> list[str]:
        """The elements of a program, and their coordinates."""
        if not section.apart:
            return self._block(section.along, "program * BLOCK")
        if not section.along:
            return self._unraveled("program", section.apart)
        return [
            f"blocks = tl.cdiv({self.count(section.along)}, BLOCK)",
            "block = program % blocks",
            *self._unraveled("program // blocks", section.apart),
            *self._block(section.along, "block * BLOCK"),
        ]

    def _stored_part(self, x: Operand, section: Section, text: str) -> list[str]:
        """Stores a program's part of a reduction."""
        lines: list[str] = []
        terms = ["program"]
        if x.axes:
            block = "block" if section.along else "0"
            terms = [f"{block} * {self.integer(f'{x.name}_elements')}"]
            terms += [self.term(x, d) for d in self.along(x.axes)]
        place = self.address(x, terms, lines)
        return [*lines, f"tl.store({place}, {text})"]

    def _block(self, axes: Dimensions, start: str) -> list[str]:
        """The elements of a block along some dimensions, and their coordinates."""
        if not axes:
            return []
        if len(axes) == 1:
            word = self.words[axes[0]]
            first = f"{word} = {start} + tl.arange(0, BLOCK)"
            return [first, f"inside = {word} < {self.extent(axes[0])}"]
        return [
            f"index = {start} + tl.arange(0, BLOCK)",
            f"inside = index < {self.count(axes)}",
            *self._unraveled("index", axes),
        ]

    def _unraveled(self, index: str, axes: Dimensions) -> list[str]:
        """The coordinates along some dimensions by the number of an element."""
        lines = []
        for d in reversed(axes[1:]):
            lines.append(f"{self.words[d]} = {index} % {self.extent(d)}")
            index += f" // {self.extent(d)}"
        return [*lines, f"{self.words[axes[0]]} = {index}"] if axes else []

    # One program for a leaf, or for each independent index.

    def _of_one_program(self) -> list[str]:
        lines = self._unraveled("program", self.along(self.kernel.item.independent))
        for n in _of_an_index(self.kernel, self.body):
            lines += self._whole_reduction(n)
        outputs, rest = readers_first(self.body.outputs, self.names)
        groups = [[o] for o in outputs] + ([rest] if rest else [])
        for place, group in enumerate(groups):
            if place:
                lines.append("tl.debug_barrier()")
            lines += self._loop_over(group)
        return lines

    def _whole_reduction(self, n: Node) -> list[str]:
        """A reduction to one value for a program."""
        printer = self.values([n.args[0]])
        x = printer.text(n.args[0])[0]
        rest = _rest(self.kernel, n.args[0].type.axes)
        name = self.names[n] = printer.unique(printer.reduction_name(n))
        if not rest:
            return [*printer.lines, f"{name} = {x}"]
        loop = [
            *self._block(rest, "block * BLOCK"),
            *printer.lines,
            joined(n.op, name, f"tl.where(inside, {x}, {IDENTITY[n.op]})"),
        ]
        return [
            f"{name} = tl.full((BLOCK,), {IDENTITY[n.op]}, {self.real})",
            f"for block in range(tl.cdiv({self.count(rest)}, BLOCK)):",
            *indented(loop),
            f"{name} = {reduced(n.op, name)}",
        ]

    def _loop_over(self, outputs: Sequence[Node]) -> list[str]:
        (rest,) = {_rest(self.kernel, o.type.axes) for o in outputs}
        printer = self.values([o.args[0] for o in outputs])
        values = [(o, printer.text(o.args[0])[0]) for o in outputs]
        stores = [line for o, text in values for line in self._stores(o, text)]
        if not rest:
            return [*printer.lines, *stores]
        loop = [*self._block(rest, "block * BLOCK"), *printer.lines, *stores]
        return [f"for block in range(tl.cdiv({self.count(rest)}, BLOCK)):", *indented(loop)]

    # Both.

    def _stores(self, output: Node, text: str) -> list[str]:
        x = self.operands[output.attr]
        mask = ", mask=inside" if self._is_block(x.axes, self.coordinates) else ""
        before: list[str] = []
        place = self._place(x, self.coordinates, before)
        return [*before, f"tl.store({place}, {text}{mask})"]

    def _place(self, x: Operand, coordinates: Coordinates, before: list[str]) -> str:
        """Address of the elements of a block in an array."""
        terms = [self.term(x, d, coordinates[d]) for d in self.along(x.axes)]
        return self.address(x, terms, before)

    def _is_block(self, axes: Axes, coordinates: Coordinates) -> bool:
        """There are many elements at the coordinates, and not one."""
        return any(coordinates[d] == self.words[d] for d in self.blocked & {*self.along(axes)})

    def shape_at(self, axes: Axes, coordinates: Coordinates) -> str:
        """See ``Loading``."""
        return "(BLOCK,)" if self._is_block(axes, coordinates) else "()"

    def load_at(self, n: Node, coordinates: Coordinates, before: list[str]) -> str:
        """See ``Loading``."""
        x = self.operands[n.attr]
        place = self._place(x, coordinates, before)
        block = self._is_block(x.axes, coordinates)
        if x.buffer.combine:
            return self.combined(x, place, ["along", "inside", "BLOCK"] if block else [])
        return f"tl.load({place}, mask=inside)" if block else f"tl.load({place})"
