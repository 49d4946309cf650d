"""Records of what a step runs, as the lowest calls of a target show it."""

import math
from collections import Counter
from dataclasses import dataclass, field

import jax.numpy as jnp


@dataclass(frozen=True)
class Array:
    """An array in memory, by its shape and dtype alone."""

    shape: tuple[int, ...]
    dtype: str

    @classmethod
    def of(cls, x):
        return cls(tuple(x.shape), jnp.dtype(x.dtype).name)

    @property
    def elements(self):
        return math.prod(self.shape)

    @property
    def bytes(self):
        return self.elements * jnp.dtype(self.dtype).itemsize


@dataclass(eq=False)
class Part:
    """Functions on one leaf that bring each array from memory once, and send it once."""

    leaf: int | None = None
    functions: list[str] = field(default_factory=list)
    reads: dict[str, Array] = field(default_factory=dict)
    writes: dict[str, Array] = field(default_factory=dict)

    def serve(self, value):
        """Notes the leaf that a value is of: a part serves one."""
        assert self.leaf in (None, value.leaf), f"{value.name} of leaf {value.leaf}: {self}"
        self.leaf = value.leaf


@dataclass(frozen=True, eq=False)
class Value:
    """An array of a leaf: its name in the function that wrote it, and that function's part.

    ``part`` is None for what the step was given.
    """

    name: str
    leaf: int
    array: Array | None = None
    part: Part | None = None


@dataclass(frozen=True, eq=False)
class Shared:
    """An array of which leaves of a launch have a region each, by where it begins."""

    regions: dict[int, Value]


@dataclass
class Call:
    """One call of the device."""

    parts: list[Part]

    def moved(self, way):
        """Bytes that are moved in one way, by the name of the array."""
        moved = Counter()
        for part in self.parts:
            moved.update({name: x.bytes for name, x in getattr(part, way).items()})
        return moved


@dataclass
class Record:
    """All that a step runs.

    Attributes:
      calls: of kernels, in order.
      portable: the ``jnp`` functions of each leaf, in order.
    """

    calls: list[Call] = field(default_factory=list)
    portable: dict[int, list[Part]] = field(default_factory=dict)
