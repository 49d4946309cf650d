"""Runs leaf programs through the kernels of the platform that a computation is lowered for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax

from optgen import config
from optgen.errors import TargetError
from optgen.runtime.execution.deferred import deferred
from optgen.runtime.execution.launching import Launching
from optgen.runtime.execution.leaves import Execution, Leaf, Portable, place
from optgen.runtime.execution.target import Executor
from optgen.runtime.execution.targets import TARGETS
from optgen.runtime.vocabulary.module import Module, Placement
from optgen.runtime.vocabulary.sequence import Mode

Run = Callable[[Execution, Any], Any]
"""Runs all phases with an execution, given the scalars that are known before."""


class LeafPrograms:
    """The leaf programs of a step of one tree, on any platform; called with trees of arrays.

    Attributes:
      module: the emitted module.
      placements: the placement of each leaf in it.
      mode: ``step`` or ``update``.
      run: runs the phases.
    """

    def __init__(
        self, module: Module, placements: Sequence[Placement], mode: Mode, run: Run
    ) -> None:
        self.module, self.placements = module, tuple(placements)
        self.mode, self.run = mode, run

    def __call__(self, *trees: Any) -> Any:
        """Runs the leaf programs; derivatives are those of ``jnp`` on every platform."""
        if not self.module.kernels:
            return self.portable(*trees)
        chosen = jax.custom_jvp(self._chosen)
        chosen.defjvp(lambda primals, tangents: jax.jvp(self.portable, primals, tangents))
        return chosen(*trees)

    def portable(self, *trees: Any) -> Any:
        """Runs them in ``jnp``."""
        return self.run(Portable(self._leaves(trees), self.mode), trees[3])

    def launched(self, name: str, interpreted: bool, *trees: Any) -> Any:
        """Runs them through the kernels of a target, or through its interpreter."""
        make = TARGETS[name].executor
        assert make is not None
        return self.executed(name, make(self.module.kernels[name], interpreted), *trees)

    def executed(self, name: str, executor: Executor, *trees: Any) -> Any:
        """Runs the launches of a target with an executor."""
        target, leaves = TARGETS[name], self._leaves(trees)
        placed = place(self.module, name, leaves, self.mode)
        launches = target.launches(placed, target.limits())
        return self.run(Launching(launches, placed, leaves, self.mode, executor), trees[3])

    def _leaves(self, trees: Sequence[Any]) -> list[Leaf]:
        return [
            Leaf(self.module.variants[placement.variant], placement, *of_leaf)
            for placement, *of_leaf in zip(self.placements, *trees[:3], strict=True)
        ]

    def _chosen(self, *trees: Any) -> Any:
        branches: dict[str, Callable[..., Any]] = {}
        later = any(TARGETS[name].prepare is None for name in self.module.kernels)
        shapes = jax.eval_shape(self.portable, *trees) if later else None
        batched = (
            None if self.module.only else self.portable
        )  # who asked for kernels wants no other
        for name in self.module.kernels:
            target = TARGETS[name]
            kernels = functools.partial(self.launched, name, False)
            if target.prepare is None:  # what compiles where it is lowered is traced there
                kernels = functools.partial(deferred, kernels, batched, shapes, target.platform)
            branches[target.platform] = kernels
        return jax.lax.platform_dependent(*trees, **branches, default=self._default(shapes))

    def _default(self, shapes: Any) -> Callable[..., Any]:
        """Returns the function that runs on a platform without kernels."""
        only = TARGETS.get(self.module.only)
        if only is None or only.executor is None or only.prepare is not None:
            return self.portable
        if config.INTERPRET.get():
            return functools.partial(self.launched, only.name, True)
        refuse = functools.partial(_refuse, only.name, only.platform)
        return functools.partial(deferred, refuse, None, shapes, None)


def _refuse(target: str, platform: str, *_: Any) -> Any:
    raise TargetError(
        f"target={target!r} serves computations that are lowered for {platform}, and this one is "
        f"lowered for another platform: leave target='auto', or set OPTGEN_INTERPRET=1 to run the "
        f"kernels in their interpreter"
    )
