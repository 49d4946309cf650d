"""Prints the values of a program as named statements and nested expressions.

What every target shares: what gets a name, in which order, and where parentheses stand. A target
says how each operation is spelled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from optgen.ir.node import Node
from optgen.ir.ops import OPS
from optgen.ir.program import Program
from optgen.ir.types import SCALAR

ATOM = 100
"""The precedence of what never needs parentheses."""

_WIDTH = 68  # of an expression; what is longer is split over named terms


@dataclass(frozen=True, slots=True)
class Operator:
    """An infix or prefix operator: its spelling, and how tightly it binds."""

    symbol: str
    precedence: int
    right: bool = False
    chains: bool = True


INFIX = {
    "or": Operator("|", 2),
    "and": Operator("&", 4),
    "add": Operator("+", 5),
    "sub": Operator("-", 5),
    "mul": Operator("*", 6),
    "div": Operator("/", 6),
    "pow": Operator("**", 9, right=True),
    "lt": Operator("<", 1, chains=False),
    "le": Operator("<=", 1, chains=False),
    "gt": Operator(">", 1, chains=False),
    "ge": Operator(">=", 1, chains=False),
    "eq": Operator("==", 1, chains=False),
    "ne": Operator("!=", 1, chains=False),
}
"""Python's infix operators with Python's precedences."""

PREFIX = {"neg": Operator("-", 7), "not": Operator("~", 7)}

Text = tuple[str, int]
"""An expression and the precedence of its outermost operator."""


class Printer:
    """Prints one program; subclasses spell the operations of a language."""

    infix = INFIX
    prefix = PREFIX

    def __init__(self, program: Program, reserved: Iterable[str] = ()) -> None:
        self.program = program
        self.reads: list[str] = []
        self.statements: list[tuple[str, str]] = []
        self._texts: dict[Node, Text] = {}
        self._uses: Counter[Node] = Counter()
        inputs = (n.attr for n in program.nodes() if n.op in ("load", "scalar", "hyper"))
        self._taken = {"step", *(a for a in inputs if isinstance(a, str)), *reserved}
        self._count_uses()

    def output(self, effect: Node) -> str:
        """The expression of an effect's value; statements that it needs come before."""
        return self.filled(effect.args[0])

    # What a language spells.

    def const(self, value: float) -> str:
        """A number."""
        return repr(int(value)) if value.is_integer() and abs(value) < 1e6 else repr(value)

    def call(self, op: str, args: list[str]) -> str:
        """An operation that has no operator."""
        return f"{op}({', '.join(args)})"

    def reduction(self, n: Node) -> Text:
        """A reduction of a leaf."""
        return self.call(n.op, [self.text(n.args[0])[0]]), ATOM

    def mean(self, total: Node) -> Text:
        """A sum over the number of its terms."""
        return self.call("mean", [self.text(total.args[0])[0]]), ATOM

    def extent(self, n: Node) -> Text:
        """A number of elements."""
        return "size", ATOM

    def cast(self, n: Node) -> Text:
        """A change of dtype; by default not spelled at all."""
        return self.text(n.args[0])

    def filled(self, n: Node) -> str:
        """A value whose every element must be there; by default broadcasts are not spelled."""
        return self.text(n)[0]

    # What is shared.

    def name(self, n: Node) -> str | None:
        """The author's name of a value, if there is one."""
        return self.program.names.get(n)

    def read(self, name: str) -> str:
        """Notes that an input is read."""
        if name not in self.reads:
            self.reads.append(name)
        return name

    def visible(self, n: Node) -> Node:
        """The node without the moves that are not spelled."""
        while n.op in ("broadcast", "cast") and self.cast_is_silent(n):
            n = n.args[0]
        return n

    def cast_is_silent(self, n: Node) -> bool:
        """Whether a move is not spelled."""
        return True

    def _count_uses(self) -> None:
        for n in self.program.nodes():
            for arg in n.args:
                if n.op not in ("broadcast", "cast") or not self.cast_is_silent(n):
                    self._uses[self.visible(arg)] += 1

    def unique(self, name: str) -> str:
        """A name that nothing else has."""
        base, count = name, 1
        while name in self._taken:
            count += 1
            name = f"{base}_{count}"
        self._taken.add(name)
        return name

    def text(self, n: Node) -> Text:
        """How a value is written where it is used: its name, or its expression."""
        n = self.visible(n)
        if n not in self._texts:
            text = self._expression(n)
            trivial = OPS[n.op].kind == "input" or (n.op == "neg" and n.args[0].op == "const")
            author = next((self.name(m) for m in self._aliases(n) if self.name(m)), None)
            if not trivial and (author or self._uses[n] > 1):
                text = self.bind(author or self.default_name(n), text)
            self._texts[n] = text
        return self._texts[n]

    def _aliases(self, n: Node) -> list[Node]:
        return [n, *(m for m in self.program.names if m is not n and self.visible(m) is n)]

    def default_name(self, n: Node) -> str:
        """What a value is called that is used twice and that the author did not name."""
        if n.op == "mul" and n.args[0] is n.args[1]:
            inner = self.visible(n.args[0])
            if inner.op in ("load", "scalar"):
                return f"{inner.attr}_squared"
        return "term" if n.type.axes != SCALAR else "factor"

    def bind(self, name: str, text: Text) -> Text:
        """Makes a statement of an expression; returns its name."""
        name = self.unique(name)
        self.statements.append((name, text[0]))
        return name, ATOM

    def _expression(self, n: Node) -> Text:
        kind = OPS[n.op].kind
        if n.op == "const":
            return self.const(n.attr), ATOM if n.attr >= 0 else PREFIX["neg"].precedence
        if n.op == "extent":
            return self.extent(n)
        if kind == "input":
            return self.read("step" if n.op == "step" else n.attr), ATOM
        if kind in ("reduce", "tree"):
            return self.reduction(n)
        if n.op in ("cast", "broadcast"):
            return self.cast(n)
        return self.operation(n)

    def operation(self, n: Node) -> Text:
        """An elementwise operation, split over statements where it would be too long."""
        if total := _sum_of_mean(n):
            return self.mean(total)
        parts = [self.text(arg) for arg in n.args]
        while sum(len(text) for text, _ in parts) > _WIDTH:
            longest = max(range(len(parts)), key=lambda i: len(parts[i][0]))
            if parts[longest][1] == ATOM and "(" not in parts[longest][0]:
                break
            bound = self.bind("term", parts[longest])
            self._texts[self.visible(n.args[longest])] = bound
            parts = [self.text(arg) for arg in n.args]
        return self.spell(n, parts)

    def spell(self, n: Node, parts: list[Text]) -> Text:
        """Joins an operation's arguments by its operator, or in a call."""
        if n.op in self.infix:
            operator = self.infix[n.op]
            a, b = parts
            left, right = (
                operator.precedence + operator.right,
                operator.precedence + (not operator.right),
            )
            if not operator.chains:  # a < b < c means something else
                left = right = operator.precedence + 1
            simple = all(
                part.replace(".", "").isidentifier() or part.isdigit() for part, _ in parts
            )
            space = "" if n.op == "pow" and simple else " "  # as Black and Ruff space powers
            symbol = f"{space}{operator.symbol}{space}"
            return f"{_within(a, left)}{symbol}{_within(b, right)}", operator.precedence
        if n.op in self.prefix:
            operator = self.prefix[n.op]
            return f"{operator.symbol}{_within(parts[0], operator.precedence)}", operator.precedence
        return self.call(n.op, [text for text, _ in parts]), ATOM


def _sum_of_mean(n: Node) -> Node | None:
    """The sum that a division makes a mean of, if it does."""
    if n.op != "div":
        return None
    total, count = n.args
    while total.op == "broadcast":
        total = total.args[0]
    while count.op == "broadcast":
        count = count.args[0]
    return total if (total.op, count.op, total.attr) == ("sum", "extent", count.attr) else None


def _within(text: Text, precedence: int) -> str:
    return text[0] if text[1] >= precedence else f"({text[0]})"
