"""Jitted steps of an optimizer of JAX, with donation: one of them, or a loop of many."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import optax


def jit_step(optimizer: Any, protocol: str, fused: bool) -> Any:
    """Returns the jitted step, `(parameters, state, gradients) -> (parameters, state)`.

    For the protocol "update" the results are `(state, updates)`. What is updated is donated.

    Arguments stand in the order of the results, because JAX pairs donated buffers with results of
    the same shape in order.
    """
    function = optimizer.step if fused else functools.partial(_optax_step, optimizer)

    def step(parameters: Any, state: Any, gradients: Any) -> tuple[Any, Any]:
        parameters, state = function(parameters, state, grads=gradients)
        return parameters, state

    def update(parameters: Any, state: Any, gradients: Any) -> tuple[Any, Any]:
        updates, state = optimizer.update(gradients, state, parameters)
        return state, updates

    if protocol == "update":
        return jax.jit(update, donate_argnums=(1,))
    return jax.jit(step, donate_argnums=(0, 1))


def repeated(step: Callable[..., Any], protocol: str, count: int) -> Any:
    """Returns a jitted loop of `count` steps of what `jit_step` returned.

    It takes parameters, state, gradients and updates (None for the protocol "step"), and returns
    all but the gradients; what is updated is donated. The barrier keeps XLA from computing before
    the loop, or in one kernel for several steps, what each step has to compute.
    """

    def body(_: Any, carried: tuple[Any, ...]) -> tuple[Any, ...]:
        parameters, state, gradients, updates = jax.lax.optimization_barrier(carried)
        if protocol == "step":
            parameters, state = step(parameters, state, gradients)
        else:
            state, updates = step(parameters, state, gradients)
        return parameters, state, gradients, updates

    def run(parameters: Any, state: Any, gradients: Any, updates: Any) -> tuple[Any, Any, Any]:
        carried = (parameters, state, gradients, updates)
        parameters, state, _, updates = jax.lax.fori_loop(0, count, body, carried)
        return parameters, state, updates

    return jax.jit(run, donate_argnums=(0, 1, 3) if protocol == "step" else (1, 3))


def _optax_step(optimizer: Any, parameters: Any, state: Any, *, grads: Any) -> tuple[Any, Any]:
    updates, state = optimizer.update(grads, state, parameters)
    return optax.apply_updates(parameters, updates), state
