"""Rules, chains of rules, and the calls that give them their hyperparameters."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable
from typing import Any, NoReturn, cast

from optgen.dsl.composition import Composition, Instance, Part
from optgen.dsl.hyper import hyperparameters
from optgen.dsl.trace import active
from optgen.errors import HyperparameterError
from optgen.factory import make_optimizer
from optgen.runtime.execution.targets import TARGETS
from optgen.runtime.vocabulary.hyper import REQUIRED, Hyperparameter, bind

__all__ = [
    "ChainRule",
    "Composition",
    "Instance",
    "Part",
    "Rule",
    "chain",
    "check_target",
    "rule",
]


def _finish(instance: Instance) -> Any:
    """Makes an optimizer; inside a rule returns the instance, as a part of that rule."""
    return make_optimizer(instance) if active() is None else instance


def check_target(target: str) -> str:
    """The target, if it is one.

    Raises:
      HyperparameterError: for an unknown one, with a list of those there are.
    """
    known = ("auto", *TARGETS)
    if target not in known:
        raise HyperparameterError(f"target={target!r} is none of {', '.join(known)}")
    return target


class _Callable:
    """The base of rules and chains of rules: a name, hyperparameters, and the call."""

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
    """Hyperparameters in the order of a Python signature: those without a default first."""
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
    """A chain in which some parts lack their hyperparameters."""

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
        """Gives the parts their missing hyperparameters; see ``Rule``."""
        return super().__call__(*args, target=target or self.target, **hyperparameters)

    def __repr__(self) -> str:
        return f"<chain {self.name}({', '.join(h.name for h in self.hyperparameters)})>"


def rule(function: Callable[..., Any]) -> Rule:
    """Makes an update rule of a function ``(g, p, *, hyperparameters)``.

    The function computes with symbols for one leaf, declares the slots that it keeps between steps
    with ``dsl.state``, and returns the update, which is added to the parameter. It may instead
    return a ``chain`` of other rules (and then leave out ``g`` and ``p``).

    Raises:
      RuleError: for other arguments, or one with a reserved name.
    """
    return Rule(function)


def chain(*parts: Any, target: str = "auto") -> Any:
    """Composes rules and optimizers: the update of each is the gradient of the next.

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
