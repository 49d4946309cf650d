"""The options of a launch: measured on this device where a table has them, else guessed."""

from __future__ import annotations

import jax.numpy as jnp

from optgen.runtime.kernels import Routine
from optgen.runtime.triton.options import Options, heuristic


def options_for(routine: Routine) -> Options:
    """The options of launches of a routine."""
    itemsize = min(jnp.dtype(x.dtype).itemsize for x in routine.operands)
    return heuristic(routine.kind, not routine.view, itemsize)
