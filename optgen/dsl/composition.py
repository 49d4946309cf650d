"""Compositions: rules and chains with the values of their hyperparameters, as data.

Run-time values are apart from the rest, so that one program serves all of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, cast

from optgen.runtime.vocabulary.hyper import Hyperparameter


class UpdateRule(Protocol):
    """A rule, as compositions and the tracing of them see it.

    Attributes:
      name: its name.
      function: the Python function that it was made of.
      hyperparameters: the hyperparameters of the function, in order.
      takes_symbols: True where the function takes ``g`` and ``p``.
    """

    name: str
    function: Callable[..., Any]
    hyperparameters: tuple[Hyperparameter, ...]
    takes_symbols: bool


@dataclass(frozen=True)
class Part:
    """A rule and the values of its hyperparameters."""

    rule: UpdateRule
    values: Mapping[str, Any]


@dataclass(frozen=True)
class PartKey:
    """A part without its run-time values: the key of its program.

    Attributes:
      rule: the rule.
      fixed: the static hyperparameters, and those that are None, with their values.
      scalars: the run-time hyperparameters, each with its name in the program.
      masks: the names of its masks.
    """

    rule: UpdateRule
    fixed: tuple[tuple[str, Any], ...]
    scalars: tuple[tuple[str, str], ...]
    masks: tuple[str, ...]


@dataclass(frozen=True)
class Composition:
    """An instance without its run-time values: the key under which programs are cached."""

    parts: tuple[PartKey, ...]

    @property
    def name(self) -> str:
        """The name of the rule, or those of the parts of a chain, joined."""
        return "_then_".join(part.rule.name for part in self.parts) or "identity"

    @functools.cached_property
    def scalars(self) -> tuple[str, ...]:
        """The names of the run-time hyperparameters in programs."""
        return tuple(name for part in self.parts for _, name in part.scalars)


@dataclass(frozen=True)
class Instance:
    """Rules with the values of their hyperparameters: all that an optimizer is made of.

    Attributes:
      parts: the parts, in the order in which they are applied.
      target: ``auto``, or the target that was asked for by name.
    """

    parts: tuple[Part, ...]
    target: str = "auto"
    _composed: list[Any] = field(default_factory=list, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The name of the rule, or those of the parts of a chain, joined."""
        return self.composition.name

    @property
    def composition(self) -> Composition:
        """The key of the programs: everything but the run-time values."""
        return cast(Composition, self._compose()[0])

    @property
    def scalars(self) -> Mapping[str, Any]:
        """The run-time hyperparameters by their names in the program."""
        return cast(Mapping[str, Any], self._compose()[1])

    @property
    def masks(self) -> tuple[Any, ...]:
        """The masks of all parts, in order, as they were given."""
        return cast(tuple[Any, ...], self._compose()[2])

    def _compose(self) -> list[Any]:
        if not self._composed:
            self._composed.extend(_compose(self.parts))
        return self._composed


def _compose(parts: tuple[Part, ...]) -> tuple[Composition, Mapping[str, Any], tuple[Any, ...]]:
    declared: list[tuple[str, str]] = [
        (part.rule.name, h.name)
        for part in parts
        for h in part.rule.hyperparameters
        if h.kind == "scalar" and part.values[h.name] is not None
    ]
    keys: list[PartKey] = []
    scalars: dict[str, Any] = {}
    masks: list[Any] = []
    for part in parts:
        fixed, own, own_masks = [], [], []
        for h in part.rule.hyperparameters:
            value = part.values[h.name]
            if h.kind == "mask":
                own_masks.append(h.name)
                masks.append(value)
            elif h.static or value is None:
                fixed.append((h.name, value))
            else:
                name = _program_name(part.rule.name, h.name, declared, scalars)
                own.append((h.name, name))
                scalars[name] = value
        keys.append(PartKey(part.rule, tuple(fixed), tuple(own), tuple(own_masks)))
    return Composition(tuple(keys)), MappingProxyType(scalars), tuple(masks)


def _program_name(
    rule: str, name: str, declared: list[tuple[str, str]], used: Mapping[str, Any]
) -> str:
    """The hyperparameter's own name where it is unique, else with its rule's name before it."""
    if sum(other == name for _, other in declared) == 1:
        return name
    candidate, count = f"{rule}_{name}", 1
    while candidate in used:
        count += 1
        candidate = f"{rule}_{count}_{name}"
    return candidate
