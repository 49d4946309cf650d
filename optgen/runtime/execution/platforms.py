"""Runs leaf programs through the kernels of the place that a computation is lowered for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax

from optgen import config
from optgen.errors import TargetError
from optgen.runtime.execution import primitive
from optgen.runtime.execution.launching import Launching
from optgen.runtime.execution.leaves import Execution, Leaf, Portable, place, result_dtype
from optgen.runtime.execution.primitive import Place
from optgen.runtime.execution.target import Executor, Target
from optgen.runtime.execution.targets import TARGETS, say_once
from optgen.runtime.vocabulary.launches import why_left_to_xla
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
        leaves = self._leaves(trees)
        if any(self._has_kernels(name, leaves) for name in self.module.kernels):
            return primitive.call(self, *trees)
        return self.portable(*trees)

    def _has_kernels(self, name: str, leaves: Sequence[Leaf]) -> bool:
        """True where a target has kernels for some leaf; for an update of one sweep none has."""
        placed = place(self.module, name, leaves, self.mode)
        return any(not why_left_to_xla(leaf) for leaf in placed)

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

    @property
    def sequential(self) -> bool:
        """True where a batch of steps runs one after another: kernels were asked for by name."""
        return bool(self.module.only)

    @property
    def interpreted(self) -> bool:
        """See ``primitive.Programs``."""
        return _is_interpreted(TARGETS.get(self.module.only))

    def types(self, *trees: Any) -> Any:
        """See ``primitive.Programs``."""
        leaves = self._leaves(trees)
        likes = [leaf.p if self.mode == "step" else leaf.g for leaf in leaves]
        results = [
            like.update(dtype=result_dtype(leaf, self.mode))
            for like, leaf in zip(likes, leaves, strict=True)
        ]
        tree = {name: trees[3][name] for name in self.module.tree_slots}
        types = results, [leaf.slots for leaf in leaves], tree
        return jax.tree.map(lambda x: x.update(weak_type=False) if x.weak_type else x, types)

    def at(self, place: Place) -> Callable[..., Any]:
        """See ``primitive.Programs``.

        Raises:
          TargetError: where a target that was asked for by name cannot serve there.
        """
        named = TARGETS.get(self.module.only)
        targets = [TARGETS[name] for name in self.module.kernels]
        target = next((t for t in targets if t.platform == place.platform), None)
        interpreted = target is None and _is_interpreted(named)
        target = named if interpreted else target
        if target is None:
            if named is not None:
                raise TargetError(_for_another_platform(named))
            return self.portable
        reason = _why_not(target, place)
        if not reason:
            return functools.partial(self.launched, target.name, interpreted)
        if named is not None:
            raise TargetError(
                f"the {named.name} target cannot serve: {reason}; with target='auto' jnp computes "
                "the same"
            )
        say_once(target.name, reason)
        return self.portable


def _is_interpreted(target: Target | None) -> bool:
    """True where the kernels of a target run in their interpreter on other platforms."""
    return target is not None and target.prepare is None and bool(config.INTERPRET.get())


def _for_another_platform(target: Target) -> str:
    interpreter = ""
    if target.prepare is None:
        interpreter = ", or set OPTGEN_INTERPRET=1 to run the kernels in their interpreter"
    return (
        f"target={target.name!r} serves computations that are lowered for {target.platform}, and "
        f"this one is lowered for another platform: leave target='auto'{interpreter}"
    )


def _why_not(target: Target, place: Place) -> str:
    """The reason for which kernels cannot serve at a place; empty where they can."""
    if not place.whole:
        return (
            "the computation is lowered for several devices at once, which may have a shard of an "
            "array each, and kernels take whole arrays: call update or step inside jax.shard_map, "
            "with in_specs and out_specs for the parameters, the state and the gradients"
        )
    if place.exported and target.prepare is not None:
        return (
            "its kernels are compiled and loaded by the process that runs them, and one that runs "
            "an exported computation never has them"
        )
    return ""
