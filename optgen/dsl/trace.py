"""The trace of a rule: the record that grows while the rule runs on the symbols of one leaf."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from optgen.dsl.location import Location
from optgen.errors import RuleError
from optgen.ir.build import Builder
from optgen.ir.node import Node
from optgen.ir.types import Axes
from optgen.runtime.vocabulary.leaf import Fact, LeafSpec, answer


@dataclass
class SlotRecord:
    """A slot as the rule declared it.

    Attributes:
      part: the path of the part of the chain that declared it, outermost first.
      name: its name in the rule.
      axes: the axes of the leaf along which it varies; None for a slot of the whole tree.
      dtype: its storage dtype, symbolic where the rule left it open.
      init: the value before the first step.
      constant: True where it never changes.
      next: the new value, once it is assigned.
    """

    part: tuple[str, ...]
    name: str
    axes: Axes | None
    dtype: str
    init: Node
    constant: bool
    location: Location
    next: Node | None = None

    @property
    def key(self) -> str:
        """A name that no other slot of the program has."""
        return "/".join((*self.part, self.name))


@dataclass
class Trace:
    """The tracing of one rule, or chain, for one leaf."""

    spec: LeafSpec
    slots: dict[str, SlotRecord] = field(default_factory=dict)
    facts: dict[tuple[str, tuple[Any, ...]], Any] = field(default_factory=dict)
    names: dict[Node, str] = field(default_factory=dict)
    reductions: dict[str, int] = field(default_factory=dict)
    path: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.build = Builder(len(self.spec.shape))

    def ask(self, question: str, *args: Any) -> Any:
        """Answers a question about the leaf, and notes that the program depends on it."""
        value = answer(self.spec, question, *args)
        self.facts[question, args] = value
        return value

    def unique_key(self, kind: str, location: Location) -> str:
        """A key for a tree reduction: the same for every leaf that comes by the same line."""
        site = "/".join((*self.path, f"{kind}@{location.site}"))
        self.reductions[site] = self.reductions.get(site, 0) + 1
        count = self.reductions[site]
        return site if count == 1 else f"{site}#{count}"

    def guard(self) -> tuple[Fact, ...]:
        """The facts that the rule read of the leaf, in the order in which it read them."""
        return tuple((question, args, value) for (question, args), value in self.facts.items())

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Records slots and reductions under the named part of a chain while the context lasts."""
        outer = self.path
        siblings = self.names_of_parts.setdefault(outer, {})
        siblings[name] = siblings.get(name, 0) + 1
        self.path = (*outer, name if siblings[name] == 1 else f"{name}_{siblings[name]}")
        try:
            yield
        finally:
            self.path = outer

    names_of_parts: dict[tuple[str, ...], dict[str, int]] = field(default_factory=dict)


_active: ContextVar[Trace | None] = ContextVar("optgen_trace", default=None)


def active() -> Trace | None:
    """The trace that is running, if any."""
    return _active.get()


def current(what: str) -> Trace:
    """The trace that is running.

    Raises:
      RuleError: outside of a rule.
    """
    trace = _active.get()
    if trace is None:
        raise RuleError(f"{what} works inside a rule only: put it in a function under @dsl.rule")
    return trace


@contextmanager
def running(trace: Trace) -> Iterator[Trace]:
    """Makes a trace the one that is running."""
    token = _active.set(trace)
    try:
        yield trace
    finally:
        _active.reset(token)
