"""Programs cut into steps, each a few operations that are applied in order.

A step is computed in two number systems, the exact one and that of the bounds: which one is
decided by the functions that it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from optgen.emit.outline import Line, is_input, meaning, outline, partial_axes, uniform
from optgen.ir.node import Node, walk
from optgen.ir.ops import OPS
from optgen.ir.program import Program
from optgen.ir.types import BOOL, LEAF, Axes


class Leaf(Protocol):
    """Facts about the leaf that an operation is evaluated for."""

    def dtype(self, name: str) -> Any:
        """Concrete dtype for a dtype of the program."""

    def extents(self, axes: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of a value that varies along these axes, or along all if there are none."""


class Arithmetic(Protocol):
    """A number system."""

    def number(self, value: float, leaf: Any) -> Any:
        """A constant."""

    def truth(self, condition: Any, leaf: Any) -> Any:
        """1 where a condition holds, and 0 elsewhere."""

    def cast(self, x: Any, dtype: Any) -> Any:
        """A number rounded to a dtype."""

    def reduce(self, op: str, x: Any, axes: tuple[int, ...], shape: tuple[int, ...]) -> Any:
        """A reduction of ``x``, repeated to ``shape``, along axes; along all if there are none."""

    def elementwise(self, op: str) -> Callable[..., Any]:
        """The function for an elementwise operation."""


@dataclass(frozen=True, slots=True)
class Step:
    """One equation as a sequence of operations; of a tree reduction, of what it reduces.

    Attributes:
      line: what the equation is for.
      arguments: the names of the values that it takes, by their nodes.
      nodes: what is computed, arguments first; the last is the result.
      tree: the node of a tree reduction, or None.
      uniform: whether hyperparameters and the step alone decide it.
    """

    line: Line
    arguments: Mapping[Node, str]
    nodes: tuple[Node, ...]
    tree: Node | None
    uniform: bool

    def run(self, arithmetic: Arithmetic, leaf: Leaf, get: Callable[[str], Any]) -> Any:
        """The value of the equation; ``get`` gives those of its arguments."""
        values = {n: get(name) for n, name in self.arguments.items()}
        for n in self.nodes:
            values[n] = _apply(n, [values[meaning(arg)] for arg in n.args], arithmetic, leaf)
        return values[_result(self.line.node, self.tree)]


@dataclass(frozen=True, slots=True)
class Compiled:
    """A program as steps.

    Attributes:
      steps: by the name of what each computes, in order.
      inputs: the nodes that are read, by their names.
    """

    steps: Mapping[str, Step]
    inputs: Mapping[str, Node]

    def storing(self, role: str) -> Iterator[tuple[str, str]]:
        """The keys of the effects of this role, each with the name of its value."""
        return ((s.line.key, name) for name, s in self.steps.items() if s.line.role == role)


@lru_cache(maxsize=256)
def compiled(program: Program) -> Compiled:
    """The equations of a program as steps; the same object for equal programs."""
    plan = outline(program, exact=True)
    names = {n: f"x{i}" for i, n in enumerate(plan.names)}
    inputs = {name: n for n, name in names.items() if is_input(n)}
    known = {n: name for n, name in names.items() if is_input(n)}
    same = uniform(program.nodes())
    steps = {}
    for i, line in enumerate(plan.lines, len(names)):
        owns = line.role != "update" and plan.names.get(line.node) == line.name
        name = names[line.node] if owns else f"x{i}"
        steps[name] = _step(line, known, line.node in same)
        if owns:
            known[line.node] = name
    return Compiled(steps, inputs)


def _step(line: Line, known: Mapping[Node, str], is_uniform: bool) -> Step:
    tree = line.node if OPS[line.node.op].kind == "tree" and line.node not in known else None
    nodes, arguments = [], {}
    for n in walk(
        [_result(line.node, tree)], args=lambda n: () if n in known else map(meaning, n.args)
    ):
        if n in known:
            arguments[n] = known[n]
        else:
            nodes.append(n)
    return Step(line, arguments, tuple(nodes), tree, is_uniform)


def _result(n: Node, tree: Node | None) -> Node:
    return n if tree is None else meaning(tree.args[0])


def _apply(n: Node, args: list[Any], arithmetic: Arithmetic, leaf: Leaf) -> Any:
    if n.op == "const":
        return arithmetic.number(n.attr, leaf)
    if n.op == "cast":
        is_truth = n.args[0].type.dtype == BOOL
        if is_truth:
            return arithmetic.truth(args[0], leaf)
        return arithmetic.cast(args[0], leaf.dtype(n.type.dtype))
    if OPS[n.op].kind == "reduce":
        shape = leaf.extents(_numbers(n.args[0].type.axes))
        return arithmetic.reduce(n.op, args[0], _numbers(partial_axes(n)), shape)
    return arithmetic.elementwise(n.op)(*args)


def _numbers(axes: Axes) -> tuple[int, ...]:
    """Axes by number, none for all of them."""
    return () if axes == LEAF else axes
