"""Optimizers of JAX as contestants: a jitted step with donation."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from optgen.errors import ParseError
from optgen.tools import workloads
from optgen.tools.chips.hlo import parse
from optgen.tools.chips.module import read_kernels
from optgen.tools.timing import Contestant, Costs, Work, jit_step, repeated
from optgen_bench import machine


class JaxStep(Contestant):
    """A jitted step; see `jit_step`.

    Args:
      name: of the contestant.
      make: builds the optimizer; timed as `Costs.build`.
      ours: whether `make` returns an optgen optimizer.
      fused: whether it has a `step` of its own; by default, whether it is ours.
      on_device: whether a sample's steps are repeated on the device; see `repeated`.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], Any],
        ours: bool = False,
        *,
        fused: bool | None = None,
        on_device: bool = False,
    ) -> None:
        self.name, self.ours = name, ours
        self._make, self._on_device = make, on_device
        self._fused = ours if fused is None else fused
        self.protocol = "step" if self._fused else "update"
        self._explanation: Any = None
        self._launches: int | None = None
        self._optimizer: Any = None
        self._shapes: Any = None

    def memory(self, work: Work) -> int:
        # Parameters, state, and one tree of temporaries or updates.
        return 2 * workloads.tree_bytes(work.tree) + workloads.tree_bytes(self.state(work))

    def prepare(self, work: Work) -> Costs:
        _start_jax()
        begin = time.perf_counter()
        self._optimizer = self._make()
        build = time.perf_counter() - begin
        self._function = jit_step(self._optimizer, self._fused)
        self._repeated: Any = functools.cache(functools.partial(repeated, self._function))
        costs, self._launches = compile_costs(self._function, self._optimizer, work.tree, build)
        self._shapes = jax.eval_shape(self._optimizer.init, work.tree)
        explain = getattr(self._optimizer, "explain", None)
        if self.ours and explain is not None:
            self._explanation = explain(work.tree, machine.planned_for(), self.protocol)
        return costs

    def allocate(self, work: Work) -> None:
        self._parameters = jax.tree.map(jnp.array, work.parameters())
        self._state = jax.jit(self._optimizer.init)(self._parameters)
        self._gradients = work.jax_gradients

    def step(self) -> None:
        self._parameters, self._state = self._function(
            self._parameters, self._state, self._gradients
        )

    def take(self, count: int) -> None:
        if not self._on_device:
            super().take(count)
            return
        self._parameters, self._state = self._repeated(count)(
            self._parameters, self._state, self._gradients
        )

    def wait(self) -> None:
        jax.block_until_ready((self._parameters, self._state))

    def current(self) -> Iterator[np.ndarray] | None:
        return (np.asarray(leaf) for leaf in jax.tree.leaves(self._parameters))

    def release(self) -> None:
        self._parameters = self._state = self._gradients = None
        self._function = self._repeated = None

    def state(self, work: Work) -> workloads.Tree | None:
        return self._shapes

    def plan(self, work: Work) -> tuple[float, float] | None:
        if self._explanation is None:
            return None
        reads = writes = 0.0
        for stage in self._explanation.stages:
            read, written = sum(stage.reads.values()), sum(stage.writes.values())
            share = stage.bytes_per_parameter / ((read + written) or 1)
            reads, writes = reads + share * read, writes + share * written
        return reads, writes

    def launches(self, work: Work) -> int | None:
        return self._launches


@functools.cache
def _start_jax() -> None:
    """Compiles something, so that the first contestant does not pay for starting the compiler."""
    jax.jit(lambda x: x * 2 + 1).trace(1.0).lower().compile()


def compile_costs(
    jitted: Any, optimizer: Any, tree: workloads.Tree, build: float
) -> tuple[Costs, int | None]:
    """Traces, lowers and compiles for a tree of shapes, timing each; jit keeps the result.

    Returns:
      The costs, and the number of instructions that XLA runs one after the other; None where its
      module cannot be read.
    """
    state = jax.eval_shape(optimizer.init, tree)
    begin = time.perf_counter()
    traced = jitted.trace(tree, state, tree)
    after_trace = time.perf_counter()
    lowered = traced.lower()
    after_lower = time.perf_counter()
    compiled = lowered.compile()
    after_compile = time.perf_counter()
    costs = Costs(
        build=build,
        trace=after_trace - begin,
        lower=after_lower - after_trace,
        compile=after_compile - after_lower,
        peak_bytes=peak_bytes(compiled),
    )
    try:
        return costs, count_launches(compiled.as_text())
    except ParseError:  # a device's module may hold what no chip's has that could be looked at
        return costs, None


def count_launches(module: str) -> int:
    """Counts the fusions, copies, custom calls and so on that a module runs one after another."""
    return sum(kernel.times for kernel in read_kernels(parse(module)) if not kernel.overlapped)


def peak_bytes(compiled: Any) -> int | None:
    """Returns the bytes that a compiled step holds: arguments, temporaries, undonated results."""
    try:
        memory = compiled.memory_analysis()
        held = memory.argument_size_in_bytes + memory.output_size_in_bytes
        return int(held - memory.alias_size_in_bytes + memory.temp_size_in_bytes)
    except (AttributeError, NotImplementedError, jax.errors.JaxRuntimeError):
        return None  # a platform that keeps no account
