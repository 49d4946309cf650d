"""The implementations that are measured, optgen's for a target and optax's, step by step.

An implementation takes a step with the gradients that it gets, and returns the arrays that the
step began from, which go to the oracle, beside those that came out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import numpy as np

from optgen.ir.program import Program
from optgen.tools.verify.exact import format_of

Array: TypeAlias = np.ndarray[Any, Any]
Tree: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step: the arrays before it, and the arrays that came out.

    Attributes:
      leaves: for each leaf the arrays before the step, ``g``, ``p`` and the slots.
      tree: the slots of the whole tree before it.
      outputs: for each output (``params``, ``updates``, a slot) and each leaf the arrays that came
        out of it, one for each way of asking; for a slot of the whole tree at the first leaf.
    """

    leaves: Sequence[Mapping[str, Any]]
    tree: Mapping[str, Any]
    outputs: Mapping[str, Sequence[Sequence[Array]]]


@dataclass(frozen=True, slots=True)
class Slots:
    """The slots of a tree's programs, by name.

    Attributes:
      leaf: those of leaves, and which leaves have them.
      tree: those of the whole tree.
    """

    leaf: Mapping[str, frozenset[int]]
    tree: tuple[str, ...]

    @classmethod
    def of(cls, programs: Sequence[Program]) -> Slots:
        """The slots that programs read or write."""
        leaf: dict[str, set[int]] = {}
        tree: dict[str, None] = {}
        for i, program in enumerate(programs):
            for n in program.nodes():
                if n.op in ("load", "store") and n.attr not in ("g", "p", "update"):
                    leaf.setdefault(n.attr, set()).add(i)
                elif n.op in ("tree_load", "tree_store"):
                    tree[n.attr] = None
        return cls({name: frozenset(owners) for name, owners in leaf.items()}, tuple(tree))


class Implementation:
    """Steps on a tree, from parameters and state of its own.

    Attributes:
      params: the tree of parameters, a dictionary of arrays.
      state: the optimizer's state.
      slots: the slots of the rule's programs.
    """

    def __init__(self, params: Tree, state: Any, slots: Slots) -> None:
        self.params, self.state, self.slots = params, state, slots
        self.structure: Any = jax.tree.structure(params)

    def take(self, grads: Tree) -> StepRecord:
        """Takes one step."""
        before = self.slot_arrays()
        columns = [self.structure.flatten_up_to(tree) for tree in (grads, self.params)]
        leaves = [{"g": g, "p": p} for g, p in zip(*columns, strict=True)]
        for name, owners in self.slots.leaf.items():
            for i in owners:
                leaves[i][name] = before[name][i]
        tree = {name: before[name][0] for name in self.slots.tree}
        return StepRecord(_numpy(leaves), _numpy(tree), self.advance(grads))

    def advance(self, grads: Tree) -> Mapping[str, Sequence[Sequence[Array]]]:
        """Takes the step; see ``StepRecord.outputs``."""
        raise NotImplementedError

    def slot_arrays(self) -> dict[str, dict[int, Any]]:
        """The arrays of each slot by the number of their leaf; of the whole tree's, at 0."""
        raise NotImplementedError

    def outputs(self, params: Tree, updates: Tree | None) -> dict[str, list[list[Array]]]:
        """The outputs of a step: these trees, and the slots of the present state."""
        columns = {"params": [[x] for x in self.structure.flatten_up_to(params)]}
        if updates is not None:
            columns["updates"] = [[x] for x in self.structure.flatten_up_to(updates)]
        for name, arrays in self.slot_arrays().items():
            columns[name] = [[arrays[i]] if i in arrays else [] for i in range(max(arrays) + 1)]
        return {name: _numpy(leaves) for name, leaves in columns.items()}


def _numpy(tree: Any) -> Any:
    return jax.tree.map(np.asarray, tree)


