"""Optimizers over whole trees: init, update and the fused step, as optax has them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp

from optgen.errors import TreeError
from optgen.runtime.execution import driver, states
from optgen.runtime.execution.trees import (
    FlatTree,
    match,
    specs,
    spread_mask,
    without_update,
)
from optgen.runtime.vocabulary.leaf import LeafSpec
from optgen.runtime.vocabulary.module import Module, Placement
from optgen.runtime.vocabulary.sequence import Mode
from optgen.runtime.vocabulary.state import State

try:
    from optax import EmptyState
    from optax import GradientTransformationExtraArgs as Base
except ImportError:  # an emitted package needs JAX and this runtime only

    class EmptyState(NamedTuple):  # type: ignore[no-redef]
        """Optax's type of the state of a transformation without one."""

    class Base(NamedTuple):  # type: ignore[no-redef]
        """Optax's type of a gradient transformation."""

        init: Callable[..., Any]
        update: Callable[..., Any]


_REQUIRED = inspect.Parameter.empty

Resolve = Callable[[tuple[LeafSpec, ...]], tuple[Module, tuple[Placement, ...]]]
"""A function from the signatures of a tree's leaves to a module and the leaves' placements."""


class TreeOptimizer:
    """An optimizer over trees.

    Attributes:
      name: the rule's name, for errors.
      hyperparameters: its run-time hyperparameters: numbers, schedules or JAX scalars.
      masks: its masks, by name, as they were given.
      resolve: finds the module for the leaves of a tree.
    """

    def __init__(
        self,
        name: str,
        hyperparameters: Mapping[str, Any],
        masks: Sequence[tuple[str, Any]],
        resolve: Resolve,
    ) -> None:
        self.name, self.hyperparameters = name, hyperparameters
        self.masks, self.resolve = masks, resolve

    def specs(self, params: Any) -> tuple[LeafSpec, ...]:
        """The signatures of the leaves that are trained; gradients are like the parameters."""
        flat = FlatTree(params, "params")
        return self._specs(flat, flat.trained())

    def trained(self, params: Any) -> tuple[list[Any], list[str]]:
        """The leaves that are trained, and their paths."""
        flat = FlatTree(params, "params")
        places = flat.trained()
        return [flat.leaves[i] for i in places], [flat.paths[i] for i in places]

    def _specs(
        self, flat: FlatTree, places: Sequence[int], grads: Sequence[Any] | None = None
    ) -> tuple[LeafSpec, ...]:
        if not places:  # nothing for a mask to be spread over, such as optax's placeholder
            return ()
        spread = [spread_mask(mask, f"{self.name}({name}=…)", flat) for name, mask in self.masks]
        masks = [tuple(mask[i] for i in places) for mask in spread]
        leaves = [flat.leaves[i] for i in places]
        return specs(leaves, leaves if grads is None else grads, masks)

    def _stateless(self, module: Module) -> bool:
        """True where nothing is kept between steps: no slots, and no count that is read."""
        return module.stateless and not any(map(callable, self.hyperparameters.values()))

    def init(self, params: Any) -> Any:
        """The state before the first step; see ``optax.GradientTransformation``."""
        flat = FlatTree(params, "params")
        places = flat.trained()
        leaves = [flat.leaves[i] for i in places]
        module, placements = self.resolve(self._specs(flat, places))
        if self._stateless(module):
            return EmptyState()
        hyperparameters = driver.evaluate_hyperparameters(self.hyperparameters, jnp.int32(0))
        slots, tree_slots = driver.run_init(module, placements, leaves, hyperparameters)
        columns = states.slot_trees(module, flat, places, slots)
        return State(jnp.zeros((), jnp.int32), **columns, **tree_slots)

    def update(
        self, updates: Any, state: State, params: Any = None, **extra_args: Any
    ) -> tuple[Any, State]:
        """Turns gradients into updates to add to the parameters.

        Args:
          updates: the gradients: a tree of floating-point arrays.
          state: from ``init``, or the last step.
          params: the parameters, like the gradients; may be left out by rules that do not read
            them.
          **extra_args: ignored, as optax asks of transformations that take none.

        Returns:
          The updates, in the dtypes that optax gives them, and the next state.

        Raises:
          TreeError: where the trees do not fit each other or the rule.
        """
        del extra_args
        return self._run("update", updates, state, params)

    def step(
        self,
        params: Any,
        state: State,
        *misplaced: Any,
        grads: Any = _REQUIRED,
        donate: bool = False,
        **extra_args: Any,
    ) -> tuple[Any, State]:
        """Updates the parameters; no tree of updates is ever written.

        The update is added at full precision, and rounded once. Arguments stand in the order of
        the results, so that ``jax.jit(tx.step, donate_argnums=(0, 1))`` updates in place.

        Args:
          params: the parameters: a tree of floating-point arrays.
          state: from ``init``, or the last step.
          *misplaced: none; gradients are passed by name alone.
          grads: the gradients, like the parameters.
          donate: True to update parameters and state in place where the call is not traced; their
            arrays are then deleted, as those that ``jax.jit`` is given to keep. Where it is
            traced, the ``donate_argnums`` of the function around it say so.
          **extra_args: ignored.

        Returns:
          The next parameters, in their dtypes, and the next state.

        Raises:
          TreeError: where the trees do not fit each other or the rule, or the gradients are not
            passed by name; it is a ``TypeError``.
        """
        del extra_args
        call = "params, state = tx.step(params, state, grads=grads)"
        if misplaced or grads is _REQUIRED:
            fault = "takes two trees by position" if misplaced else "needs the gradients"
            raise TreeError(f"{self.name}.step {fault}, and the gradients by name: {call}")
        if params is None:
            raise TreeError(f"{self.name}.step updates the parameters, which are None: {call}")
        return self._run("step", grads, state, params, donate)

    def _run(
        self, mode: Mode, gradients: Any, state: Any, params: Any, donate: bool = False
    ) -> tuple[Any, Any]:
        what = "grads" if params is None else "params"
        flat = FlatTree(gradients if params is None else params, what)
        remedy = "Pass gradients as jax.grad returns them for the parameters."
        grads = match(gradients, flat.structure, "grads", what, remedy)
        places = flat.trained_beside(grads)
        active = [grads[i] for i in places]
        module, placements = self.resolve(self._specs(flat, places, active))
        if params is None and module.reads_params(tuple(x.variant for x in placements)):
            raise TreeError(f"{self.name} reads the parameters: call update(grads, state, params)")
        before = states.accepted(self.name, state, self._stateless(module))
        placed = dict(zip(places, placements, strict=True))
        slots = states.LeafSlots(self.name, module, placed, before, flat)
        out, new_slots, tree_slots, count = driver.run_step(
            module,
            placements,
            mode,
            [None if params is None else flat.leaves[i] for i in places],
            slots.trained,
            {name: before.slots[name] for name in module.tree_slots},
            before.count,
            active,
            driver.evaluate_hyperparameters(self.hyperparameters, before.count),
            donate,
        )
        results = flat.leaves if mode == "step" else [without_update(g) for g in grads]
        for i, result in zip(places, out, strict=True):
            results[i] = result
        after = slots.after(count, new_slots, tree_slots) if before is state else state
        return flat.structure.unflatten(results), after


class Transformation(Base):
    """A gradient transformation with a fused ``step`` besides ``init`` and ``update``."""

    trees: TreeOptimizer

    def __new__(cls, trees: TreeOptimizer) -> Transformation:
        """Wraps an optimizer over trees as a pair of functions, as optax has transformations."""
        self = super().__new__(cls, trees.init, trees.update)
        self.trees = trees
        return self

    def step(
        self,
        params: Any,
        state: State,
        *misplaced: Any,
        grads: Any = _REQUIRED,
        donate: bool = False,
        **extra_args: Any,
    ) -> tuple[Any, State]:
        """Updates the parameters in one pass; see ``TreeOptimizer.step``."""
        return self.trees.step(params, state, *misplaced, grads=grads, donate=donate, **extra_args)
