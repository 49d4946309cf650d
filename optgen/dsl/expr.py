"""Symbols: the values that a rule computes with while it is traced."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from optgen.dsl.leaf import LeafDType, Shape
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


def _unsupported(operator: str) -> Callable[..., NoReturn]:
    def method(self: Expr, *_: Any) -> NoReturn:
        raise RuleError(f"the operator {operator} has no meaning in a rule")

    return method


def _operator(op: str) -> Callable[[Expr, Any], Expr]:
    return lambda self, other: apply(op, self, other)


def _reflected(op: str) -> Callable[[Expr, Any], Expr]:
    return lambda self, other: apply(op, other, self)


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
        """The number of axes of the leaf."""
        return int(self.trace.ask("ndim"))

    @property
    def size(self) -> int:
        """The number of elements of the value."""
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

    __add__, __radd__ = _operator("add"), _reflected("add")
    __sub__, __rsub__ = _operator("sub"), _reflected("sub")
    __mul__, __rmul__ = _operator("mul"), _reflected("mul")
    __truediv__, __rtruediv__ = _operator("div"), _reflected("div")
    __rpow__ = _reflected("pow")

    def __pow__(self, other: Any) -> Expr:
        if isinstance(other, numbers.Integral) and abs(int(other)) <= _UNROLLED_POWERS:
            return _integer_power(self, int(other))
        return apply("pow", self, other)

    def __neg__(self) -> Expr:
        return apply("neg", self)

    def __pos__(self) -> Expr:
        return self

    def __abs__(self) -> Expr:
        return apply("abs", self)

    __lt__, __le__ = _operator("lt"), _operator("le")
    __gt__, __ge__ = _operator("gt"), _operator("ge")
    __eq__ = _operator("eq")  # type: ignore[assignment]
    __ne__ = _operator("ne")  # type: ignore[assignment]
    __hash__ = object.__hash__

    __and__, __rand__ = _operator("and"), _reflected("and")
    __or__, __ror__ = _operator("or"), _reflected("or")

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
      RuleError: for a value that is neither a symbol of this rule nor a real number.
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
