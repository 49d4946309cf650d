"""The rules that are compared: how each library builds the same optimizer."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optax

import optgen
from optgen.errors import UsageError
from optgen_bench import torch_rules

MakeOptgen = Callable[[str], optax.GradientTransformationExtraArgs]
MakeOptax = Callable[[], optax.GradientTransformation]

_OPTGEN: Any = optgen  # its constructors are called through tables of hyperparameters

LEARNING_RATE = 1e-3  # of a user's rule

_ADAM = {"learning_rate": 1e-3, "b1": 0.9, "b2": 0.95, "eps": 1e-8}

# Nothing here is left at a default that would make work vanish: above all, decay is never zero.
HYPERPARAMETERS: dict[str, dict[str, float]] = {
    "sgd": {"learning_rate": 1e-2, "momentum": 0.9},
    "adam": _ADAM,
    "adamw": _ADAM | {"weight_decay": 0.1},
    "nadam": _ADAM,
    "nadamw": _ADAM | {"weight_decay": 0.1},
    "amsgrad": _ADAM,
    "lion": {"learning_rate": 1e-4, "b1": 0.9, "b2": 0.99, "weight_decay": 0.1},
    "rmsprop": {"learning_rate": 1e-3, "decay": 0.95, "eps": 1e-8},
    "adagrad": {"learning_rate": 1e-2, "initial_accumulator_value": 0.1, "eps": 1e-7},
    "adafactor": {"learning_rate": 1e-3, "weight_decay_rate": 1e-3},
    "lamb": _ADAM | {"eps": 1e-6, "weight_decay": 0.1},
    "lars": {"learning_rate": 0.1, "weight_decay": 1e-4, "momentum": 0.9},
}
CLIP_NORM = 1.0
CLIPPED_ADAMW = HYPERPARAMETERS["adamw"] | {"learning_rate": 3e-4}


@dataclasses.dataclass(frozen=True)
class Case:
    """One optimizer, as each library makes it.

    A user's file may define a `Case` and name it as a rule, to give its own peers.

    Attributes:
      name: as the report shows it.
      make_optgen: takes the target ("auto", "xla", "cpu", …) and returns the optimizer.
      make_optax: returns optax's, with the same hyperparameters; None where there is none.
      make_torch: takes the parameters and "fused" or "foreach"; None where there is none.
      torch_kinds: which of the two torch has for this optimizer.
    """

    name: str
    make_optgen: MakeOptgen
    make_optax: MakeOptax | None = None
    make_torch: torch_rules.MakeTorch | None = None
    torch_kinds: tuple[str, ...] = ()


def case(rule: str | Case) -> Case:
    """Returns the case for a stock name, `clip+adamw`, or a rule in a `path/to/file.py:name`.

    Raises:
      UsageError: where there is no such rule, file or name.
    """
    if isinstance(rule, Case):
        return rule
    if ".py:" in rule:
        return user_case(rule)
    if rule == "clip+adamw":
        return _clipped_adamw()
    if rule in HYPERPARAMETERS:
        return _stock(rule)
    raise UsageError(
        f"unknown rule {rule!r}. Give one of {', '.join(names())}, "
        "or a rule of your own as path/to/file.py:name."
    )


def names() -> list[str]:
    """Returns the names of the cases that need no file."""
    return [*HYPERPARAMETERS, "clip+adamw"]


def user_case(spec: str) -> Case:
    """Returns the case for `path/to/file.py:name`: a `Case`, a rule or an optimizer.

    A rule is called with a learning rate of 1e-3 where it takes one, and its own defaults.
    """
    path, _, name = spec.rpartition(":")
    value = _attribute(_load(path), name, path)
    if isinstance(value, Case):
        return value
    if isinstance(value, optax.GradientTransformation):
        return Case(name, lambda target: optax.with_extra_args_support(value))
    if not callable(value):
        raise UsageError(
            f"{path}: {name} is a {type(value).__name__}. Name a function decorated with "
            "@dsl.rule, an optimizer, or an optgen_bench.Case."
        )
    return Case(name, lambda target: _call_rule(value, target))


def _stock(name: str) -> Case:
    values = HYPERPARAMETERS[name]
    make_torch, kinds = torch_rules.stock(name, values)
    return Case(
        name,
        lambda target: getattr(_OPTGEN, name)(**values, target=target),
        lambda: getattr(optax, name)(**values),
        make_torch,
        kinds,
    )


def _clipped_adamw() -> Case:
    def make_optgen(target: str) -> optax.GradientTransformationExtraArgs:
        return _OPTGEN.chain(
            _OPTGEN.clip_by_global_norm(CLIP_NORM), _OPTGEN.adamw(**CLIPPED_ADAMW), target=target
        )

    def make_optax() -> optax.GradientTransformation:
        return optax.chain(optax.clip_by_global_norm(CLIP_NORM), optax.adamw(**CLIPPED_ADAMW))

    make_torch, kinds = torch_rules.clipped_adamw(CLIPPED_ADAMW, CLIP_NORM)
    return Case("clip+adamw", make_optgen, make_optax, make_torch, kinds)


def _call_rule(rule: Callable[..., Any], target: str) -> optax.GradientTransformationExtraArgs:
    given = {"target": target, "learning_rate": LEARNING_RATE}
    taken = inspect.signature(rule).parameters
    return rule(**{name: value for name, value in given.items() if name in taken})


def _load(path: str) -> Any:
    if not Path(path).is_file():
        raise UsageError(f"there is no file {path!r}. Give the rule as path/to/file.py:name.")
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path!r} cannot be read as a Python module. Give a file ending in .py.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _attribute(module: Any, name: str, path: str) -> Any:
    if hasattr(module, name):
        return getattr(module, name)
    public = ", ".join(n for n in vars(module) if not n.startswith("_"))
    raise UsageError(f"{path} defines no {name!r}. It defines: {public}.")
