"""Symbols: what a rule computes with while it is traced."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn, overload

import numpy as np

from optgen.dsl.trace import Trace, current
from optgen.errors import RuleError
from optgen.ir.build import const
from optgen.ir.node import Node
from optgen.ir.types import LEAF

_UNROLLED_POWERS = 16

NO_ARRAY = (
    "a symbol is no array, so functions of NumPy and jax.numpy cannot take it; "
    "use the function of the same name from optgen.dsl"
)
NO_NUMBER = (
    "None is used as a number: a hyperparameter left at None is the plain None, so test it with "
    "'is None' before computing with it"
)


class Shape(Sequence[int]):
    """The shape of a symbol: a tuple that notes what a rule reads of it.

    An emitted kernel serves every leaf for which what was read is the same. So a rule that asks
    only for ``len(p.shape)`` or hands ``p.shape`` to ``dsl.factored_axes`` stays general.
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
        """What ``dsl.factored_axes`` answers for this shape."""
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


def _unsupported(operator: str) -> Callable[..., NoReturn]:
    def method(self: Expr, *_: Any) -> NoReturn:
        raise RuleError(f"the operator {operator} has no meaning in a rule")

    return method


class Expr:
    """A symbolic value of the leaf that is traced. Arithmetic on it builds the program."""

    is_symbol = True
    __array_ufunc__ = None  # NumPy leaves the operators to this class, and refuses its functions

    def __init__(self, trace: Trace, node: Node, symbolic_dtype: str | None = None) -> None:
        self.trace = trace
        self._node = node
        self._symbolic_dtype = symbolic_dtype

    @property
    def node(self) -> Node:
        """The node of the math program."""
        return self._node

    @property
    def shape(self) -> Shape:
        """The shape; axes that were reduced are kept, with extent 1."""
        return Shape(self.trace, self.node.type.axes)

    @property
    def ndim(self) -> int:
        """How many axes the leaf has."""
        return int(self.trace.ask("ndim"))

    @property
    def size(self) -> int:
        """How many elements the value has."""
        if self.node.type.axes == LEAF:
            return int(self.trace.ask("size"))
        return int(np.prod(tuple(self.shape), dtype=np.int64))

    @property
    def dtype(self) -> LeafDType:
        """The dtype that ``g`` or ``p`` is stored in."""
        if self._symbolic_dtype is None:
            raise RuleError(
                "only g and p have a dtype while a rule is traced: everything between them is "
                "computed in float32, or in float64 beside float64 leaves"
            )
        return LeafDType(self.trace, self._symbolic_dtype)

    def __bool__(self) -> NoReturn:
        raise RuleError(
            "a symbol is neither true nor false while the rule is traced, so Python's if, and, "
            "or, not, min and max cannot use it; choose with dsl.where(condition, a, b), join "
            "conditions with & | ~, and use dsl.minimum and dsl.maximum"
        )

    def __iter__(self) -> NoReturn:
        raise RuleError("a symbol cannot be iterated over: write the rule for the whole leaf")

    def __getitem__(self, *_: object) -> NoReturn:
        raise RuleError("a symbol cannot be indexed: write the rule for the whole leaf at once")

    __setitem__ = __getitem__

    def __len__(self) -> NoReturn:
        raise RuleError("a symbol has no length; its .shape, .ndim and .size are known")

    def _no_number(self, *_: object) -> NoReturn:
        raise RuleError(
            "a symbol has no value while the rule is traced, so it is no Python number; "
            "use the functions of optgen.dsl on it"
        )

    __float__ = __int__ = __index__ = __complex__ = __round__ = __floor__ = _no_number

    def _no_array(self, *_: object, **__: object) -> NoReturn:
        raise RuleError(NO_ARRAY)

    __array__ = __jax_array__ = _no_array

    def __add__(self, other: Any) -> Expr:
        return apply("add", self, other)

    def __radd__(self, other: Any) -> Expr:
        return apply("add", other, self)

    def __sub__(self, other: Any) -> Expr:
        return apply("sub", self, other)

    def __rsub__(self, other: Any) -> Expr:
        return apply("sub", other, self)

    def __mul__(self, other: Any) -> Expr:
        return apply("mul", self, other)

    def __rmul__(self, other: Any) -> Expr:
        return apply("mul", other, self)

    def __truediv__(self, other: Any) -> Expr:
        return apply("div", self, other)

    def __rtruediv__(self, other: Any) -> Expr:
        return apply("div", other, self)

    def __pow__(self, other: Any) -> Expr:
        if isinstance(other, numbers.Integral) and abs(int(other)) <= _UNROLLED_POWERS:
            return _integer_power(self, int(other))
        return apply("pow", self, other)

    def __rpow__(self, other: Any) -> Expr:
        return apply("pow", other, self)

    def __neg__(self) -> Expr:
        return apply("neg", self)

    def __pos__(self) -> Expr:
        return self

    def __abs__(self) -> Expr:
        return apply("abs", self)

    def __lt__(self, other: Any) -> Expr:
        return apply("lt", self, other)

    def __le__(self, other: Any) -> Expr:
        return apply("le", self, other)

    def __gt__(self, other: Any) -> Expr:
        return apply("gt", self, other)

    def __ge__(self, other: Any) -> Expr:
        return apply("ge", self, other)

    def __eq__(self, other: Any) -> Expr:  # type: ignore[override]
        return apply("eq", self, other)

    def __ne__(self, other: Any) -> Expr:  # type: ignore[override]
        return apply("ne", self, other)

    __hash__ = object.__hash__

    def __and__(self, other: Any) -> Expr:
        return apply("and", self, other)

    def __rand__(self, other: Any) -> Expr:
        return apply("and", other, self)

    def __or__(self, other: Any) -> Expr:
        return apply("or", self, other)

    def __ror__(self, other: Any) -> Expr:
        return apply("or", other, self)

    def __invert__(self) -> Expr:
        return apply("not", self)

    __matmul__ = __rmatmul__ = _unsupported("@ (matrix products come in a later version)")
    __mod__ = __rmod__ = _unsupported("%")
    __floordiv__ = __rfloordiv__ = _unsupported("// (use dsl.floor(a / b))")
    __xor__ = __rxor__ = _unsupported("^ (use ** for powers)")
    __lshift__ = __rlshift__ = _unsupported("<<")
    __rshift__ = __rrshift__ = _unsupported(">>")

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and name != "trace" and not hasattr(type(self), name):
            raise RuleError(
                f"a symbol has no {name!r} to assign: a slot (dsl.state) has .next, and all other "
                "symbols are plain values"
            )
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        remedy = (
            f"use dsl.{name}(x)"
            if name in {"sum", "mean", "max", "min", "sqrt"}
            else ("symbols have .shape, .ndim, .size and .dtype, slots have .next besides")
        )
        raise RuleError(f"a symbol has no attribute {name!r}; {remedy}")


