"""Workload of a verification: small awkward leaves, and gradients of several scales."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from optgen.tools.verify.exact import dtype_of

Array: TypeAlias = np.ndarray[Any, Any]
Shapes: TypeAlias = Mapping[str, tuple[int, ...]]

AWKWARD: Shapes = {
    "scalar": (),
    "empty": (0,),
    "empty matrix": (0, 3),
    "odd tail": (13,),
    "matrix": (5, 9),
    "frozen": (3, 4, 5),
    "unused": (2, 3),
    "zero": (6,),
}
"""The leaves of each tree. The gradient of ``frozen`` turns to 0 midway, that of ``unused`` is
always 0, that of ``odd tail`` has elements of many sizes; the parameters of ``zero`` begin at 0."""

LARGE: Shapes = {"large matrix": (128, 130), "bias": (3,)}
"""Besides, where a rule keeps other slots for a large matrix, as Adafactor does from 128 on."""

_SCALES = (1.0, 1e-3, 30.0)
_SMALLEST = -6.0  # a decimal exponent: there, even a small epsilon beside it is seen


@dataclass(frozen=True)
class Group:
    """A tree of one dtype, so that no leaf is excused by the precision of another.

    Attributes:
      name: what reports call it.
      dtype: the dtype of parameters and gradients.
      shapes: the shape of each leaf, by name.
      steps: how many steps are taken.
      seed: of the random numbers.
    """

    name: str
    dtype: str
    shapes: Shapes
    steps: int
    seed: int = 0

    def params(self) -> dict[str, Array]:
        """The parameters before the first step."""
        rng = np.random.default_rng(self.seed)
        start = {name: rng.normal(size=shape) for name, shape in self.shapes.items()}
        if "zero" in start:
            start["zero"] = np.zeros(self.shapes["zero"])
        return {name: np.asarray(x, dtype_of(self.dtype)) for name, x in start.items()}

    def gradients(self, step: int) -> dict[str, Array]:
        """The gradients of a step, the first one being 1; one element in eight is exactly 0."""
        rng = np.random.default_rng([self.seed, step])
        result = {}
        for i, (name, shape) in enumerate(self.shapes.items()):
            g = rng.normal(size=shape) * _SCALES[i % len(_SCALES)]
            g = np.where(rng.random(size=shape) < 1 / 8, 0.0, g)
            if name == "odd tail":
                g = g * 10.0 ** rng.uniform(_SMALLEST, 0, size=shape)
            if name == "unused" or (name == "frozen" and 2 * step > self.steps):
                g = np.zeros(shape)
            result[name] = np.asarray(g, dtype_of(self.dtype))
        return result
