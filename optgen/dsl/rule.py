"""Rules, rules given their hyperparameters, and chains of both."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NoReturn, cast

from optgen.factory import make_optimizer
from optgen.dsl.hyper import hyperparameters
from optgen.dsl.trace import active
from optgen.errors import HyperparameterError
from optgen.runtime.vocabulary.hyper import REQUIRED, Hyperparameter, bind

TARGETS = ("auto", "xla", "cpu", "triton", "tpu")


@dataclass(frozen=True)
class Part:
    """A rule and the values of its hyperparameters."""

    rule: Rule
    values: Mapping[str, Any]


@dataclass(frozen=True)
class PartKey:
    """A part without its run-time values: what decides the program.

    Attributes:
      rule: the rule.
      fixed: the static hyperparameters, and those that are None, with their values.
      scalars: the run-time hyperparameters, each with its name in the program.
      masks: the names of its masks.
    """

    rule: Rule
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
        """The run-time hyperparameters, as programs call them."""
        return tuple(name for part in self.parts for _, name in part.scalars)


@dataclass(frozen=True)
class Instance:
    """Rules given their hyperparameters: all that an optimizer is made of.

    Attributes:
      parts: what is applied, in order.
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
        """What decides the programs: everything but the run-time values."""
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
    taken: list[tuple[str, str]] = [
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
                name = _program_name(part.rule.name, h.name, taken, scalars)
                own.append((h.name, name))
                scalars[name] = value
        keys.append(PartKey(part.rule, tuple(fixed), tuple(own), tuple(own_masks)))
    return Composition(tuple(keys)), MappingProxyType(scalars), tuple(masks)


def _program_name(
    rule: str, name: str, taken: list[tuple[str, str]], used: Mapping[str, Any]
) -> str:
    """The hyperparameter's own name where no other part has it, else with its rule's before."""
    if sum(other == name for _, other in taken) == 1:
        return name
    candidate, count = f"{rule}_{name}", 1
    while candidate in used:
        count += 1
        candidate = f"{rule}_{count}_{name}"
    return candidate


def _finish(instance: Instance) -> Any:
    """An optimizer; inside a rule, the instance itself, for the chain that it is part of."""
    return make_optimizer(instance) if active() is None else instance


def check_target(target: str) -> str:
    """The target, if it is one.

    Raises:
      HyperparameterError: for an unknown one, with a list of those there are.
    """
    if target not in TARGETS:
        raise HyperparameterError(f"target={target!r} is none of {', '.join(TARGETS)}")
    return target


class _Callable:
    """What rules and chains of rules share: a name, hyperparameters, and being called."""

    name: str
    hyperparameters: tuple[Hyperparameter, ...]

    @property
    def __signature__(self) -> inspect.Signature:
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        parameters = [
            inspect.Parameter(h.name, kind, default=h.default) for h in _required_first(self)
        ]
        target = inspect.Parameter("target", inspect.Parameter.KEYWORD_ONLY, default="auto")
        return inspect.Signature([*parameters, target])

    def __call__(self, *args: Any, target: str = "auto", **hyperparameters: Any) -> Any:
        """Gives the rule its hyperparameters.

        Args:
          *args: hyperparameters by position, in the order of the rule.
          target: ``auto``, ``xla``, ``cpu``, ``triton`` or ``tpu``.
          **hyperparameters: hyperparameters by name.

        Returns:
          An optimizer, or inside another rule a part for that rule to return or to chain.

        Raises:
          HyperparameterError: for one that is unknown, missing, given twice or unusable.
        """
        values = bind(self.name, self.hyperparameters, args, hyperparameters)
        return _finish(Instance(self._parts(values), check_target(target)))

    def _parts(self, values: dict[str, Any]) -> tuple[Part, ...]:
        raise AssertionError("each kind of rule has its own")

    def __getattr__(self, name: str) -> NoReturn:
        if name in ("init", "update", "step", "source", "explain"):
            first = next((f"{h.name}=…" for h in self.hyperparameters), "")
            raise AttributeError(
                f"{self.name} is a rule, and optimizers have {name!r}: give it its "
                f"hyperparameters first, as in {self.name}({first}).{name}"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def _required_first(rule: _Callable) -> list[Hyperparameter]:
    """Python wants arguments without a default first; binding itself follows the rule's order."""
    return sorted(rule.hyperparameters, key=lambda h: h.default is not REQUIRED)


class Rule(_Callable):
    """An update rule: a Python function of symbols, made by ``dsl.rule``."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.hyperparameters = hyperparameters(function)
        self.function = function
        self.name = function.__name__
        self.takes_symbols = "g" in inspect.signature(function).parameters
        functools.update_wrapper(self, function)

    def _parts(self, values: dict[str, Any]) -> tuple[Part, ...]:
        return (Part(self, values),)

    def __repr__(self) -> str:
        return f"<rule {self.name}({', '.join(h.name for h in self.hyperparameters)})>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _find, (self.function.__module__, self.function.__qualname__)


def _find(module: str, qualname: str) -> Any:
    """The rule of a module; rules are pickled by their names, as functions are."""
    return functools.reduce(getattr, qualname.split("."), importlib.import_module(module))


class ChainRule(_Callable):
    """A chain in which some parts still want their hyperparameters."""

    def __init__(self, links: tuple[_Callable | Instance, ...], target: str) -> None:
        self.links, self.target = links, target
        rules = [link for link in links if isinstance(link, _Callable)]
        self.name = "_then_".join(link.name for link in links)
        self.hyperparameters = tuple(h for rule in rules for h in rule.hyperparameters)
        owners: dict[str, str] = {}
        for rule in rules:
            for h in rule.hyperparameters:
                if h.name in owners:
                    raise HyperparameterError(
                        f"both {owners[h.name]} and {rule.name} still want {h.name!r}: give at "
                        f"least one of them its hyperparameters before chaining, as in "
                        f"{rule.name}({h.name}=…)"
                    )
                owners[h.name] = rule.name

    def _parts(self, values: dict[str, Any]) -> tuple[Part, ...]:
        parts: list[Part] = []
        for link in self.links:
            if isinstance(link, Instance):
                parts.extend(link.parts)
            else:
                own = {h.name: values[h.name] for h in link.hyperparameters}
                parts.extend(link._parts(own))
        return tuple(parts)

    def __call__(self, *args: Any, target: str | None = None, **hyperparameters: Any) -> Any:
        """Gives the parts what they still want; see ``Rule``."""
        return super().__call__(*args, target=target or self.target, **hyperparameters)

    def __repr__(self) -> str:
        return f"<chain {self.name}({', '.join(h.name for h in self.hyperparameters)})>"


def rule(function: Callable[..., Any]) -> Rule:
    """Makes an update rule of a function ``(g, p, *, hyperparameters)``.

    The function computes with symbols for one leaf, declares what it keeps between steps with
    ``dsl.state``, and returns what is to be added to the parameter. It may instead return a
    ``chain`` of other rules (and then leave out ``g`` and ``p``).

    Raises:
      RuleError: for other arguments, or one with a reserved name.
    """
    return Rule(function)


def chain(*parts: Any, target: str = "auto") -> Any:
    """Composes rules and optimizers: what one returns is the gradient of the next.

    Args:
      *parts: rules, chains of rules, and optimizers made of either.
      target: as for a rule.

    Returns:
      An optimizer if every part has its hyperparameters; otherwise a rule that takes the missing
      ones. The compiler sees one program either way.

    Raises:
      HyperparameterError: for a part that is none of these, or two parts that miss
        hyperparameters of the same name.
    """
    links = tuple(_link(part) for part in parts)
    check_target(target)
    if all(isinstance(link, Instance) for link in links):
        instances = cast(tuple[Instance, ...], links)
        return _finish(Instance(tuple(p for i in instances for p in i.parts), target))
    return ChainRule(links, target)


def _link(part: Any) -> _Callable | Instance:
    link = getattr(part, "instance", part)
    if not isinstance(link, (_Callable, Instance)):
        hint = (
            "; optax's own transformations are combined with optax.chain"
            if hasattr(part, "update")
            else ""
        )
        raise HyperparameterError(
            f"chain() takes rules and optimizers of optgen, not {type(part).__name__}{hint}"
        )
    return link
