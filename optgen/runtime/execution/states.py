"""States beside the trees that they are used with: accepted, checked, and cut into leaves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from optgen.errors import TreeError
from optgen.runtime.execution.notice import warn
from optgen.runtime.execution.trees import FlatTree, is_absent, match
from optgen.runtime.vocabulary.hyper import FLOATS
from optgen.runtime.vocabulary.module import Module, Placement
from optgen.runtime.vocabulary.state import State

_ANEW = "the state is of other parameters; make a new one with init(params)"


def accepted(name: str, state: Any, stateless: bool) -> State:
    """The state of an optimizer; for an empty state, one that begins.

    Args:
      name: the optimizer's name, for errors.
      state: what was passed for the state.
      stateless: True where nothing is kept between steps, so that an empty state will do.

    Raises:
      TreeError: for anything but a state.
    """
    if isinstance(state, State):
        return state
    if stateless and not jax.tree.leaves(state):
        return State(np.int32(0))
    remedy = "pass what init or the last step returned"
    if isinstance(state, Mapping) and "count" in state:
        remedy = (
            "a checkpoint restored without a target is one: pass optgen.State(**state), or "
            "restore it into jax.eval_shape(tx.init, params)"
        )
    raise TreeError(f"the state is a {type(state).__name__}, not a state of {name}: {remedy}")


class LeafSlots:
    """The slots of a state, leaf by leaf.

    Attributes:
      trained: the slots of each leaf that is trained, by name.
    """

    def __init__(
        self,
        name: str,
        module: Module,
        placements: Mapping[int, Placement],
        state: State,
        flat: FlatTree,
    ) -> None:
        """Takes a state apart.

        Args:
          name: the optimizer's name, for errors.
          module: what serves the leaves.
          placements: the placement of each leaf that is trained, by its place in the tree.
          state: the state; it may lack slots that none of these leaves has, and have others of
            leaves that are not trained now.
          flat: the parameters, or the gradients that stand for them.

        Raises:
          TreeError: where the state is of another optimizer, or of another tree.
        """
        self.name, self.module, self.flat, self.placements = name, module, flat, placements
        self._state = state
        self._check_names()
        absent: list[Any] = [None] * len(flat.leaves)
        self._columns = {
            slot: self._column(slot) if slot in state.slots else absent for slot in module.slots
        }
        self._carries = self._check_carried()
        self._casts: dict[str, str] = {}
        self.trained = [self._of_leaf(i) for i in placements]
        if self._casts:
            warn(
                f"{', '.join(self._casts.values())}: the state was made for other settings of "
                f"{name}, or restored as another dtype, and is cast to those of this one",
            )

    def after(
        self, count: Any, slots: Iterable[Mapping[str, Any]], tree_slots: Mapping[str, Any]
    ) -> State:
        """The next state.

        Args:
          count: the next count.
          slots: the next slots of the leaves that are trained.
          tree_slots: the next slots of the whole tree.
        """
        columns = {name: list(column) for name, column in self._columns.items()}
        for i, own in zip(self.placements, slots, strict=True):
            for name, column in columns.items():
                column[i] = own.get(name)
        trees = {name: self.flat.structure.unflatten(column) for name, column in columns.items()}
        fields = {**trees, **tree_slots}
        if self._carries:  # in the order of the state that they are carried from
            fields = {**self._state.slots, **fields}
        return State(count, **fields)

    def _column(self, slot: str) -> list[Any]:
        """A slot of every leaf."""
        remedy = "The state is of other parameters: make a new one with init(params)."
        if self.flat.what == "grads":
            remedy = "Where a gradient is None, pass the parameters: update(grads, state, params)."
        tree = self._state.slots[slot]
        return match(tree, self.flat.structure, f"state.{slot}", self.flat.what, remedy)

    def _check_names(self) -> None:
        used = {placement.variant for placement in self.placements.values()}
        needed = {name for i in used for name in self.module.variants[i].slots}
        if not needed | {*self.module.tree_slots} <= set(self._state.slots):
            raise self._of_another()

    def _of_another(self) -> TreeError:
        expected = {*self.module.slots, *self.module.tree_slots}
        return TreeError(
            f"the state is of another optimizer or another tree: it has the slots "
            f"{_listed(self._state.slots)}, and {self.name} keeps {_listed(expected)} for these "
            "parameters; make a new one with init(params)"
        )

    def _check_carried(self) -> bool:
        """True where the state has slots that only other leaves than the trained ones may have.

        Raises:
          TreeError: where it has one for a leaf that is trained.
        """
        carried = set(self._state.slots) - {*self.module.slots, *self.module.tree_slots}
        for name in carried:
            entries = self._column(name)
            if not all(is_absent(entries[i]) for i in self.placements):
                raise self._of_another()
        return bool(carried)

    def _of_leaf(self, i: int) -> dict[str, Any]:
        variant, groups = self.placements[i]
        declared = self.module.variants[variant].slots
        slots = {name: self._columns[name][i] for name in declared}
        for name, slot in declared.items():
            shape = slot.shape(tuple(self.flat.leaves[i].shape), groups)
            if is_absent(slots[name]) or tuple(jnp.shape(slots[name])) != shape:
                raise TreeError(
                    f"state.{name} at {self.flat.paths[i]} has shape "
                    f"{getattr(slots[name], 'shape', None)}, and {self.name} keeps one of shape "
                    f"{shape} there: {_ANEW}"
                )
            if slot.dtype in FLOATS:
                slots[name] = self._cast(name, slots[name], slot.dtype)
        return slots

    def _cast(self, name: str, array: Any, declared: str) -> Any:
        """The array in the dtype that was asked for by name."""
        dtype = jax.dtypes.canonicalize_dtype(declared)
        if array.dtype == dtype:
            return array
        self._casts.setdefault(name, f"state.{name} is {array.dtype}, and not {dtype}")
        return array.astype(dtype)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def slot_trees(
    module: Module, flat: FlatTree, places: Sequence[int], slots: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The trees of a state, given the slots of the leaves at some places of the parameters."""
    by_place = dict(zip(places, slots, strict=True))
    everywhere = [by_place.get(i, {}) for i in range(len(flat.leaves))]
    return {
        name: flat.structure.unflatten([own.get(name) for own in everywhere])
        for name in module.slots
    }
