"""The contestants of a case: optgen and optax under jit, with donation, and torch.optim."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from optgen.errors import UsageError
from optgen_bench import workloads
from optgen_bench.cases import Case
from optgen_bench.contestants import Contestant, Work
from optgen_bench.records import Costs
from optgen_bench.torch_peer import TorchStep, why_no_torch

# What a name in `against` stands for; "update" compares the optax protocol alone.
GROUPS: dict[str, tuple[str, ...]] = {
    "optax": ("optax",),
    "torch": ("torch-fused", "torch-foreach"),
    "update": ("optgen-update", "optax-update"),
    "optax-update": ("optgen-update", "optax-update"),
    "torch-fused": ("torch-fused",),
    "torch-foreach": ("torch-foreach",),
}


class JaxStep(Contestant):
    """A jitted step, `(gradients, state, parameters) -> (parameters or updates, state)`.

    Args:
      name: of the contestant.
      make: builds the optimizer; timed as `Costs.build`.
      protocol: "step" or "update".
      ours: whether `make` returns an optgen optimizer.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], optax.GradientTransformation],
        protocol: str = "step",
        ours: bool = False,
    ) -> None:
        self.name, self.protocol, self.ours = name, protocol, ours
        self._make = make
        self._explanation: Any = None
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
        self._function = jit_step(self._optimizer, self.protocol, self.ours)
        costs = compile_costs(self._function, self._optimizer, work.tree, build)
        self._shapes = jax.eval_shape(self._optimizer.init, work.tree)
        explain = getattr(self._optimizer, "explain", None)
        self._explanation = explain(work.tree) if self.ours and explain is not None else None
        return costs

    def allocate(self, work: Work) -> None:
        self._parameters = jax.tree.map(jnp.array, work.parameters())
        self._state = jax.jit(self._optimizer.init)(self._parameters)
        self._gradients = work.jax_gradients
        self._updates: Any = None

    def step(self) -> None:
        if self.protocol == "step":
            self._parameters, self._state = self._function(
                self._gradients, self._state, self._parameters
            )
        else:
            self._updates = None  # so that two trees of updates are never held
            self._updates, self._state = self._function(
                self._gradients, self._state, self._parameters
            )

    def wait(self) -> None:
        jax.block_until_ready((self._parameters, self._state, self._updates))

    def current(self) -> Iterator[np.ndarray] | None:
        if self.protocol != "step":
            return None
        return (np.asarray(leaf) for leaf in jax.tree.leaves(self._parameters))

    def release(self) -> None:
        self._parameters = self._state = self._gradients = self._updates = self._function = None

    def state(self, work: Work) -> workloads.Tree | None:
        return self._shapes

    def planned_bytes(self, work: Work) -> float | None:
        value = getattr(self._explanation, "bytes_per_parameter", None)
        return float(value) if isinstance(value, int | float) else None

    def launches(self, work: Work) -> int | None:
        value = getattr(self._explanation, "launches", None)
        return value if isinstance(value, int) else None


@functools.cache
def _start_jax() -> None:
    """Compiles something, so that the first contestant does not pay for starting the compiler."""
    jax.jit(lambda x: x * 2 + 1).trace(1.0).lower().compile()


def jit_step(optimizer: Any, protocol: str, ours: bool) -> Any:
    """Returns the jitted step. State is donated, and so are parameters where they are updated."""
    if protocol == "update":
        return jax.jit(optimizer.update, donate_argnums=(1,))
    function = optimizer.step if ours else functools.partial(_optax_step, optimizer)
    return jax.jit(function, donate_argnums=(1, 2))


def _optax_step(optimizer: Any, gradients: Any, state: Any, parameters: Any) -> tuple[Any, Any]:
    updates, state = optimizer.update(gradients, state, parameters)
    return optax.apply_updates(parameters, updates), state


def compile_costs(jitted: Any, optimizer: Any, tree: workloads.Tree, build: float) -> Costs:
    """Traces, lowers and compiles for a tree of shapes, timing each; jit keeps the result."""
    state = jax.eval_shape(optimizer.init, tree)
    begin = time.perf_counter()
    traced = jitted.trace(tree, state, tree)
    after_trace = time.perf_counter()
    lowered = traced.lower()
    after_lower = time.perf_counter()
    compiled = lowered.compile()
    after_compile = time.perf_counter()
    return Costs(
        build=build,
        trace=after_trace - begin,
        lower=after_lower - after_trace,
        compile=after_compile - after_lower,
        peak_bytes=_peak_bytes(compiled),
    )


def _peak_bytes(compiled: Any) -> int | None:
    try:
        memory = compiled.memory_analysis()
        held = memory.argument_size_in_bytes + memory.output_size_in_bytes
        return int(held - memory.alias_size_in_bytes + memory.temp_size_in_bytes)
    except (AttributeError, NotImplementedError, jax.errors.JaxRuntimeError):
        return None  # a platform that keeps no account


def expand(against: Sequence[str]) -> list[str]:
    """Returns the contestants that names and groups stand for, each once, in order."""
    unknown = [name for name in against if name not in GROUPS]
    if unknown:
        raise UsageError(f"unknown peer {unknown[0]!r}. Give some of {', '.join(GROUPS)}.")
    return list(dict.fromkeys(name for group in against for name in GROUPS[group]))


def contestants(
    case: Case, against: Sequence[str], targets: Sequence[str] = ("auto",)
) -> tuple[list[Contestant], dict[str, str]]:
    """Returns the contestants of a case, optgen's first, and why any other is absent.

    Args:
      case: what to build.
      against: peers or groups of peers; see `GROUPS`.
      targets: of optgen; one contestant is named for each.
    """
    found: list[Contestant] = [_optgen(case, target, "step") for target in targets]
    absent: dict[str, str] = {}
    for name in expand(against):
        if name == "optgen-update":
            found += [_optgen(case, target, "update") for target in targets]
        elif (reason := _why_absent(case, name)) is not None:
            absent[name] = reason
        else:
            found.append(_peer(case, name))
    return found, absent


def _optgen(case: Case, target: str, protocol: str) -> Contestant:
    suffix = "" if protocol == "step" else "-update"
    name = f"optgen{suffix}" if target == "auto" else f"optgen-{target}{suffix}"
    return JaxStep(name, functools.partial(case.make_optgen, target), protocol, ours=True)


def _peer(case: Case, name: str) -> Contestant:
    if name.startswith("torch-"):
        assert case.make_torch is not None
        return TorchStep(name, case.make_torch, name.removeprefix("torch-"))
    assert case.make_optax is not None
    return JaxStep(name, case.make_optax, "update" if name.endswith("-update") else "step")


def _why_absent(case: Case, name: str) -> str | None:
    if name.startswith("optax"):
        return None if case.make_optax else "the case has no optax peer"
    kind = name.removeprefix("torch-")
    if case.make_torch is None or kind not in case.torch_kinds:
        return f"the case has no torch-{kind}"
    return why_no_torch()
