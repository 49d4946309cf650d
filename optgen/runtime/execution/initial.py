"""The first state outside of ``jax.jit``, where it is known how each parameter is placed.

Parameters may be abstract (``jax.ShapeDtypeStruct``): what their slots start from is mostly known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding

from optgen.errors import TreeError
from optgen.runtime.execution.leaves import Environment, Leaf
from optgen.runtime.execution.placing import sharding_of_slot
from optgen.runtime.vocabulary.variant import Function, Slot

InitScalars = Callable[[list[Any], Environment], tuple[Environment, Environment]]
"""Returns all scalars and the slots of the tree, given parameters that are read, and scalars."""

InitSlots = Callable[[Leaf, Any, Environment], Environment]
"""Returns the slots of a leaf, given its parameter and all scalars."""


def is_abstract(p: Any) -> bool:
    """True for a parameter of which the shape alone is known."""
    return isinstance(p, jax.ShapeDtypeStruct)


def placement_of(p: Any) -> jax.ShapeDtypeStruct:
    """The shape and the dtype of a parameter, and its sharding if it must stay where it is."""
    fixed = is_abstract(p) or getattr(p, "committed", False)
    return jax.ShapeDtypeStruct(p.shape, p.dtype, sharding=p.sharding if fixed else None)


class PlacedInit:
    """Makes slots where their parameters are, of parameters and the scalars that are known.

    Leaves on other devices have programs of their own, and like leaves share one.
    """

    def __init__(
        self, name: str, leaves: Sequence[Leaf], scalars: InitScalars, slots_of: InitSlots
    ) -> None:
        """Compiles nothing yet.

        Args:
          name: the name of the programs.
          leaves: leaves without slots, whose parameters are what ``placement_of`` returns.
          scalars: returns the scalars that slots are made of, and the slots of the whole tree.
          slots_of: returns the slots of a leaf.
        """
        self._name, self._scalars, self._slots_of = name, scalars, slots_of
        self._leaves, kinds = leaves, _kinds(leaves)
        self._contribute, self._start = set[int](), set[int]()
        for like in kinds.values():
            leaf = leaves[like[0]]
            if _reads_values(leaf, leaf.variant.init_partials):
                self._contribute.update(like)
            if _reads_values(leaf, (leaf.variant.init,)):
                self._start.update(like)
        self._batches = [(self._program(rows[0]), rows) for rows in _batches(leaves, kinds)]

    def __call__(
        self, params: list[Any], known: Environment
    ) -> tuple[list[Environment], Environment]:
        """Returns the slots of each leaf, and those of the tree.

        Raises:
          TreeError: for an abstract parameter whose values are read.
        """
        for i in self._contribute | self._start:
            if is_abstract(params[i]):
                raise TreeError(
                    f"the parameter of shape {params[i].shape} is abstract, and its state starts "
                    "from its values: pass arrays, or call jax.eval_shape(tx.init, params) for "
                    "shapes alone"
                )
        own = [p if i in self._contribute else None for i, p in enumerate(params)]
        known, tree = self._scalars(own, known)
        slots: list[Environment] = [{}] * len(params)
        for program, rows in self._batches:
            for row in rows:
                made = program([params[i] if i in self._start else None for i in row], known)
                for i, of_leaf in zip(row, made, strict=True):
                    slots[i] = of_leaf
        return slots, tree

    def _program(self, row: Sequence[int]) -> Callable[..., list[Environment]]:
        """Returns the compiled function that makes the slots of leaves like these."""
        leaves = [self._leaves[i] for i in row]

        def run(arrays: list[Any], known: Environment) -> list[Environment]:
            return [
                self._slots_of(leaf, p, known)
                for leaf, p in zip(leaves, present(leaves, arrays), strict=True)
            ]

        run.__name__ = self._name
        shardings = [
            {name: _sharding(leaf, slot) for name, slot in leaf.variant.slots.items()}
            for leaf in leaves
        ]
        return jax.jit(run, out_shardings=shardings)


def present(leaves: Sequence[Leaf], arrays: Sequence[Any]) -> list[Any]:
    """The arrays, with zeros for None: of those XLA computes nothing, for nothing reads them."""
    return [
        jnp.zeros(leaf.shape, leaf.p.dtype) if p is None else p
        for leaf, p in zip(leaves, arrays, strict=True)
    ]


def _kinds(leaves: Sequence[Leaf]) -> dict[Any, list[int]]:
    """The places of the leaves of each kind: served, shaped and placed alike."""
    kinds: dict[Any, list[int]] = defaultdict(list)
    for i, leaf in enumerate(leaves):
        kinds[leaf.placement, leaf.p].append(i)
    return dict(kinds)


def _batches(
    leaves: Sequence[Leaf], kinds: Mapping[Any, list[int]]
) -> Iterator[list[tuple[int, ...]]]:
    """Batches of rows of leaves: the rows of one are on the same devices, and of the same kinds.

    Each kind is in one batch, with those of as many leaves: it is compiled once.
    """
    columns: dict[Any, list[list[int]]] = defaultdict(list)
    for places in kinds.values():
        leaf = leaves[places[0]]
        if leaf.variant.slots:
            columns[_home(leaf.p.sharding), len(places)].append(places)
    for alike in columns.values():
        yield list(zip(*alike, strict=True))


def _home(sharding: Any) -> Any:
    """The devices of a sharding in their order, as one computation has them."""
    return sharding.mesh if isinstance(sharding, NamedSharding) else sharding


def _sharding(leaf: Leaf, slot: Slot) -> Any:
    """The sharding of a slot; None where it may be anywhere."""
    sharding = leaf.p.sharding
    if isinstance(sharding, NamedSharding):
        shape = slot.shape(leaf.shape, leaf.placement.groups)
        return sharding_of_slot(sharding, leaf.shape, shape)
    return sharding


def _reads_values(leaf: Leaf, functions: Sequence[Function | None]) -> bool:
    """True where functions of the initial state read more of a parameter than its shape."""
    scalars: Environment = defaultdict(lambda: np.float32(0))
    for function in functions:
        values = {} if function is None else leaf.values(function, scalars)
        if "p" not in values:
            continue
        program = jax.make_jaxpr(lambda p, f=function, v=values: f(**{**v, "p": p}))(leaf.p).jaxpr
        (p,) = program.invars
        if p in program.outvars or any(p in equation.invars for equation in program.eqns):
            return True
    return False
