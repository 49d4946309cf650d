"""What an emitted function is given as ``leaf``: what it can know of the whole leaf."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
from jax import lax

IDENTITY = {"sum": 0.0, "max": -math.inf, "min": math.inf}
"""What a reduction over nothing gives."""

COMBINE: Mapping[str, Callable[[Any, Any], Any]] = {
    "sum": jnp.add,
    "max": jnp.maximum,
    "min": jnp.minimum,
}
"""How what two parts are reduced to makes one."""


class Block:
    """A tile of a leaf, or all of it.

    Attributes:
      extents: of the dimensions of the view, for the whole leaf.
      tags: of each dimension of the values, the dimension of the view that it is a part of.
      shape: of a value that varies along all of them.
      inside: for each dimension along which the tile may reach over the edge of the leaf, how
        many of its elements are inside.
    """

    def __init__(
        self,
        extents: tuple[int, ...],
        tags: tuple[int, ...],
        shape: tuple[int, ...],
        inside: Mapping[int, Any] | None = None,
    ) -> None:
        self.extents, self.tags, self.shape = extents, tags, shape
        self.inside = inside or {}

    def count(self, *dimensions: int) -> float:
        """How many elements the leaf has along these dimensions of the view, or along all."""
        extents = [self.extents[d] for d in dimensions] if dimensions else self.extents
        return float(max(1, math.prod(extents)))

    def filled(self, x: Any, *dimensions: int) -> Any:
        """The value repeated along these dimensions of the view, or along all."""
        places = self._places(dimensions)
        return jnp.broadcast_to(x, [n if d in places else 1 for d, n in enumerate(self.shape)])

    def sum(self, x: Any, *dimensions: int) -> Any:
        """The sum over these dimensions of the view, or over all, which keep the extent 1."""
        return self._reduce(jnp.sum, "sum", x, dimensions)

    def max(self, x: Any, *dimensions: int) -> Any:
        """The maximum, likewise."""
        return self._reduce(jnp.max, "max", x, dimensions)

    def min(self, x: Any, *dimensions: int) -> Any:
        """The minimum, likewise."""
        return self._reduce(jnp.min, "min", x, dimensions)

    def _places(self, dimensions: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(d for d, tag in enumerate(self.tags) if not dimensions or tag in dimensions)

    def _reduce(
        self, function: Callable[..., Any], how: str, x: Any, dimensions: tuple[int, ...]
    ) -> Any:
        places = self._places(dimensions)
        for d in places:
            if d in self.inside:
                index = lax.broadcasted_iota(jnp.int32, x.shape, d)
                x = jnp.where(index < self.inside[d], x, IDENTITY[how])
        return function(x, axis=places, keepdims=True)
