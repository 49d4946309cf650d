"""The launches of a step as they would be made, recorded while its shapes are evaluated."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from optgen.runtime.execution import driver
from optgen.runtime.execution.launches import KernelLeaves
from optgen.runtime.execution.leaves import Environment, Leaf, Mode
from optgen.runtime.execution.triton.inspection import Launch, Recorder
from optgen.runtime.execution.triton.launcher import TritonLauncher
from optgen.runtime.vocabulary.kernels import Kernels
from optgen.runtime.vocabulary.unit import Unit


def launches(
    unit: Unit,
    assignment: tuple[int, ...],
    params: Sequence[Any],
    hyperparameters: Environment,
    mode: Mode = "step",
) -> list[Launch]:
    """The launches of a step. Triton is imported, and nothing runs.

    Args:
      unit: what was emitted; its kernels of the ``triton`` target are launched.
      assignment: which variant serves each leaf.
      params: the leaves: arrays, or ``jax.ShapeDtypeStruct``.
      hyperparameters: their values.
      mode: ``step`` or ``update``.
    """
    kernels = unit.kernels["triton"]
    assert isinstance(kernels, Kernels)
    recorder = Recorder()

    def leaf_programs(params: Any, grads: Any, slots: Any, known: Environment) -> Any:
        trees = zip(assignment, params, grads, slots, strict=True)
        leaves = [Leaf(unit.variants[i], *of_leaf) for i, *of_leaf in trees]
        launcher = TritonLauncher(kernels, recorder.call)
        execution = KernelLeaves(kernels, assignment, leaves, mode, launcher)
        return driver.run_leaves(unit, execution, known)

    def init_and_step(params: list[Any], hyperparameters: Environment) -> Any:
        slots, tree_slots = driver.run_init(unit, assignment, params, hyperparameters)
        known = driver.constants(unit.update, hyperparameters)
        step = driver.step_with(unit, mode, leaf_programs)
        return step(params, params, slots, tree_slots, jnp.int32(0), known)

    jax.eval_shape(functools.partial(init_and_step, hyperparameters=hyperparameters), list(params))
    return recorder.launches
