"""Initial states for parameters of which shapes alone are known: ``jax.ShapeDtypeStruct``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding

from optgen.errors import TreeError
from optgen.runtime.execution.leaves import Environment, Leaf
from optgen.runtime.execution.placing import sharding_of_slot

Init = Callable[[list[Any], Environment], Any]
"""Makes slots, given parameters and the scalars that are known."""


def is_abstract(p: Any) -> bool:
    """True for a parameter of which the shape alone is known."""
    return isinstance(p, jax.ShapeDtypeStruct)


def init_of_shapes(init: Init, leaves: Sequence[Leaf], known: Environment) -> Any:
    """Makes slots where some parameters are abstract; arrays of their size are never allocated.

    Raises:
      TreeError: where a slot starts from the values of such a parameter.
    """
    for leaf in leaves:
        if is_abstract(leaf.p) and _reads_values(leaf, known):
            raise TreeError(
                f"the parameter of shape {leaf.shape} is abstract, and its state starts from its "
                "values: pass arrays, or call jax.eval_shape(tx.init, params) for shapes alone"
            )

    def run(arrays: list[Any], known: Environment) -> Any:
        # XLA computes nothing of these zeros, for nothing reads them.
        params = [
            jnp.zeros(x.shape, x.p.dtype) if p is None else p
            for x, p in zip(leaves, arrays, strict=True)
        ]
        return init(params, known)

    arrays = [None if is_abstract(x.p) else x.p for x in leaves]
    slots, tree_slots = jax.eval_shape(run, arrays, known)
    shardings = [
        {name: _sharding(leaf.p, slot) for name, slot in of_leaf.items()}
        for leaf, of_leaf in zip(leaves, slots, strict=True)
    ]
    unspecified = dict.fromkeys(tree_slots)
    return jax.jit(run, out_shardings=(shardings, unspecified))(arrays, known)


def _sharding(p: Any, slot: jax.ShapeDtypeStruct) -> Any:
    """The sharding that a slot is told to have; None where it has that of an array."""
    sharding = p.sharding if is_abstract(p) else None
    if isinstance(sharding, NamedSharding):
        return sharding_of_slot(sharding, p.shape, slot.shape)
    return sharding


def _reads_values(leaf: Leaf, known: Environment) -> bool:
    """True where functions of the initial state read more of a parameter than its shape."""
    functions = [f for f in (leaf.variant.init, *leaf.variant.init_partials) if f is not None]
    for function in functions:
        values = leaf.values(function, known)
        if "p" not in values:
            continue
        program = jax.make_jaxpr(lambda p, f=function, v=values: f(**{**v, "p": p}))(leaf.p).jaxpr
        (p,) = program.invars
        if p in program.outvars or any(p in equation.invars for equation in program.eqns):
            return True
    return False
