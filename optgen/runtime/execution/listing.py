"""Listings: what a compiler makes of the launches of a step, as text for a reader."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp

from optgen.runtime.execution import driver
from optgen.runtime.execution.leaves import Environment
from optgen.runtime.execution.platforms import LeafPrograms
from optgen.runtime.execution.target import Executor, Target, UnrunStep
from optgen.runtime.vocabulary.module import Module, Placement
from optgen.runtime.vocabulary.sequence import Mode


def unrun_step(
    target: Target,
    module: Module,
    placements: Sequence[Placement],
    leaves: list[Any],
    hyperparameters: Environment,
    compute_capability: float | None = None,
    mode: Mode = "step",
) -> UnrunStep:
    """Returns a step of the kernels of a target, for its listing.

    Args:
      target: the target.
      module: what was emitted, with the kernels of this target.
      placements: how it serves each leaf.
      leaves: arrays, or ``jax.ShapeDtypeStruct``.
      hyperparameters: their values.
      compute_capability: see ``UnrunStep``.
      mode: ``step`` or ``update``.
    """
    placements = tuple(placements)
    programs = LeafPrograms(module, placements, mode, functools.partial(driver.run_leaves, module))

    def executed_by(executor: Executor) -> Callable[[list[Any]], Any]:
        step = driver.step_with(
            module, mode, functools.partial(programs.executed, target.name, executor)
        )

        def init_and_step(params: list[Any]) -> Any:
            state = driver.run_init(module, placements, params, hyperparameters)
            known = driver.constants(module.update, hyperparameters)
            return step(params, *state, jnp.int32(0), params, known)

        return init_and_step

    return UnrunStep(module.kernels[target.name], leaves, executed_by, compute_capability)
