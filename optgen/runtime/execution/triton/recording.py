"""The launches of a step as they would be made, recorded while its shapes are evaluated."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from optgen.runtime.execution import driver
from optgen.runtime.execution.launching import Launching
from optgen.runtime.execution.leaves import Environment, Leaf, place
from optgen.runtime.execution.triton.inspection import Launch, Recorder
from optgen.runtime.execution.triton.launcher import TritonExecutor
from optgen.runtime.execution.triton.launches import LIMITS
from optgen.runtime.execution.triton.launches import launches as launch_list
from optgen.runtime.vocabulary.module import Module, Placement
from optgen.runtime.vocabulary.sequence import Mode


def launches(
    module: Module,
    placements: Sequence[Placement],
    params: Sequence[Any],
    hyperparameters: Environment,
    mode: Mode = "step",
) -> list[Launch]:
    """The launches of a step. Triton is imported, and nothing runs.

    Args:
      module: what was emitted; its kernels of the ``triton`` target are launched.
      placements: how it serves each leaf.
      params: the leaves: arrays, or ``jax.ShapeDtypeStruct``.
      hyperparameters: their values.
      mode: ``step`` or ``update``.
    """
    kernels = module.kernels["triton"]
    recorder = Recorder()
    placements = tuple(placements)

    def leaf_programs(params: Any, grads: Any, slots: Any, known: Environment) -> Any:
        leaves = [
            Leaf(module.variants[placement.variant], placement, *of_leaf)
            for placement, *of_leaf in zip(placements, params, grads, slots, strict=True)
        ]
        placed = place(module, kernels.target, leaves, mode)
        executor = TritonExecutor(kernels, recorder.call)
        execution = Launching(launch_list(placed, LIMITS), placed, leaves, mode, executor)
        return driver.run_leaves(module, execution, known)

    def init_and_step(params: list[Any], hyperparameters: Environment) -> Any:
        slots, tree_slots = driver.run_init(module, placements, params, hyperparameters)
        known = driver.constants(module.update, hyperparameters)
        step = driver.step_with(module, mode, leaf_programs)
        return step(params, params, slots, tree_slots, jnp.int32(0), known)

    jax.eval_shape(functools.partial(init_and_step, hyperparameters=hyperparameters), list(params))
    return recorder.launches
