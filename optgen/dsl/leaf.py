"""The shape and the dtype of a leaf, as a rule may read them while it is traced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np

from optgen.dsl.trace import Trace
from optgen.errors import RuleError
from optgen.ir.types import LEAF


class Shape(Sequence[int]):
    """The shape of a symbol: a tuple that notes every question that a rule asks of it.

    An emitted kernel serves every leaf that gives the same answers. So a rule that asks only for
    ``len(p.shape)`` or hands ``p.shape`` to ``dsl.factored_axes`` stays general.
    """

    def __init__(self, trace: Trace, axes: Any) -> None:
        self._trace, self._axes = trace, axes

    def _read(self) -> tuple[int, ...]:
        full: tuple[int, ...] = self._trace.ask("shape")
        if self._axes == LEAF:
            return full
        return tuple(n if a in self._axes else 1 for a, n in enumerate(full))

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[int, ...]: ...
    def __getitem__(self, index: Any) -> Any:
        return self._read()[index]

    def __len__(self) -> int:
        return int(self._trace.ask("ndim"))

    def __iter__(self) -> Iterator[int]:
        return iter(self._read())

    def __eq__(self, other: object) -> bool:
        return self._read() == (tuple(other) if isinstance(other, Sequence) else other)

    def __hash__(self) -> int:
        return hash(self._read())

    def __add__(self, other: Sequence[int]) -> tuple[int, ...]:
        return (*self._read(), *other)

    def __radd__(self, other: Sequence[int]) -> tuple[int, ...]:
        return (*other, *self._read())

    def __repr__(self) -> str:
        return repr(self._read())

    def factored_axes(self, min_dim: int) -> tuple[int, int] | None:
        """The answer of ``dsl.factored_axes`` for this shape."""
        result: tuple[int, int] | None = self._trace.ask("factored_axes", min_dim)
        return result


class LeafDType:
    """The dtype of ``g`` or ``p``: compares like a NumPy dtype, and notes that it was read."""

    def __init__(self, trace: Trace, symbolic: str) -> None:
        self._trace, self.symbolic = trace, symbolic

    @property
    def name(self) -> str:
        """NumPy's name of the dtype."""
        return str(self._trace.ask(f"{self.symbolic}_dtype"))

    @property
    def itemsize(self) -> int:
        """Bytes for each element."""
        return int(np.dtype(self._numpy()).itemsize)

    def _numpy(self) -> np.dtype[Any]:
        import ml_dtypes  # registers bfloat16 with NumPy; comes with jax

        return np.dtype(getattr(ml_dtypes, self.name, self.name))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, LeafDType):
            return self.name == other.name
        try:
            return self._numpy() == np.dtype(other)  # type: ignore[call-overload]
        except TypeError:
            if not isinstance(other, str):
                return False
        raise RuleError(f"{other!r} is no dtype: compare with a name such as 'float32'")

    def __hash__(self) -> int:
        return hash(self._numpy())

    def __repr__(self) -> str:
        return f"dtype({self.name!r})"