def _integer_power(x: Expr, exponent: int) -> Expr:
    """Repeated squaring, as ``jax.lax.integer_power`` multiplies."""
    if exponent < 0:
        return apply("div", 1.0, _integer_power(x, -exponent))
    result: Expr | None = None
    square = x
    while exponent:
        if exponent & 1:
            result = square if result is None else apply("mul", result, square)
        exponent >>= 1
        square = apply("mul", square, square) if exponent else square
    return lift(x.trace, 1.0) if result is None else result


def lift(trace: Trace, value: Any) -> Expr:
    """A symbol for a value: itself, or a constant.

    Raises:
      RuleError: for what is neither a symbol of this rule nor a real number.
    """
    if isinstance(value, Expr):
        if value.trace is not trace:
            raise RuleError(
                "this symbol belongs to another rule, or to an earlier tracing of this one: "
                "compute it anew here, and keep nothing symbolic in globals or closures"
            )
        return value
    if isinstance(value, (bool, np.bool_, numbers.Real, np.floating, np.integer)):
        return Expr(trace, const(float(value)))
    if getattr(value, "ndim", None) == 0 and hasattr(value, "dtype"):
        try:
            return Expr(trace, const(float(value)))
        except Exception as error:
            raise RuleError(
                "a traced JAX value cannot be closed over by a rule: make it a keyword-only "
                "argument of the rule (a hyperparameter), and pass it when the rule is called"
            ) from error
    if value is None:
        raise RuleError(NO_NUMBER)
    if hasattr(value, "shape"):
        raise RuleError(
            f"an array of shape {tuple(value.shape)} cannot be part of a rule: only numbers and "
            "symbols can; keep arrays in a slot (dsl.state)"
        )
    raise RuleError(f"{type(value).__name__} {value!r} is neither a number nor a symbol")


def apply(op: str, *args: Any) -> Expr:
    """Applies an elementwise operation to symbols and numbers."""
    trace = current(f"dsl.{op}")
    nodes = [lift(trace, arg).node for arg in args]
    return Expr(trace, trace.build.elementwise(op, *nodes))
