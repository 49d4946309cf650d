"""The first state outside of ``jax.jit``, where it is known how each parameter is placed.

Parameters may be abstract (``jax.ShapeDtypeStruct``): what their slots start from is mostly known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding

from optgen.errors import TreeError
from optgen.runtime.execution.leaves import Environment, Leaf
from optgen.runtime.execution.placing import sharding_of_slot
from optgen.runtime.vocabulary.variant import Slot

Init = Callable[[list[Any], Environment], Any]
"""Makes slots, given parameters and the scalars that are known."""


def is_abstract(p: Any) -> bool:
    """True for a parameter of which the shape alone is known."""
    return isinstance(p, jax.ShapeDtypeStruct)


def placement_of(p: Any) -> jax.ShapeDtypeStruct:
    """The shape and the dtype of a parameter, and its sharding if it must stay where it is."""
    fixed = is_abstract(p) or getattr(p, "committed", False)
    return jax.ShapeDtypeStruct(p.shape, p.dtype, sharding=p.sharding if fixed else None)


def placed_init(init: Init, leaves: Sequence[Leaf], tree_slots: Sequence[str]) -> Init:
    """Returns a compiled function that puts slots where their parameters are.

    Args:
      init: makes slots, anywhere, and those of the whole tree.
      leaves: leaves without slots, whose parameters are what ``placement_of`` returns.
      tree_slots: the names of the slots of the whole tree.
    """
    reads = [_reads_values(leaf) for leaf in leaves]

    def run(arrays: list[Any], known: Environment) -> Any:
        # XLA computes nothing of these zeros, for nothing reads them.
        params = [
            p if read else jnp.zeros(leaf.shape, leaf.p.dtype)
            for leaf, p, read in zip(leaves, arrays, reads, strict=True)
        ]
        return init(params, known)

    shardings = [
        {name: _sharding(leaf, slot) for name, slot in leaf.variant.slots.items()}
        for leaf in leaves
    ]
    compiled = jax.jit(run, out_shardings=(shardings, dict.fromkeys(tree_slots)))

    def placed(params: list[Any], known: Environment) -> Any:
        for p, read in zip(params, reads, strict=True):
            if read and is_abstract(p):
                raise TreeError(
                    f"the parameter of shape {p.shape} is abstract, and its state starts from its "
                    "values: pass arrays, or call jax.eval_shape(tx.init, params) for shapes alone"
                )
        return compiled([p if read else None for p, read in zip(params, reads, strict=True)], known)

    return placed


def _sharding(leaf: Leaf, slot: Slot) -> Any:
    """The sharding of a slot; None where it may be anywhere."""
    sharding = leaf.p.sharding
    if isinstance(sharding, NamedSharding):
        shape = slot.shape(leaf.shape, leaf.placement.groups)
        return sharding_of_slot(sharding, leaf.shape, shape)
    return sharding


def _reads_values(leaf: Leaf) -> bool:
    """True where functions of the initial state read more of a parameter than its shape."""
    scalars: Environment = defaultdict(lambda: np.float32(0))
    for function in (leaf.variant.init, *leaf.variant.init_partials):
        values = {} if function is None else leaf.values(function, scalars)
        if "p" not in values:
            continue
        program = jax.make_jaxpr(lambda p, f=function, v=values: f(**{**v, "p": p}))(leaf.p).jaxpr
        (p,) = program.invars
        if p in program.outvars or any(p in equation.invars for equation in program.eqns):
            return True
    return False
