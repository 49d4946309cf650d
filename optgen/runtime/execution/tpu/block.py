"""The argument ``leaf`` of an emitted function: what it can know of the whole leaf."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
from jax import lax

from optgen.runtime.vocabulary.view import dimension_names, extent_name

IDENTITY = {"sum": 0.0, "max": -math.inf, "min": math.inf}
"""The result of a reduction over nothing."""

COMBINE: Mapping[str, Callable[[Any, Any], Any]] = {
    "sum": jnp.add,
    "max": jnp.maximum,
    "min": jnp.minimum,
}
"""Functions that make one of two parts of a reduction."""


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
        self._numbers = {
            extent_name(name): d for d, name in enumerate(dimension_names(len(extents)))
        }

    def count(self, *dimensions: str) -> float:
        """The number of elements of the leaf along dimensions such as ``rows``, or along all."""
        extents = [self.extents[self._numbers[d]] for d in dimensions] or self.extents
        return float(max(1, math.prod(extents)))

    def single(self, x: Any) -> Any:
        """A number as a value that varies along nothing, in float32."""
        return jnp.full([1] * len(self.shape), x, jnp.float32)

    def filled(self, x: Any, *dimensions: str) -> Any:
        """The value repeated along these dimensions, or along all; a number in float32."""
        places = self._places(dimensions)
        shape = [n if d in places else 1 for d, n in enumerate(self.shape)]
        if isinstance(x, int | float):
            return jnp.full(shape, x, jnp.float32)
        return jnp.broadcast_to(x, shape)

    def sum(self, x: Any, *dimensions: str) -> Any:
        """The sum over these dimensions, or over all, which keep the extent 1."""
        return self._reduce(jnp.sum, "sum", x, dimensions)

    def max(self, x: Any, *dimensions: str) -> Any:
        """The maximum, likewise."""
        return self._reduce(jnp.max, "max", x, dimensions)

    def min(self, x: Any, *dimensions: str) -> Any:
        """The minimum, likewise."""
        return self._reduce(jnp.min, "min", x, dimensions)

    def _places(self, dimensions: tuple[str, ...]) -> tuple[int, ...]:
        """The dimensions of values that these dimensions of the view are made of."""
        numbers = [self._numbers[d] for d in dimensions]
        return tuple(d for d, tag in enumerate(self.tags) if not dimensions or tag in numbers)

    def _reduce(
        self, function: Callable[..., Any], how: str, x: Any, dimensions: tuple[str, ...]
    ) -> Any:
        places = self._places(dimensions)
        for d in places:
            if d in self.inside:
                index = lax.broadcasted_iota(jnp.int32, x.shape, d)
                x = jnp.where(index < self.inside[d], x, IDENTITY[how])
        return function(x, axis=places, keepdims=True)
