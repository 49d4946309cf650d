"""Hyperparameters of the stock rules under which none of their work vanishes."""

from __future__ import annotations

from collections.abc import Mapping

_ADAM = {"learning_rate": 1e-3, "b1": 0.9, "b2": 0.95, "eps": 1e-8}

HYPERPARAMETERS: Mapping[str, Mapping[str, float]] = {
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
"""By the rule's name: no decay is zero, and no momentum is left out."""
