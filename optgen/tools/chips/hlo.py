"""Reads the text of an HLO module, as XLA prints it after optimization.

The text is a header, then computations, the entry one marked; a computation is a list of
instructions, each ``%name = shape opcode(operands), attribute=value, …``. What is not needed to
count kernels and bytes is kept as text: sharding, metadata, a backend's configuration.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from optgen.errors import ParseError


@dataclass(frozen=True, slots=True)
class Array:
    """The shape of one array; a tuple is several of them.

    Attributes:
      dtype: as HLO writes it: ``f32``, ``bf16``, ``pred``, ``f8e4m3fn``, ….
      dims: its extents; none for a scalar.
      space: the memory that it lies in; 0 is the device's main memory.
    """

    dtype: str
    dims: tuple[int, ...]
    space: int = 0

    @property
    def bytes(self) -> int:
        """Bytes of its elements, without padding."""
        return math.ceil(math.prod(self.dims) * _bits(self.dtype) / 8)


@dataclass(frozen=True, slots=True)
class Alias:
    """An output that is written where an operand, or a parameter of the module, was.

    Attributes:
      output: the index into the tuple of results; empty where there is one result.
      operand: the number of the operand or parameter.
      index: the index into it, where it is a tuple.
    """

    output: tuple[int, ...]
    operand: int
    index: tuple[int, ...] = ()


@dataclass(frozen=True)
class Instruction:
    """One instruction.

    Attributes:
      name: without its percent sign.
      opcode: what it does.
      results: the arrays of its result, those of nested tuples in order.
      operands: the names of the instructions that it reads, or what a constant or parameter says.
      attributes: the rest, as text, by name.
      root: whether its result is that of its computation.
    """

    name: str
    opcode: str
    results: tuple[Array, ...]
    operands: tuple[str, ...]
    attributes: Mapping[str, str]
    root: bool = False

    @property
    def target(self) -> str:
        """The name of the function that a custom call calls; empty for other instructions."""
        return self.attributes.get("custom_call_target", "").strip('"')

    @property
    def aliases(self) -> tuple[Alias, ...]:
        """Its outputs that are written in the place of operands."""
        return _aliases(self.attributes.get("output_to_operand_aliasing", ""))

    def called(self, *attributes: str) -> tuple[str, ...]:
        """The names of the computations that the first of these attributes to be there gives."""
        for attribute in attributes:
            if text := self.attributes.get(attribute):
                return tuple(name.strip().lstrip("%") for name in text.strip("{}").split(","))
        return ()


@dataclass(frozen=True)
class Computation:
    """Instructions in the order in which they run, by name."""

    name: str
    instructions: Mapping[str, Instruction]

    def parameter(self, number: int) -> str:
        """The name of its parameter of this number.

        Raises:
          ParseError: if it has no such parameter.
        """
        for instruction in self.instructions.values():
            if instruction.opcode == "parameter" and instruction.operands == (str(number),):
                return instruction.name
        raise ParseError(f"HLO computation {self.name} has no parameter {number}")

    @property
    def makers(self) -> list[Instruction]:
        """The instructions that make its results, one for each array of them."""
        root = next(i for i in self.instructions.values() if i.root)
        if root.opcode != "tuple":
            return [root]
        return [self.instructions[name] for name in root.operands]


@dataclass(frozen=True)
class HloModule:
    """A module: its computations, read when they are asked for.

    Attributes:
      name: of the module.
      entry: the name of the computation that runs.
      aliases: which outputs are written where which parameters were.
    """

    name: str
    entry: str
    aliases: tuple[Alias, ...]
    _lines: Mapping[str, list[str]] = field(repr=False)

    def computation(self, name: str) -> Computation:
        """The computation of this name.

        Raises:
          ParseError: if there is none, or a line of it cannot be read.
        """
        if name not in self._lines:
            raise ParseError(f"HLO module {self.name} has no computation {name!r}")
        instructions = map(_instruction, self._lines[name])
        return Computation(name, {instruction.name: instruction for instruction in instructions})


def parse(text: str) -> HloModule:
    """Reads a module.

    Args:
      text: what ``compiled.as_text()`` returns.

    Raises:
      ParseError: if it is not the text of a module with an entry computation.
    """
    header = text[: text.find("\n")] if "\n" in text else text
    if not header.startswith("HloModule "):
        raise ParseError(f"not the text of an HLO module: it begins {header[:40]!r}")
    lines: dict[str, list[str]] = {}
    entry = None
    body: list[str] | None = None
    for line in text.splitlines()[1:]:
        if body is None:
            if opened := _COMPUTATION.match(line):
                body = lines[opened["name"]] = []
                entry = opened["name"] if opened["entry"] else entry
        elif line.startswith("}"):
            body = None
        else:
            body.append(line)
    name, *attributes = _split(header.removeprefix("HloModule "))
    if entry is None:
        raise ParseError(f"HLO module {name} has no entry computation")
    return HloModule(
        name, entry, _aliases(_attributes(attributes).get("input_output_alias", "")), lines
    )


_COMPUTATION = re.compile(r"(?P<entry>ENTRY )?%?(?P<name>[\w.\-]+) .*\{$")
_INSTRUCTION = re.compile(r"\s*(?P<root>ROOT )?%?(?P<name>[\w.\-]+) = ")
_OPCODE = re.compile(r"\s*(?P<opcode>[a-z][\w\-]*)\(")
_OPERAND = re.compile(r"^.*%(?=[\w.\-]+$)")  # a shape may stand before the name
_ARRAY = re.compile(r"(?P<dtype>[a-z]\w*)\[(?P<dims>[^\]]*)\](?:\{(?P<layout>[^}]*)\})?")
_SPACE = re.compile(r"S\((\d+)\)")
_INDEX_COMMENT = re.compile(r"/\*index=\d+\*/")
_ALIAS = re.compile(r"\{([\d, ]*)\}: \((\d+), \{([\d, ]*)\}")
_MARK = re.compile(r'"(?:[^"\\]|\\.)*"|[(\[{]|[)\]}]|,')
_NO_BYTES = frozenset({"token", "opaque"})


@functools.cache
def _bits(dtype: str) -> int:
    """The bits of one element: those that the name says, which ends in them but for pred."""
    if dtype == "pred":
        return 8
    if dtype in _NO_BYTES:
        return 0
    if width := re.match(r"(?:[suc]|b?f)(\d+)", dtype):
        return int(width[1])
    raise ParseError(f"unknown HLO element type {dtype!r}")


def _instruction(line: str) -> Instruction:
    line = _INDEX_COMMENT.sub("", line)
    named = _INSTRUCTION.match(line)
    shaped = _shape_end(line, named.end()) if named else None
    called = _OPCODE.match(line, shaped) if shaped else None
    if named is None or called is None:
        raise ParseError(f"not an HLO instruction: {line.strip()[:80]!r}")
    operands_end = _closing(line, called.end() - 1)
    return Instruction(
        name=named["name"],
        opcode=called["opcode"],
        results=tuple(_arrays(line[named.end() : shaped])),
        operands=tuple(
            _OPERAND.sub("", text) for text in _split(line[called.end() : operands_end - 1])
        ),
        attributes=_attributes(_split(line[operands_end:])),
        root=bool(named["root"]),
    )


def _shape_end(line: str, begin: int) -> int | None:
    if line.startswith("(", begin):
        return _closing(line, begin)
    array = _ARRAY.match(line, begin)
    return array.end() if array else None


def _arrays(shape: str) -> Iterator[Array]:
    for array in _ARRAY.finditer(shape):
        # A dimension that may be shorter when it runs is written with the most that it can be.
        dims = tuple(int(dim.strip("<= ")) for dim in array["dims"].split(",") if dim)
        space = _SPACE.search(array["layout"] or "")
        yield Array(array["dtype"], dims, int(space[1]) if space else 0)


def _attributes(parts: list[str]) -> Mapping[str, str]:
    pairs = (part.partition("=") for part in parts)
    return {name: value for name, equals, value in pairs if equals}


def _aliases(text: str) -> tuple[Alias, ...]:
    return tuple(
        Alias(_index(output), int(operand), _index(index))
        for output, operand, index in _ALIAS.findall(text)
    )


def _index(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(",") if part.strip())


def _split(text: str) -> list[str]:
    """The parts between commas that are inside no bracket and no string."""
    parts, depth, begin = [], 0, 0
    for mark in _MARK.finditer(text):
        if mark[0] in "([{":
            depth += 1
        elif mark[0] in ")]}":
            depth -= 1
        elif mark[0] == "," and not depth:
            parts.append(text[begin : mark.start()])
            begin = mark.end()
    return [part for part in (*(p.strip() for p in parts), text[begin:].strip()) if part]


def _closing(text: str, opening: int) -> int:
    """The place after the bracket that closes the one at ``opening``."""
    depth = 0
    for mark in _MARK.finditer(text, opening):
        if mark[0] in "([{":
            depth += 1
        elif mark[0] in ")]}":
            depth -= 1
            if not depth:
                return mark.end()
    raise ParseError(f"a bracket is never closed: {text[opening : opening + 80]!r}")
