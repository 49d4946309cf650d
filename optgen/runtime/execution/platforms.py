"""Runs leaf programs through the kernels of the platform that a computation is lowered for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax

from optgen import config
from optgen.errors import TargetError
from optgen.runtime.execution.deferred import deferred
from optgen.runtime.execution.launches import KernelLeaves, Launcher
from optgen.runtime.execution.leaves import Execution, Leaf, Mode, Portable
from optgen.runtime.execution.native import NativeLeaves
from optgen.runtime.vocabulary.kernels import Kernels, Native
from optgen.runtime.vocabulary.unit import Unit

PLATFORMS = {"cpu": "cpu", "triton": "cuda", "tpu": "tpu"}
"""The platforms of JAX that kernel targets serve."""

Run = Callable[[Execution, Any], Any]
"""Runs all phases with an execution, given the scalars that are known before."""


class LeafPrograms:
    """The leaf programs of a step of one tree, on any platform; called with trees of arrays.

    Attributes:
      unit: what was emitted.
      assignment: which variant serves each leaf.
      mode: ``step`` or ``update``.
      run: runs the phases.
    """

    def __init__(self, unit: Unit, assignment: Sequence[int], mode: Mode, run: Run) -> None:
        self.unit, self.assignment, self.mode, self.run = unit, tuple(assignment), mode, run

    def __call__(self, *trees: Any) -> Any:
        """Derivatives are those of ``jnp``, whatever runs."""
        if not self.unit.kernels:
            return self.portable(*trees)
        chosen = jax.custom_jvp(self._chosen)
        chosen.defjvp(lambda primals, tangents: jax.jvp(self.portable, primals, tangents))
        return chosen(*trees)

    def portable(self, *trees: Any) -> Any:
        """In ``jnp``."""
        return self.run(Portable(self._leaves(trees), self.mode), trees[3])

    def native(self, *trees: Any) -> Any:
        """Through the C++ kernels of the ``cpu`` target."""
        kernels, leaves = self.unit.kernels["cpu"], self._leaves(trees)
        assert isinstance(kernels, Native)
        return self.run(NativeLeaves(kernels, self.assignment, leaves, self.mode), trees[3])

    def launched(self, target: str, interpreted: bool, *trees: Any) -> Any:
        """Through the kernels of an accelerator, or through its interpreter."""
        kernels, leaves = self.unit.kernels[target], self._leaves(trees)
        assert isinstance(kernels, Kernels)
        launcher = _launcher(target, kernels, interpreted)
        execution = KernelLeaves(kernels, self.assignment, leaves, self.mode, launcher)
        return self.run(execution, trees[3])

    def _leaves(self, trees: Sequence[Any]) -> list[Leaf]:
        variants = [self.unit.variants[i] for i in self.assignment]
        return [Leaf(v, *of_leaf) for v, *of_leaf in zip(variants, *trees[:3], strict=True)]

    def _chosen(self, *trees: Any) -> Any:
        branches: dict[str, Callable[..., Any]] = {}
        shapes = jax.eval_shape(self.portable, *trees) if set(self.unit.kernels) - {"cpu"} else None
        batched = None if self.unit.only else self.portable  # who asked for kernels wants no other
        for target in self.unit.kernels:
            if target == "cpu":
                branches["cpu"] = self.native
            else:
                kernels = functools.partial(self.launched, target, False)
                platform = PLATFORMS[target]
                branches[platform] = functools.partial(deferred, kernels, batched, shapes, platform)
        return jax.lax.platform_dependent(*trees, **branches, default=self._default(shapes))

    def _default(self, shapes: Any) -> Callable[..., Any]:
        """What runs where a computation is lowered for a platform without kernels."""
        only = self.unit.only
        if only not in PLATFORMS or only == "cpu":
            return self.portable
        if config.INTERPRET.get():
            return functools.partial(self.launched, only, True)
        return functools.partial(deferred, functools.partial(_refuse, only), None, shapes, None)


def _launcher(target: str, kernels: Any, interpreted: bool) -> Launcher:
    """How a target launches: it is imported where something is lowered for it."""
    if target == "triton":
        from optgen.runtime.execution.triton.launcher import TritonLauncher

        if interpreted:
            from optgen.runtime.execution.triton.interpreter import call
        else:
            from optgen.runtime.execution.triton.bridge import call
        return TritonLauncher(kernels, call)
    if target == "tpu":
        from optgen.runtime.execution.tpu import calls
        from optgen.runtime.execution.tpu.launcher import TpuLauncher

        return TpuLauncher(kernels, calls.interpreted if interpreted else calls.lowered)
    raise AssertionError(f"{target} launches nothing")


def _refuse(target: str, *_: Any) -> Any:
    raise TargetError(
        f"target={target!r} serves computations that are lowered for {PLATFORMS[target]}, and this "
        f"one is lowered for another platform: leave target='auto', or set OPTGEN_INTERPRET=1 to "
        f"run the kernels in their interpreter"
    )
