"""The rules that are compared: how each library builds the same optimizer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import optax

import optgen
from optgen.errors import UsageError
from optgen.tools import rules
from optgen.tools.workloads import HYPERPARAMETERS
from optgen.zoo import ATOMS
from optgen_bench import flash_peer, torch_rules

MakeOptgen = Callable[[str], optax.GradientTransformationExtraArgs]
MakeOptax = Callable[[], optax.GradientTransformation]

_OPTGEN: Any = optgen  # its constructors are called through tables of hyperparameters

CLIP_NORM = 1.0
CLIPPED_ADAMW = {**HYPERPARAMETERS["adamw"], "learning_rate": 3e-4}


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
      make_flash: takes "full" or "compressed"; None where flashoptim-jax has none.
    """

    name: str
    make_optgen: MakeOptgen
    make_optax: MakeOptax | None = None
    make_torch: torch_rules.MakeTorch | None = None
    torch_kinds: tuple[str, ...] = ()
    make_flash: flash_peer.MakeFlash | None = None


def case(rule: str | Case | rules.Choice) -> Case:
    """Returns the case for a rule.

    Args:
      rule: a stock name or `clip+adamw`, with the hyperparameters of this module; an atom's name,
        `path/to/file.py:name` or a `Choice`, with those of `optgen.tools.rules.choose`. The name in
        a file may be that of a `Case`.

    Raises:
      UsageError: where there is no such rule, file or name.
    """
    if isinstance(rule, Case):
        return rule
    if isinstance(rule, rules.Choice):
        return _chosen(rule)
    if rule == "clip+adamw":
        return _clipped_adamw()
    if rule in HYPERPARAMETERS:
        return _stock(rule)
    path, _, name = rule.rpartition(":")
    if path.endswith(".py") and isinstance(value := rules.load(path, name), Case):
        return value
    if rule in ATOMS or ".py" in rule:
        return _chosen(rules.choose(rule))
    raise UsageError(
        f"unknown rule {rule!r}. Give one of {', '.join(names())}, "
        "or a rule of your own as path/to/file.py:name."
    )


def names() -> list[str]:
    """Returns the names of the cases that need no file."""
    return [*HYPERPARAMETERS, "clip+adamw"]


def _chosen(choice: rules.Choice) -> Case:
    make_optax = choice.reference if choice.reference() is not None else None
    return Case(choice.name, choice.make, make_optax)


def _stock(name: str) -> Case:
    values = HYPERPARAMETERS[name]
    make_torch, kinds = torch_rules.stock(name, values)
    return Case(
        name,
        lambda target: getattr(_OPTGEN, name)(**values, target=target),
        lambda: getattr(optax, name)(**values),
        make_torch,
        kinds,
        flash_peer.stock(name, values),
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
