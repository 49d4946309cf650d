"""Jitted steps of an optimizer of JAX, with donation: one of them, or a loop of many."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import optax


def jit_step(optimizer: Any, fused: bool) -> Any:
    """Returns the jitted step, `(parameters, state, gradients) -> (parameters, state)`.

    Parameters and state are donated. Arguments stand in the order of the results, because JAX pairs
    donated buffers with results of the same shape in order.

    Args:
      optimizer: an optimizer of optax or of optgen.
      fused: whether its own `step` updates the parameters; otherwise `optax.apply_updates` does,
        with what its `update` returned.
    """
    function = optimizer.step if fused else functools.partial(_optax_step, optimizer)

    def step(parameters: Any, state: Any, gradients: Any) -> tuple[Any, Any]:
        parameters, state = function(parameters, state, grads=gradients)
        return parameters, state

    return jax.jit(step, donate_argnums=(0, 1))


def repeated(step: Callable[..., Any], count: int) -> Any:
    """Returns a jitted loop of `count` steps of what `jit_step` returned.

    It takes and returns the same as one step; parameters and state are donated. The barrier keeps
    XLA from computing before the loop, or in one kernel for several steps, what each step has to
    compute.
    """

    def body(_: Any, carried: tuple[Any, ...]) -> tuple[Any, ...]:
        parameters, state, gradients = jax.lax.optimization_barrier(carried)
        parameters, state = step(parameters, state, gradients)
        return parameters, state, gradients

    def run(parameters: Any, state: Any, gradients: Any) -> tuple[Any, Any]:
        carried = (parameters, state, gradients)
        parameters, state, _ = jax.lax.fori_loop(0, count, body, carried)
        return parameters, state

    return jax.jit(run, donate_argnums=(0, 1))


def _optax_step(optimizer: Any, parameters: Any, state: Any, *, grads: Any) -> tuple[Any, Any]:
    updates, state = optimizer.update(grads, state, parameters)
    return optax.apply_updates(parameters, updates), state
