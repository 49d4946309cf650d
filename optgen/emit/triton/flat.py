"""Sweeps that see a leaf as a vector."""

from __future__ import annotations

from collections.abc import Callable

from optgen.emit.triton.function import (
    IDENTITY,
    assigned,
    definition,
    joined,
    mentioned,
    pointer,
    reduced,
)
from optgen.emit.triton.layout import indented, statement
from optgen.emit.triton.sweep import SweepFunction
from optgen.ir.node import Node
from optgen.ir.types import LEAF

Call = Callable[[str, str], tuple[str, list[str], str]]
"""Function of a tile's start and mask: the head, the arguments and the tail of a call on it."""


class FlatSweep(SweepFunction):
    """A sweep over a vector: whole tiles without a mask, and the rest with one."""

    def text(self) -> str:
        """The function for the tiles of a program, which calls one for a tile."""
        elements = [*self.printer.levels["element"], *self.stores]
        values = [x for _, x in self.reductions]
        passed = mentioned(assigned(self.printer.levels["scalar"]), [*elements, *values])
        large = [pointer(x.name) for x in self.kernel.operands if x.axes == LEAF]
        body = [self.about(), *elements]
        if values:
            body.append(f"return {', '.join(values)}")
        arguments = [*large, "offsets", "inside", *passed]
        tile = self.helpers.add(f"{self.kernel.function}_tile", arguments, body)

        def call(start: str, inside: str) -> tuple[str, list[str], str]:
            moved = [f"{p} + {start}" for p in large]
            return f"{tile}(", [*moved, "offsets", inside, *passed], ")"

        lines = [self.about(), *self.printer.levels["scalar"], "offsets = tl.arange(0, BLOCK)"]
        self.extent(0)
        lines += self._tiles(call) if values else self._one_tile(call)
        integers = [*self.numbers(), *(["tiles"] if values else [])]
        constants = ["BLOCK: tl.constexpr", *(["STAGES: tl.constexpr"] if values else [])]
        arguments = [*self.arrays(), *integers, "program", *constants]
        return definition(self.kernel.function, arguments, lines)

    def _one_tile(self, call: Call) -> list[str]:
        return [
            "start = tl.cast(program, tl.int64) * BLOCK",
            "if start + BLOCK <= size:",
            *indented(statement(*call("start", "None"), indent=8)),
            "else:",
            *indented(statement(*call("start", "offsets < size - start"), indent=8)),
        ]

    def _tiles(self, call: Call) -> list[str]:
        """Several tiles, and what is reduced of them."""
        totals = [(name, self.operands[name].buffer.combine or "") for name, _ in self.reductions]
        tiles = [f"{name}_tile" for name, _ in totals]
        values = ", ".join(tiles) + " = "
        head, items, tail = call("start", "None")
        whole = [
            "start = tl.cast(tile, tl.int64) * BLOCK",
            *statement(values + head, items, tail, indent=8),
            *(joined(how, name, x) for (name, how), x in zip(totals, tiles, strict=True)),
        ]
        head, items, tail = call("start", "inside")
        rest = [
            "start = tl.cast(whole, tl.int64) * BLOCK",
            "inside = offsets < size - start",
            *statement(values + head, items, tail, indent=8),
            *(
                joined(how, name, f"tl.where(inside, {x}, {IDENTITY[how]})")
                for (name, how), x in zip(totals, tiles, strict=True)
            ),
        ]
        return [
            *(f"{name} = tl.full((BLOCK,), {IDENTITY[how]}, {self.real})" for name, how in totals),
            "whole = tl.cast(size // BLOCK, tl.int32)",
            "first = program * tiles",
            "last = tl.minimum(first + tiles, whole)",
            "for tile in tl.range(first, last, num_stages=STAGES):",
            *indented(whole),
            "if (first + tiles > whole) & (size % BLOCK != 0):",
            *indented(rest),
            *(f"tl.store({pointer(name)} + program, {reduced(how, name)})" for name, how in totals),
        ]

    def load(self, n: Node) -> str:
        """The elements of a tile, or a value of the whole leaf."""
        x = self.operands[n.attr]
        if x.axes == LEAF:
            return f"tl.load({pointer(x.name)} + offsets, mask=inside)"
        if x.buffer.combine:
            return self.combined(x, pointer(x.name))
        return f"tl.load({pointer(x.name)})"

    def store(self, name: str, text: str) -> str:
        """The statement that stores a tile of an array of the leaf."""
        return f"tl.store({pointer(name)} + offsets, {text}, mask=inside)"
