"""Printer of the values of a program as named statements and nested expressions.

All targets share it: it decides which values get a name, their order, and the parentheses. A
target decides the spelling of each operation.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from optgen.ir.describe import describe
from optgen.ir.node import Node, walk
from optgen.ir.ops import OPS, Operator, Spelling, call, is_elementwise
from optgen.ir.program import Program
from optgen.ir.types import BOOL, SCALAR

ATOM = 100
"""The precedence of text that never needs parentheses."""

_NEGATIVE = 7  # the precedence of a number with a sign, in every language that is printed
_WIDTH = 68  # of an expression; what is longer is split over named terms


Text = tuple[str, int]
"""An expression and the precedence of its outermost operator."""


class Printer:
    """Prints one program; subclasses spell the operations of a language."""

    def __init__(self, program: Program, reserved: Iterable[str] = ()) -> None:
        self.program = program
        self.reads: list[str] = []
        self.statements: list[tuple[str, str]] = []
        self._texts: dict[Node, Text] = {}
        self._uses: Counter[Node] = Counter()
        self._aliases: defaultdict[Node, list[Node]] = defaultdict(list)
        self._numbered: Counter[str] = Counter()
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

    def spelling(self, op: str) -> Spelling:
        """The spelling of an operation in the language; by default its operator, or its name."""
        return OPS[op].operator or op

    def reduction(self, n: Node) -> Text:
        """A reduction of a leaf."""
        return call(n.op, [self.text(n.args[0])[0]]), ATOM

    def mean(self, total: Node) -> Text:
        """A sum over the number of its terms."""
        return call("mean", [self.text(total.args[0])[0]]), ATOM

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
        """True where the language does not spell this move."""
        return True

    def _count_uses(self) -> None:
        for n in self.program.nodes():
            for arg in n.args:
                if n.op not in ("broadcast", "cast") or not self.cast_is_silent(n):
                    self._uses[self.visible(arg)] += 1
        for n in self.program.names:
            if self.visible(n) is not n:
                self._aliases[self.visible(n)].append(n)

    def unique(self, name: str) -> str:
        """A name that nothing else has."""
        base = name
        while name in self._taken:
            self._numbered[base] += 1
            name = f"{base}_{self._numbered[base] + 1}"
        self._taken.add(name)
        return name

    def text(self, n: Node) -> Text:
        """The text of a value in an expression: its name, or its own expression."""
        n = self.visible(n)
        if n not in self._texts:
            text = self._expression(n)
            trivial = OPS[n.op].kind == "input" or (n.op == "neg" and n.args[0].op == "const")
            author = self.known_name(n)
            if not trivial and (author or self._uses[n] > 1):
                text = self.bind(author or self.default_name(n), text)
            self._texts[n] = text
        return self._texts[n]

    def default_name(self, n: Node) -> str:
        """The name of a value that is used twice and has no name of the author's."""
        unnamed = "term" if n.type.axes != SCALAR else "factor"
        return self.words(n) or self.reduction_words(n) or unnamed

    def words(self, n: Node) -> str:
        """Words for a value, its own or of what it is computed; empty where there are none."""
        return describe(n, self.known_name, self.reduction_words)

    def known_name(self, n: Node) -> str:
        """The author's name of a value, before or after moves that are not spelled."""
        return next((name for m in (n, *self._aliases[n]) if (name := self.name(m))), "")

    def reduction_words(self, n: Node) -> str:
        """Words that a reduction adds to those for its argument; empty for no words at all."""
        return ""

    def bind(self, name: str, text: Text) -> Text:
        """Makes a statement of an expression; returns its name."""
        name = self.unique(name)
        self.statements.append((name, text[0]))
        return name, ATOM

    def _expression(self, n: Node) -> Text:
        kind = OPS[n.op].kind
        if n.op == "const":
            return self.const(n.attr), ATOM if n.attr >= 0 else _NEGATIVE
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
        """The text of an elementwise operation, split over statements where it is too long."""
        if total := _sum_of_mean(n):
            return self.mean(total)
        self._prepare(n.args)
        parts = [self.text(arg) for arg in n.args]
        while sum(len(text) for text, _ in parts) > _WIDTH:
            longest = max(range(len(parts)), key=lambda i: len(parts[i][0]))
            if parts[longest][1] == ATOM and "(" not in parts[longest][0]:
                break
            bound = self.bind("term", parts[longest])
            self._texts[self.visible(n.args[longest])] = bound
            parts = [self.text(arg) for arg in n.args]
        return self.spell(n, parts)

    def _prepare(self, args: Iterable[Node]) -> None:
        """Prints the operands of the arguments, in the order in which these would ask for them.

        So the arguments of a value are printed before the value, at any depth without recursion.
        """
        visible = map(self.visible, args)
        for n in walk(visible, self._texts, lambda n: map(self.visible, self._operands(n))):
            self.text(n)

    def _operands(self, n: Node) -> tuple[Node, ...]:
        """The nodes whose text is a part of the node's; none where it fetches them, as a mean."""
        if n.op == "cast":
            (arg,) = n.args
            return n.args if arg.type.dtype == BOOL else arg.args
        return n.args if is_elementwise(n.op) and not _sum_of_mean(n) else ()

    def spell(self, n: Node, parts: list[Text]) -> Text:
        """Joins the arguments of an operation by its operator, or in a call."""
        return self.joined(n.op, parts)

    def joined(self, op: str, parts: list[Text]) -> Text:
        """The text of an operation applied to printed arguments."""
        spelling = self.spelling(op)
        if not isinstance(spelling, Operator):
            return call(spelling, [text for text, _ in parts]), ATOM
        if len(parts) == 1:
            operand = _within(parts[0], spelling.precedence)
            return f"{spelling.symbol}{operand}", spelling.precedence
        a, b = parts
        left = spelling.precedence + spelling.right
        right = spelling.precedence + (not spelling.right)
        if not spelling.chains:  # a < b < c means something else
            left = right = spelling.precedence + 1
        simple = all(part.replace(".", "").isidentifier() or part.isdigit() for part, _ in parts)
        space = "" if op == "pow" and simple else " "  # as Black and Ruff space powers
        symbol = f"{space}{spelling.symbol}{space}"
        return f"{_within(a, left)}{symbol}{_within(b, right)}", spelling.precedence


def _sum_of_mean(n: Node) -> Node | None:
    """The sum in a division that computes a mean; None for other nodes."""
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
