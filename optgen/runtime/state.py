"""The state of an optimizer: a count, and a tree for each slot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jax


class State:
    """What an optimizer keeps between steps, as a pytree.

    Attributes:
      count: int32 scalar, how many updates there have been.

    Every other slot is read as an attribute too: ``state.mu`` is a tree like the parameters',
    with None where a leaf has no such slot, or a scalar for a slot of the whole tree. The names
    are those of the key paths, so that checkpoints hold them.
    """

    __slots__ = ("_fields",)

    _fields: dict[str, Any]

    def __init__(self, count: Any, **slots: Any) -> None:
        object.__setattr__(self, "_fields", {"count": count, **slots})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_fields":
            raise AttributeError(name)
        try:
            return self._fields[name]
        except KeyError:
            known = ", ".join(self._fields)
            raise AttributeError(f"this state has no slot {name!r}; it has {known}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a state is immutable: use state.replace({name}=…)")

    def replace(self, **fields: Any) -> State:
        """A copy with some fields replaced."""
        if unknown := [name for name in fields if name not in self._fields]:
            known = ", ".join(self._fields)
            raise TypeError(f"this state has no slot {unknown[0]!r}; it has {known}")
        return State(**{**self._fields, **fields})

    @property
    def slots(self) -> Mapping[str, Any]:
        """Every slot but the count, by name."""
        return {name: value for name, value in self._fields.items() if name != "count"}

    def _asdict(self) -> dict[str, Any]:
        return dict(self._fields)

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._fields]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, State) and self._fields == other._fields

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={value!r}" for name, value in self._fields.items())
        return f"State({inside})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self._fields,)


def _restore(fields: dict[str, Any]) -> State:
    return State(**fields)


def _flatten_with_keys(
    state: State,
) -> tuple[tuple[tuple[Any, Any], ...], tuple[str, ...]]:
    children = tuple((jax.tree_util.GetAttrKey(k), v) for k, v in state._fields.items())
    return children, tuple(state._fields)


def _flatten(state: State) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    return tuple(state._fields.values()), tuple(state._fields)


def _unflatten(names: tuple[str, ...], children: Any) -> State:
    return State(**dict(zip(names, children, strict=True)))


jax.tree_util.register_pytree_with_keys(State, _flatten_with_keys, _unflatten, _flatten)
