"""The same rules in torch.optim, fused and foreach, for the peers that run them.

torch is imported only when a step is built, so that this module is free where torch is absent.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

# Given the parameters (a list of torch tensors whose .grad is set) and "fused" or "foreach":
# a function that takes one step.
MakeTorch = Callable[[list[Any], str], Callable[[], object]]

BOTH = ("fused", "foreach")


def stock(name: str, values: Mapping[str, float]) -> tuple[MakeTorch | None, tuple[str, ...]]:
    """Returns how torch builds a stock rule, and which of "fused" and "foreach" it has.

    torch's amsgrad keeps the maximum of the uncorrected second moment and adagrad adds its epsilon
    outside of the root: the same traffic and nearly the same arithmetic, not the same trajectory.

    Args:
      name: of the rule, as optax calls it.
      values: its hyperparameters under optax's names.

    Returns:
      None and an empty tuple where torch has no such optimizer.
    """
    if name not in _ALIASES:
        return None, ()
    optimizer, keywords, kinds = _ALIASES[name](values)
    return functools.partial(_make, optimizer, keywords), kinds


def clipped_adamw(values: Mapping[str, float], norm: float) -> tuple[MakeTorch, tuple[str, ...]]:
    """Returns AdamW after torch's own clipping by the global norm."""

    def make(parameters: list[Any], kind: str) -> Callable[[], object]:
        import torch

        step = _make("AdamW", _adam(values)[1], parameters, kind)

        def clip_and_step() -> None:
            torch.nn.utils.clip_grad_norm_(parameters, norm)
            step()

        return clip_and_step

    return make, BOTH


def _make(
    optimizer: str, keywords: Mapping[str, Any], parameters: list[Any], kind: str
) -> Callable[[], object]:
    import torch

    make = getattr(torch.optim, optimizer)
    options = {kind: True}
    on_gpu = any(parameter.is_cuda for parameter in parameters)
    if on_gpu and "capturable" in inspect.signature(make).parameters:
        options["capturable"] = True  # its count is on the device, so that a graph can hold a step
    return make(parameters, **keywords, **options).step


Alias = tuple[str, dict[str, Any], tuple[str, ...]]


def _adam(values: Mapping[str, float]) -> Alias:
    keywords = {
        "lr": values["learning_rate"],
        "betas": (values["b1"], values["b2"]),
        "eps": values["eps"],
        "weight_decay": values.get("weight_decay", 0.0),
    }
    return "Adam", keywords, BOTH


def _adamw(values: Mapping[str, float]) -> Alias:
    return "AdamW", _adam(values)[1], BOTH


def _amsgrad(values: Mapping[str, float]) -> Alias:
    return "Adam", _adam(values)[1] | {"amsgrad": True}, BOTH


def _sgd(values: Mapping[str, float]) -> Alias:
    return "SGD", {"lr": values["learning_rate"], "momentum": values["momentum"]}, BOTH


def _adagrad(values: Mapping[str, float]) -> Alias:
    keywords = {
        "lr": values["learning_rate"],
        "initial_accumulator_value": values["initial_accumulator_value"],
        "eps": values["eps"],
    }
    return "Adagrad", keywords, BOTH


def _rmsprop(values: Mapping[str, float]) -> Alias:
    keywords = {"lr": values["learning_rate"], "alpha": values["decay"], "eps": values["eps"]}
    return "RMSprop", keywords, ("foreach",)


_ALIASES: dict[str, Callable[[Mapping[str, float]], Alias]] = {
    "adam": _adam,
    "adamw": _adamw,
    "amsgrad": _amsgrad,
    "sgd": _sgd,
    "adagrad": _adagrad,
    "rmsprop": _rmsprop,
}
