"""Optimizers over whole trees: init, update and the fused step, as optax has them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from optgen.errors import TreeError
from optgen.runtime.execution import driver, trees
from optgen.runtime.vocabulary.leaf import LeafSpec
from optgen.runtime.vocabulary.module import Module, Placement
from optgen.runtime.vocabulary.sequence import Mode
from optgen.runtime.vocabulary.state import State

try:
    from optax import GradientTransformationExtraArgs as Base
except ImportError:  # an emitted package needs JAX and this runtime only

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

    def specs(self, params: Any, grads: Sequence[Any] | None = None) -> tuple[LeafSpec, ...]:
        """The signatures of a tree's leaves; gradients are like the parameters by default."""
        leaves, structure, _ = trees.flatten(params, "params")
        return self._specs(params, structure, leaves, leaves if grads is None else grads)

    def _specs(
        self, tree: Any, structure: Any, params: Sequence[Any], grads: Sequence[Any]
    ) -> tuple[LeafSpec, ...]:
        if not params:  # nothing for a mask to be spread over, such as optax's placeholder
            return ()
        spread = [
            trees.spread_mask(mask, f"{self.name}({name}=…)", tree, structure, len(params))
            for name, mask in self.masks
        ]
        return trees.specs(params, grads, spread)

    def init(self, params: Any) -> State:
        """The state before the first step; see ``optax.GradientTransformation``."""
        leaves, structure, _ = trees.flatten(params, "params")
        module, placements = self.resolve(self._specs(params, structure, leaves, leaves))
        hyperparameters = driver.evaluate_hyperparameters(self.hyperparameters, jnp.int32(0))
        slots, tree_slots = driver.run_init(module, placements, leaves, hyperparameters)
        return State(
            jnp.zeros((), jnp.int32), **_slot_trees(module, structure, slots), **tree_slots
        )

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
        self, mode: Mode, gradients: Any, state: State, params: Any, donate: bool = False
    ) -> tuple[Any, State]:
        tree, what = (gradients, "grads") if params is None else (params, "params")
        leaves, structure, paths = trees.flatten(tree, what)
        remedy = "Pass gradients as jax.grad returns them for the parameters."
        grads = trees.match(gradients, structure, "grads", what, remedy)
        active = [i for i, g in enumerate(grads) if not _is_absent(g)]
        for i in active:
            trees.check_leaf(grads[i], f"grads at {paths[i]}")
            trees.same_shape(grads[i], leaves[i], paths[i], "grads", what)
        present = [leaves[i] if _is_absent(g) else g for i, g in enumerate(grads)]
        module, placements = self.resolve(self._specs(tree, structure, leaves, present))
        if params is None and module.reads_params(tuple(x.variant for x in placements)):
            raise TreeError(f"{self.name} reads the parameters: call update(grads, state, params)")
        slots = self._slots(module, placements, state, structure, leaves, paths, what)
        hyperparameters = driver.evaluate_hyperparameters(self.hyperparameters, state.count)
        out, new_slots, tree_slots, count = driver.run_step(
            module,
            tuple(placements[i] for i in active),
            mode,
            [None if params is None else leaves[i] for i in active],
            [slots[i] for i in active],
            {name: getattr(state, name) for name in module.tree_slots},
            state.count,
            [grads[i] for i in active],
            hyperparameters,
            donate,
        )
        results = list(leaves if mode == "step" else grads)
        for position, i in enumerate(active):
            results[i], slots[i] = out[position], new_slots[position]
        new_state = State(count, **_slot_trees(module, structure, slots), **tree_slots)
        return structure.unflatten(results), new_state

    def _slots(
        self,
        module: Module,
        placements: tuple[Placement, ...],
        state: Any,
        structure: Any,
        leaves: Sequence[Any],
        paths: Sequence[str],
        like: str,
    ) -> list[dict[str, Any]]:
        """Each leaf's slots, checked against the slots of its variant."""
        expected = {*module.slots, *module.tree_slots}
        if not isinstance(state, State):
            raise TreeError(
                f"the state is {type(state).__name__}, not a state of {self.name}: "
                "pass what init or the last step returned"
            )
        used = {name for placed in placements for name in module.variants[placed.variant].slots}
        absent = expected - set(state.slots) - used - {*module.tree_slots}
        if {*state.slots, *absent} != expected:
            raise TreeError(
                f"the state is of another optimizer or another tree: it has the slots "
                f"{_listed(state.slots)}, and {self.name} keeps {_listed(expected)} for these "
                "parameters; make a new one with init(params)"
            )
        remedy = "The state is of other parameters: make a new one with init(params)."
        if like == "grads":
            remedy = "Where a gradient is None, pass the parameters: update(grads, state, params)."
        columns = {
            name: [None] * len(leaves)
            if name in absent
            else trees.match(getattr(state, name), structure, f"state.{name}", like, remedy)
            for name in module.slots
        }
        slots: list[dict[str, Any]] = []
        for i, leaf in enumerate(leaves):
            variant, groups = placements[i]
            declared = module.variants[variant].slots
            slots.append({name: columns[name][i] for name in declared})
            for name, slot in declared.items():
                shape = slot.shape(tuple(leaf.shape), groups)
                if _is_absent(columns[name][i]) or tuple(columns[name][i].shape) != shape:
                    actual = getattr(columns[name][i], "shape", None)
                    raise TreeError(
                        f"state.{name} at {paths[i]} has shape {actual}, and {self.name} keeps one "
                        f"of shape {shape} there: the state is of other parameters; make a new "
                        "one with init(params)"
                    )
        return slots


def _is_absent(leaf: Any) -> bool:
    """True where there is no array: None, or optax's ``MaskedNode``."""
    return leaf is None or (isinstance(leaf, tuple) and not jax.tree.leaves(leaf))


def _listed(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"


def _slot_trees(
    module: Module, structure: Any, slots: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    return {name: structure.unflatten([leaf.get(name) for leaf in slots]) for name in module.slots}


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
