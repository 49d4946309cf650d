"""A program: its effects in order, over a graph of values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from optgen.ir.node import Node, node, walk


@dataclass(frozen=True)
class Program:
    """An ordered list of effects (``store``, ``tree_store``, ``emit``) and all they depend on.

    Attributes:
      name: the name of the program in text and in emitted code.
      outputs: the effects, in order. Two programs with the same outputs are equal, whatever
        their names are.
      rank: the rank of the leaf, or None where no axis is named and any rank will do.
      names: the author's names of some of the values; for readers only.
    """

    name: str = field(compare=False)
    outputs: tuple[Node, ...]
    rank: int | None = None
    names: Mapping[Node, str] = field(default_factory=dict, compare=False, repr=False)

    def nodes(self) -> Iterator[Node]:
        """Every node, arguments first, each once."""
        return walk(self.outputs)

    def find(self, op: str) -> list[Node]:
        """The nodes with this operation, arguments first."""
        return [n for n in self.nodes() if n.op == op]

    def output(self, name: str) -> Node:
        """The effect with this name."""
        return next(effect for effect in self.outputs if effect.attr == name)

    def rewrite(self, step: Callable[[Node], Node]) -> Program:
        """The program with every node replaced, from the inputs up.

        Args:
          step: takes a node whose arguments are rewritten already, and returns its replacement
            (or the node itself).

        Returns:
          The new program; values that it still has keep the names that the author gave them.
        """
        new: dict[Node, Node] = {}
        for old in self.nodes():
            args = tuple(new[arg] for arg in old.args)
            new[old] = step(old if args == old.args else node(old.op, old.type, args, old.attr))
        names: dict[Node, str] = {}
        for old, name in self.names.items():
            if old in new:
                names.setdefault(new[old], name)
        return replace(self, outputs=tuple(new[o] for o in self.outputs), names=names)