class OptgenImplementation(Implementation):
    """An optimizer of optgen, by ``update`` and by ``step``, from the same state."""

    def __init__(self, optimizer: Any, params: Tree, slots: Slots) -> None:
        super().__init__(params, optimizer.init(params), slots)
        self._update, self._step = jax.jit(optimizer.update), jax.jit(optimizer.step)

    def advance(self, grads: Tree) -> Mapping[str, Sequence[Sequence[Array]]]:
        """Goes on from the results of ``step``."""
        before = self.state
        updates, self.state = self._update(grads, before, self.params)
        outputs = self.outputs(self.params, updates)
        del outputs["params"]
        self.params, self.state = self._step(self.params, before, grads=grads)
        for name, leaves in self.outputs(self.params, None).items():
            earlier = outputs.get(name, [[] for _ in leaves])
            outputs[name] = [a + b for a, b in zip(earlier, leaves, strict=True)]
        return outputs

    def shapes_of_updates(self) -> Any:
        """The shapes and dtypes of the updates, given gradients in the dtypes of parameters."""
        return jax.eval_shape(self._update, self.params, self.state, self.params)[0]

    def slot_arrays(self) -> dict[str, dict[int, Any]]:
        """The arrays of ``state.mu`` and the like."""
        slots = {
            name: {i: x for i, x in enumerate(self.structure.flatten_up_to(tree)) if i in owners}
            for name, owners in self.slots.leaf.items()
            for tree in [getattr(self.state, name)]
        }
        return slots | {name: {0: getattr(self.state, name)} for name in self.slots.tree}


class OptaxImplementation(Implementation):
    """A transformation of optax: its updates, and the parameters by ``optax.apply_updates``.

    A slot that optax keeps in a narrower dtype than the rule counts as one of the rule's dtype,
    and so does an update, so that the errors of both are in the same units.

    Attributes:
      coarsest: the largest unit roundoff of all the arrays in its state and of the parameters.

    Raises:
      LookupError: if its state has no place that corresponds to some slot of the rule.
    """

    def __init__(self, transformation: Any, params: Tree, like: OptgenImplementation) -> None:
        import optax

        super().__init__(params, transformation.init(params), like.slots)
        self._like = {
            name: {i: jax.typeof(x) for i, x in arrays.items()}
            for name, arrays in like.slot_arrays().items()
        }
        self._like_updates = like.shapes_of_updates()
        self.coarsest = max(
            format_of(x.dtype).unit_roundoff
            for x in jax.tree.leaves((self.params, self.state))
            if jax.numpy.issubdtype(x.dtype, jax.numpy.floating)
        )

        def both(grads: Any, state: Any, params: Any) -> Any:
            updates, state = transformation.update(grads, state, params)
            return updates, state, optax.apply_updates(params, updates)

        self._both = jax.jit(both)
        self.slot_arrays()

    def advance(self, grads: Tree) -> Mapping[str, Sequence[Sequence[Array]]]:
        """One compiled function of all that optax does in a step."""
        updates, self.state, self.params = self._both(grads, self.state, self.params)
        widened = jax.tree.map(_widened, updates, self._like_updates, is_leaf=lambda x: x is None)
        return self.outputs(self.params, widened)

    def slot_arrays(self) -> dict[str, dict[int, Any]]:
        """The arrays of optax's state that correspond to the slots."""
        fields = list(_fields(self.state))
        return {name: self._find(name, like, fields) for name, like in self._like.items()}

    def _find(
        self, name: str, like: Mapping[int, Any], fields: list[tuple[str, Any]]
    ) -> dict[int, Any]:
        """The arrays of a slot: of the field of its name, or of which its name is the longer."""
        for field, value in sorted(fields, key=lambda f: -len(f[0])):
            if name == field or name.endswith(f"_{field}"):
                arrays = self._arrays(value, like, name in self.slots.tree)
                if arrays is not None:
                    return arrays
        raise LookupError(f"nothing in optax's state corresponds to the slot {name!r}")

    def _arrays(
        self, value: Any, like: Mapping[int, Any], is_scalar: bool
    ) -> dict[int, Any] | None:
        """The field's array for each leaf that has the slot; None if one does not fit."""
        try:
            column = [value] if is_scalar else self.structure.flatten_up_to(value)
        except ValueError:
            return None
        if any(getattr(column[i], "size", -1) != x.size for i, x in like.items()):
            return None
        return {i: _widened(column[i].reshape(x.shape), x) for i, x in like.items()}


def _widened(array: Any, like: Any) -> Any:
    """The array, in another's dtype if that is wider."""
    if array is None:
        return None
    return array.astype(jax.numpy.promote_types(array.dtype, like.dtype))


def _fields(state: Any) -> Iterator[tuple[str, Any]]:
    """Every named field in a state of optax, however deep."""
    if hasattr(state, "_fields"):
        for field in state._fields:
            yield field, getattr(state, field)
    if isinstance(state, (tuple, list)):
        for part in state:
            yield from _fields(part)
    elif isinstance(state, dict):
        for part in state.values():
            yield from _fields(part)
