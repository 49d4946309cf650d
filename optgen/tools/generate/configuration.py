"""Configurations of a package: the settings and leaves that one module of it serves."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from optgen.dsl.rule import Instance
from optgen.errors import HyperparameterError, UsageError
from optgen.runtime.execution.package import settings_of
from optgen.runtime.vocabulary.hyper import REQUIRED
from optgen.runtime.vocabulary.leaf import LeafSpec, MaskValue

_ANY_NUMBER = 1.0  # stands for a run-time hyperparameter: no value of one is in what is emitted


@dataclass(frozen=True)
class Configuration:
    """The hyperparameters and leaves that one module of a package was emitted for.

    Attributes:
      settings: hyperparameters by name, as they were asked for.
      leaves: the leaves that it serves.
    """

    settings: Mapping[str, Any]
    leaves: tuple[LeafSpec, ...]


def make_instance(rule: Any, settings: Mapping[str, Any]) -> Instance:
    """The rule with numbers for the run-time hyperparameters that it wants.

    Raises:
      UsageError: for settings of an optimizer, which has its own.
      HyperparameterError: for a static hyperparameter that is missing.
    """
    instance = getattr(rule, "instance", None)
    if instance is not None:
        if settings:
            raise UsageError(
                f"{instance.name} has its hyperparameters already: generate the rule itself to "
                f"choose {', '.join(settings)}"
            )
        return cast(Instance, instance)
    numbers = {
        h.name: _ANY_NUMBER
        for h in rule.hyperparameters
        if h.default is REQUIRED and h.kind == "scalar"
    }
    missing = [h.name for h in rule.hyperparameters if h.default is REQUIRED and h.static]
    if missing := [name for name in missing if name not in settings]:
        raise HyperparameterError(
            f"{rule.name} needs the static {missing[0]!r}: choose it with --set {missing[0]}=…"
        )
    return cast(Instance, rule(**{**numbers, **settings}).instance)


def leaf_specs(
    instance: Instance, shapes: Iterable[tuple[int, ...]], dtypes: Iterable[str]
) -> tuple[LeafSpec, ...]:
    """The leaves to serve, under every value that a mask may have for them."""
    choices: tuple[MaskValue, ...] = (None, True, False)
    masks = list(itertools.product(choices, repeat=len(instance.masks)))
    return tuple(
        LeafSpec(tuple(shape), dtype, dtype, mask)
        for shape, dtype, mask in itertools.product(shapes, dtypes, masks)
    )


def static_settings(instance: Instance) -> dict[str, Any]:
    """The hyperparameters that decide what is emitted; none of a chain, whose parts have them."""
    if len(instance.parts) > 1:
        return {}
    part = instance.parts[0]
    return settings_of(part.rule.hyperparameters, part.values)


def merge(
    configurations: list[Configuration], new: Configuration, rule: Any
) -> list[Configuration]:
    """Adds to the configuration that is emitted for the same settings, or adds another."""
    key = static_settings(make_instance(rule, new.settings))
    for i, old in enumerate(configurations):
        if static_settings(make_instance(rule, old.settings)) == key:
            leaves = tuple(dict.fromkeys((*old.leaves, *new.leaves)))
            both = Configuration(old.settings, leaves)
            return [*configurations[:i], both, *configurations[i + 1 :]]
    return [*configurations, new]
