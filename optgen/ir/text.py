"""The textual form of a program. ``parse(text(p)) == p``, with the same names.

    # the first moment, and a mean of it
    program adam rank 2 {
      %0 = load "g" : grad[*]
      %g = cast %0 : real[*]
      %1 = const 0.1 : real[]
      %2 = broadcast %1 : real[*]
      %mu_next = mul %g, %2 : real[*]
      store "mu" %mu_next : real[*]
      %3 = sum<0> %mu_next : real[1]
      store "sums" %3 : real[1]
    }

A statement is ``%name = op attribute arguments : type``; an effect has no name. The attribute
is a number, a name in quotes, or axes in angle brackets. A value that the author named has that
name where it is unique and a word; otherwise ``as "name"`` follows the type. ``rank`` is missing
where any rank will do. ``#`` starts a comment.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from optgen.errors import ParseError
from optgen.ir.node import Node, node
from optgen.ir.ops import OPS
from optgen.ir.program import Program
from optgen.ir.types import LEAF, Axes, Type

_WORD = re.compile(r"(?!(?:inf|nan)$)[A-Za-z_][A-Za-z0-9_]*")


def text(program: Program) -> str:
    """The program in its textual form, a line for each node, arguments first."""
    nodes = list(program.nodes())
    values = _value_names(nodes, program.names)
    head = program.name if _WORD.fullmatch(program.name) else json.dumps(program.name)
    rank = "" if program.rank is None else f" rank {program.rank}"
    lines = [f"  {_line(n, values, program.names.get(n))}" for n in nodes]
    return "\n".join([f"program {head}{rank} {{", *lines, "}"])


def _value_names(nodes: list[Node], names: Mapping[Node, str]) -> dict[Node, str]:
    """The name of each value in the text: the author's where it is a word and unique."""
    used = Counter(names[n] for n in nodes if n in names)
    result: dict[Node, str] = {}
    numbered = 0
    for n in nodes:
        if n.op in OPS and OPS[n.op].kind == "effect":
            continue
        name = names.get(n, "")
        if not _WORD.fullmatch(name) or used[name] > 1:
            name, numbered = str(numbered), numbered + 1
        result[n] = name
    return result


def _line(n: Node, values: Mapping[Node, str], author: str | None) -> str:
    # What is not legal is printed too, for whoever has to find out why: hence `get`.
    args = ", ".join(f"%{values.get(arg, '?')}" for arg in n.args)
    line = f"{' '.join(filter(None, (n.op + _attribute(n), args)))} : {n.type}"
    if n in values:
        line = f"%{values[n]} = {line}"
    if author is not None and (author.isdigit() or values.get(n) != author):
        line += f" as {json.dumps(author)}"
    return line


def _attribute(n: Node) -> str:
    if n.attr is None:
        return ""
    if n.op in OPS and OPS[n.op].attribute == "axes":
        return f"<{','.join(map(str, n.attr))}>"
    return f" {json.dumps(n.attr)}" if isinstance(n.attr, str) else f" {n.attr!r}"


def parse(source: str) -> Program:
    """Reads the textual form of one program, without the checks of ``legality.check``.

    Raises:
      ParseError: naming the line, the column, and the token that was expected there.
    """
    return _Parser(_tokens(source)).program()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int
    column: int

    def fail(self, expected: str) -> NoReturn:
        token = repr(self.text) if self.text else "the end"
        raise ParseError(
            f"line {self.line}, column {self.column}: expected {expected}, found {token}"
        )


_TOKEN = re.compile(
    r"""(?P<space>[ \t\r]+|\#[^\n]*)
      | (?P<newline>\n)
      | (?P<value>%[A-Za-z0-9_]+)
      | (?P<string>"(?:[^"\\\n]|\\.)*")
      | (?P<number>-?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|(?:inf|nan)\b))
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<mark>.)""",
    re.VERBOSE,
)


