"""Patterns over nodes, and the rewrites made of them: ``Rewrite("mul(x, 1.0)", "x")``.

A pattern is an expression of the operations in ``optgen.ir.ops``. A name stands for any value,
the same one wherever it occurs; a number for that constant, or a broadcast of it (0.0 and -0.0
are two numbers); ``mul(x, 1.0)`` matches ``1.0 * x`` too, for ``mul`` is commutative. In a
replacement everything varies along the axes of the replaced node, except inside ``broadcast(…)``,
which stands for a scalar repeated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, Union

from optgen.ir.build import broadcast, const
from optgen.ir.node import Node, node
from optgen.ir.ops import OPS
from optgen.ir.types import BOOL, REAL, SCALAR, Axes, Type

Bindings: TypeAlias = Mapping[str, Node]
"""The node that each name of a pattern stands for."""

Guard: TypeAlias = Callable[[Node, Bindings], bool]
"""A condition on the matched node and the bindings: True where the rewrite holds for them."""


@dataclass(frozen=True)
class Call:
    """An operation applied to patterns."""

    op: str
    args: tuple[Pattern, ...]


Pattern: TypeAlias = Union[Call, str, float]  # noqa: UP007  (Call is not known to | above it)
"""An operation, a name, or a number."""

_TOKEN = re.compile(r"\s*([A-Za-z_]\w*|-?\d+\.\d+|[(),])")


def parse_pattern(source: str) -> Pattern:
    """Reads a pattern.

    Raises:
      ValueError: if it is malformed, or an operation is unknown or takes another number of
        arguments.
    """
    tokens = _TOKEN.findall(source)
    if "".join(tokens) != "".join(source.split()):
        raise ValueError(f"{source!r} is no pattern")
    try:
        pattern = _expression(tokens)
    except IndexError:
        raise ValueError(f"{source!r} ends too soon") from None
    if tokens:
        raise ValueError(f"{source!r} goes on after its end, at {tokens[0]!r}")
    return pattern


def _expression(tokens: list[str]) -> Pattern:
    """Takes one expression off the front of the tokens."""
    head = tokens.pop(0)
    if not head.isidentifier():
        return float(head)
    if not tokens or tokens[0] != "(":
        return head
    args: list[Pattern] = []
    while tokens.pop(0) != ")":  # an opening bracket or a comma: an argument follows
        args.append(_expression(tokens))
    if head not in OPS or OPS[head].arity != len(args):
        raise ValueError(f"no operation {head!r} takes {len(args)} arguments")
    return Call(head, tuple(args))


def matches(pattern: Pattern, n: Node, bound: Bindings) -> Iterator[Bindings]:
    """Yields every match of a pattern with a node, as bindings that extend ``bound``."""
    if isinstance(pattern, str):
        if bound.get(pattern, n) is n:
            yield {**bound, pattern: n}
    elif isinstance(pattern, float):
        if _is_number(n, pattern):
            yield bound
    elif n.op == pattern.op:
        yield from _all_match(pattern.args, n.args, bound)
        if OPS[n.op].commutative:
            yield from _all_match(pattern.args, n.args[::-1], bound)


def _all_match(
    patterns: tuple[Pattern, ...], nodes: tuple[Node, ...], bound: Bindings
) -> Iterator[Bindings]:
    if not patterns:
        yield bound
        return
    for extended in matches(patterns[0], nodes[0], bound):
        yield from _all_match(patterns[1:], nodes[1:], extended)


def _is_number(n: Node, value: float) -> bool:
    if n.op == "broadcast":
        (n,) = n.args
    return n.op == "const" and n.attr.hex() == value.hex()


def build(pattern: Pattern, bound: Bindings, axes: Axes) -> Node:
    """The node that a pattern describes, varying along ``axes``."""
    if isinstance(pattern, str):
        return bound[pattern]
    if isinstance(pattern, float):
        return broadcast(const(pattern), axes)
    if pattern.op == "broadcast":
        return broadcast(build(pattern.args[0], bound, SCALAR), axes)
    args = [build(arg, bound, axes) for arg in pattern.args]
    kind = OPS[pattern.op].kind
    dtype = BOOL if kind in ("compare", "test", "logic") else REAL
    return node(pattern.op, Type(dtype, axes), args)


@dataclass(frozen=True)
class Rewrite:
    """An identity: a pattern, and the replacement of the nodes that match it.

    Attributes:
      pattern: the left-hand side, as text; an operation.
      replacement: the right-hand side, as text.
      when: a further condition, or None.
    """

    pattern: str
    replacement: str
    when: Guard | None = None
    left: Call = field(init=False, repr=False)
    right: Pattern = field(init=False, repr=False)

    def __post_init__(self) -> None:
        left = parse_pattern(self.pattern)
        if not isinstance(left, Call):
            raise ValueError(f"{self.pattern!r} would match everything")
        object.__setattr__(self, "left", left)
        object.__setattr__(self, "right", parse_pattern(self.replacement))

    def apply(self, n: Node) -> Node | None:
        """The replacement of a node, or None where the identity does not match it."""
        for bound in matches(self.left, n, {}):
            if self.when is None or self.when(n, bound):
                return build(self.right, bound, n.type.axes)
        return None


class Rewriter:
    """Applies to a node the first rewrite that matches it; for ``Program.rewrite``."""

    def __init__(self, rewrites: Iterable[Rewrite]) -> None:
        self._by_op: dict[str, list[Rewrite]] = {}
        for rewrite in rewrites:
            self._by_op.setdefault(rewrite.left.op, []).append(rewrite)

    def __call__(self, n: Node) -> Node:
        return next((new for r in self._by_op.get(n.op, ()) if (new := r.apply(n))), n)
