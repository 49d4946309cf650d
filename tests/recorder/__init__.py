"""A recorder of what a step runs, at the lowest call of each target.

A step is traced for the platform of a target, and never executed. Where it would call the device,
the recorder notes which emitted functions run, on which leaves, and the shape and the dtype of each
array that they read and write. What an array is follows from the arguments of the step, and from
the names that the text of emitted functions has for its parameters and results.
"""

import ast

import jax
import pytest

from optgen.runtime.execution import driver
from optgen.runtime.execution.targets import TARGETS
from tests.recorder.cpu import Libraries
from tests.recorder.records import Array, Call, Part, Record
from tests.recorder.tpu import Kernels
from tests.recorder.triton import Sources
from tests.recorder.walk import Walk

__all__ = ["Array", "Call", "Part", "Record", "record"]

CALLS = {
    "step": lambda tx, params, state: tx.step(params, state, grads=params),
    "update": lambda tx, params, state: tx.update(params, state, params),
}
SEAMS = {"cpu": Libraries, "triton": Sources, "tpu": Kernels}


def record(tx, params, target, mode, chip="v5e"):
    """Records a step of an optimizer that was made for a target.

    Args:
      tx: the optimizer.
      params: a tree of ``jax.ShapeDtypeStruct``.
      target: the name of the target.
      chip: the generation of TPUs that a step is traced for.
      mode: ``step`` or ``update``.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPTGEN_INTERPRET", "1" if target == "triton" else "0")  # without a GPU
        patch.setenv("OPTGEN_TPU", chip)
        unavailable = TARGETS[target].unavailable
        getattr(unavailable, "cache_clear", lambda: None)()
        driver._step_function.cache_clear()  # which may know a program of before
        if (reason := unavailable()) is not None:
            pytest.skip(reason)
        calls = SEAMS[target](patch).calls if target in SEAMS else {}
        portable = {x.name for x in ast.parse(tx.source("xla", params)).body if hasattr(x, "name")}
        state = jax.eval_shape(tx.init, params)
        program = jax.make_jaxpr(CALLS[mode], static_argnums=0)(tx, params, state).jaxpr
        walk = Walk(TARGETS[target].platform, portable, calls)
        try:
            return walk.step(program, mode)
        finally:
            driver._step_function.cache_clear()
            getattr(unavailable, "cache_clear", lambda: None)()
