"""The state of an optimizer: a count, and a tree for each slot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import jax
from jax import export


class State(tuple[Any, ...]):
    """The values that an optimizer keeps between steps, as a pytree.

    Its fields are ``count``, an int32 scalar that says how many updates there have been, and one
    for each slot of the rule, by the name that the rule gives it: ``state.mu`` is a tree like the
    parameters', with None where a leaf has no such slot, or a scalar for a slot of the whole tree.
    They are the same for all trees of parameters. The names are those of the key paths, so that
    checkpoints hold them; one that was restored without a target, as a dict, is a state again as
    ``State(**restored)``. A function of states that ``jax.export`` has serialized is deserialized
    where ``from optgen import State`` came before.

    It is a named tuple, though the names differ from one optimizer to another: that is how optax's
    ``tree_get`` and ``tree_set``, and Flax's serialization, know what they may look into. Of
    optax's ``tree_map_params(tx, f, state, *rest)`` the trees in ``rest`` have a leaf where a slot
    may be None: pass ``is_leaf=lambda slot: slot is None``.

    Attributes:
      count: int32 scalar, how many updates there have been.
      slots: every other field, by name.
    """

    _fields: tuple[str, ...]

    def __new__(cls, count: Any, **slots: Any) -> State:
        """Makes a state of a count, and a tree for each slot."""
        fields = {"count": count, **slots}
        self = super().__new__(cls, fields.values())
        # In the instance, where they come before tuple's own `count` and `index`.
        self.__dict__.update(fields, _fields=tuple(fields))
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        known = ", ".join(self._fields)
        raise AttributeError(f"this state has no slot {name!r}; it has {known}")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a state is immutable: use state.replace({name}=…)")

    def replace(self, **fields: Any) -> State:
        """A copy with some fields replaced."""
        if unknown := [name for name in fields if name not in self._fields]:
            known = ", ".join(self._fields)
            raise TypeError(f"this state has no slot {unknown[0]!r}; it has {known}")
        return State(**{**self._asdict(), **fields})

    _replace = replace

    @property
    def slots(self) -> Mapping[str, Any]:
        """Every slot but the count, by name."""
        return dict(zip(self._fields[1:], self[1:], strict=True))

    def _asdict(self) -> dict[str, Any]:
        return dict(zip(self._fields, self, strict=True))

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={value!r}" for name, value in self._asdict().items())
        return f"State({inside})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self._asdict(),)


def _restore(fields: dict[str, Any]) -> State:
    return State(**fields)


def _flatten_with_keys(
    state: State,
) -> tuple[tuple[tuple[Any, Any], ...], tuple[str, ...]]:
    keys = map(jax.tree_util.GetAttrKey, state._fields)
    return tuple(zip(keys, state, strict=True)), state._fields


def _flatten(state: State) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    return tuple(state), state._fields


def _unflatten(names: tuple[str, ...], children: Any) -> State:
    return State(**dict(zip(names, children, strict=True)))


jax.tree_util.register_pytree_with_keys(State, _flatten_with_keys, _unflatten, _flatten)
export.register_pytree_node_serialization(
    State,
    serialized_name="optgen.State",
    serialize_auxdata=lambda names: json.dumps(names).encode(),
    deserialize_auxdata=lambda names: tuple(json.loads(bytes(names))),
)