def _tokens(source: str) -> list[_Token]:
    tokens = []
    line, start = 1, 0
    for match in _TOKEN.finditer(source):
        kind = str(match.lastgroup)
        if kind == "newline":
            line, start = line + 1, match.end()
        elif kind != "space":
            tokens.append(_Token(kind, match.group(), line, match.start() - start + 1))
    return [*tokens, _Token("end", "", line, len(source) - start + 1)]


class _Parser:
    """A recursive-descent parser; each method consumes the tokens of the rule it is named for."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._values: dict[str, Node] = {}
        self._names: dict[Node, str] = {}

    def program(self) -> Program:
        self._word("program")
        name = self._string() if self._next.kind == "string" else self._take("word", "a name").text
        rank = None
        if self._next.text == "rank":
            self._take("word", "'rank'")
            rank = self._integer()
        self._mark("{")
        outputs = []
        while self._next.text != "}":
            n = self._statement()
            if OPS[n.op].kind == "effect":
                outputs.append(n)
        self._mark("}")
        self._take("end", "nothing after the program")
        return Program(name, tuple(outputs), rank, self._names)

    def _statement(self) -> Node:
        name = self._next if self._next.kind == "value" else None
        if name:
            self._take("value", "a value")
            self._mark("=")
        op = self._operation(name)
        attr = self._attribute(op)
        args = self._arguments(op)
        self._mark(":")
        n = node(op, self._type(), args, attr)
        if name:
            self._values[name.text] = n
            if not name.text[1:].isdigit():
                self._names[n] = name.text[1:]
        if self._next.text == "as":
            self._take("word", "'as'")
            self._names[n] = self._string()
        return n

    def _operation(self, name: _Token | None) -> str:
        token = self._next
        if token.text not in OPS:
            token.fail("an operation" if name else "'%name = …', an effect, or '}'")
        if name is None and OPS[token.text].kind != "effect":
            token.fail("a name for the value, such as '%x = '")
        if name is not None and OPS[token.text].kind == "effect":
            token.fail("an operation with a value (effects have none)")
        if name is not None and name.text in self._values:
            name.fail("a name that is not taken yet")
        return self._take("word", "an operation").text

    def _attribute(self, op: str) -> Any:
        kind = OPS[op].attribute
        if kind == "number":
            return float(self._take("number", "a number").text)
        if kind == "name":
            return self._string()
        return self._axes("<", ">") if kind == "axes" else None

    def _arguments(self, op: str) -> list[Node]:
        args: list[Node] = []
        for _ in range(OPS[op].arity):
            if args:
                self._mark(",")
            token = self._take("value", f"a value ({op} takes {OPS[op].arity})")
            if token.text not in self._values:
                token.fail("a value that is defined above")
            args.append(self._values[token.text])
        return args

    def _type(self) -> Type:
        return Type(self._take("word", "a type such as real[*]").text, self._axes("[", "]"))

    def _axes(self, opening: str, closing: str) -> Axes:
        self._mark(opening)
        axes: Axes = ()
        if self._next.text == "*":
            self._mark("*")
            axes = LEAF
        elif self._next.text != closing:
            axes = (self._integer(),)
            while self._next.text == ",":
                self._mark(",")
                axes = (*axes, self._integer())
        self._mark(closing)
        return axes

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self, kind: str, expected: str) -> _Token:
        token = self._next
        if token.kind != kind:
            token.fail(expected)
        self._at += 1
        return token

    def _mark(self, mark: str) -> None:
        if self._next.text != mark:
            self._next.fail(repr(mark))
        self._at += 1

    def _word(self, word: str) -> None:
        if self._next.text != word:
            self._next.fail(repr(word))
        self._at += 1

    def _integer(self) -> int:
        if not self._next.text.isdecimal():
            self._next.fail("an axis or a rank: 0, 1, …")
        return int(self._take("number", "a number").text)

    def _string(self) -> str:
        token = self._take("string", "a name in quotes")
        try:
            return str(json.loads(token.text))
        except json.JSONDecodeError:
            token.fail("a name in quotes, written as in JSON")
