"""flashoptim-jax: fused steps by Pallas' Triton backend, a launch for each leaf, NVIDIA only.

It is imported only when a step is built, so that this module is free where it is absent.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

import jax

# Given "full" (state in float32, and no more) or "compressed" (its default: moments of 8 bits, and
# 24 bits kept of each parameter of 16): an optimizer with `init` and `step`.
MakeFlash = Callable[[str], Any]

_NAMES = {"adam": "flash_adam", "adamw": "flash_adamw", "lion": "flash_lion", "sgd": "flash_sgd"}


@dataclasses.dataclass(frozen=True)
class Stepping:
    """Its optimizer, with the arguments of `step` named as optgen's.

    Attributes:
      make: takes its settings.
      kind: "full" or "compressed".
    """

    make: Callable[..., Any]
    kind: str

    def init(self, parameters: Any) -> Any:
        return self._for(parameters).init(parameters)

    def step(self, parameters: Any, state: Any, grads: Any) -> tuple[Any, Any]:
        parameters, state = self._for(parameters).step(parameters, state, grads)
        return parameters, state

    def _for(self, parameters: Any) -> Any:
        """It refuses to keep more bits of parameters that have them all."""
        if self.kind == "full":
            return self.make(quantize=False, master_weight_bits=None)
        narrow = any(leaf.dtype.itemsize == 2 for leaf in jax.tree.leaves(parameters))
        return self.make(quantize=True, master_weight_bits=24 if narrow else None)


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

        return Stepping(functools.partial(getattr(flashoptim_jax, _NAMES[name]), **values), kind)

    return make


def why_no_flash() -> str | None:
    """Returns why flashoptim-jax cannot take part, or None where it can."""
    if importlib.util.find_spec("flashoptim_jax") is None:
        return "flashoptim-jax is not installed; pip install flashoptim-jax adds it"
    if jax.default_backend() != "gpu":
        return "its kernels are for NVIDIA GPUs"
    return None
