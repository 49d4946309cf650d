"""flashoptim-jax: fused steps by Pallas' Triton backend, a launch for each leaf, NVIDIA only.

It is imported only when a step is built, so that this module is free where it is absent.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

import jax

# Given "full" (state in float32, and no more) or "compressed" (its default: moments of 8 bits, and
# 24 bits of each parameter of fewer): an optimizer with `init` and `step`.
MakeFlash = Callable[[str], Any]

_NAMES = {"adam": "flash_adam", "adamw": "flash_adamw", "lion": "flash_lion", "sgd": "flash_sgd"}


@dataclasses.dataclass(frozen=True)
class Stepping:
    """Its optimizer, with the arguments of `step` in the order of optgen's."""

    inner: Any

    def init(self, parameters: Any) -> Any:
        return self.inner.init(parameters)

    def step(self, gradients: Any, state: Any, parameters: Any) -> tuple[Any, Any]:
        parameters, state = self.inner.step(parameters, state, gradients)
        return parameters, state


def stock(name: str, values: Mapping[str, float]) -> MakeFlash | None:
    """Returns how it builds a stock rule, or None where it has no such rule.

    Args:
      name: of the rule, as optax calls it.
      values: its hyperparameters under optax's names, which are its own.
    """
    if name not in _NAMES:
        return None

    def make(kind: str) -> Stepping:
        import flashoptim_jax

        full = {"quantize": False, "master_weight_bits": None} if kind == "full" else {}
        return Stepping(getattr(flashoptim_jax, _NAMES[name])(**values, **full))

    return make


def why_no_flash() -> str | None:
    """Returns why flashoptim-jax cannot take part, or None where it can."""
    if importlib.util.find_spec("flashoptim_jax") is None:
        return "flashoptim-jax is not installed; pip install flashoptim-jax adds it"
    if jax.default_backend() != "gpu":
        return "its kernels are for NVIDIA GPUs"
    return None
