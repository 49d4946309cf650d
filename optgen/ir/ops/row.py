"""The row of an operation: its meaning, its spellings, and its error bounds.

A spelling is an ``Operator``, the name of a function, or, where it holds a ``{``, a template of
``str.format`` in which ``{0}`` is the first argument. A template binds as tightly as a call: it
brings its own parentheses, around an argument that needs them too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

ELEMENTWISE_KINDS = frozenset({"real", "compare", "logic", "select", "test"})
"""The kinds whose value at an index depends on the arguments at that index only."""


@dataclass(frozen=True, slots=True)
class Operator:
    """An infix or prefix operator: its spelling, and how tightly it binds.

    Attributes:
      symbol: the spelling.
      precedence: larger binds more tightly.
      right: True where ``a ** b ** c`` is ``a ** (b ** c)``.
      chains: True where ``a + b + c`` is ``(a + b) + c``; comparisons mean something else.
    """

    symbol: str
    precedence: int
    right: bool = False
    chains: bool = True


Spelling: TypeAlias = Operator | str


@dataclass(frozen=True, slots=True)
class Jump:
    """A place where a function jumps, for its error bound.

    Attributes:
      edge: a NumPy function that is 0 where the function jumps.
      size: the height of the jump.
      most: the largest error that the function can ever have.
    """

    edge: Callable[[Any], Any]
    size: float
    most: float = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """An operation. An entry that a row leaves out has the default that is named here.

    Attributes:
      name: its name in programs, in their text, and in ``optgen.dsl``.
      kind: ``input``, ``real``, ``compare``, ``logic``, ``select``, ``test``, ``move``,
        ``reduce``, ``tree`` or ``effect``.
      arity: the number of arguments.
      attribute: the kind of attribute of its nodes: ``number``, ``name``, ``axes`` or nothing.
      meaning: the NumPy function of the arguments, for the elementwise kinds.
      commutative: True where swapping the arguments gives the same bits.
      rounded_once: True where NumPy's float32 is correctly rounded on every machine; the other
        operations are evaluated in float64 and rounded.
      positive: ``always`` where the sign bit of the result is never set, but perhaps for NaN;
        ``inherited`` where this holds if it holds for all arguments.
      arguments: the arguments of its function in ``optgen.dsl``, such as ``"y, x"``; nothing
        where it has no function there.
      about: the value that this function returns, in a phrase.
      operator: Python's operator, which ``jnp`` and Triton have too.
      numpy: the name in ``numpy`` and ``jax.numpy``; ``name``.
      jnp: the spelling in ``jax.numpy``; the operator, or ``jnp.NUMPY``.
      number: the spelling for Python numbers, where operators may raise; the operator, or
        ``scalar.NUMPY`` of ``optgen.runtime.execution``.
      cpp: the spelling in C++; ``std::NAME``.
      triton: the spelling in Triton; the operator, or ``libdevice.NAME``.
      triton_float64: the same for float64, where it differs.
      mosaic: the function of ``optgen.runtime.execution.tpu.functions`` that stands for it on
        TPUs; the spelling in ``jax.numpy``.
      sympy: the name of its form in ``optgen.emit.symbolic``, ``optgen.emit.functions`` or
        ``sympy``, or an expression of ``arguments``; a function with its name that SymPy leaves
        alone.
      generic: True where ``meaning`` takes arrays of mpmath numbers too.
      exact: its value at 50 digits, given ``mpmath`` and the arguments; the function of mpmath
        with its name, where ``generic`` does not hold. A result that is not real, or that raises
        ZeroDivisionError, is NaN.
      slopes: the derivatives by each argument, NumPy functions of all arguments, for the error
        bound; differences of ``meaning``, where there are none.
      units: the error that targets may make, in units of roundoff.
      jump: the place at which the function jumps, if there is one.
      degree: d where f(c x, c y) = c**d f(x, y) for every c > 0; None where there is none.
      at_most: a bound on its magnitude, whatever its arguments are.
    """

    name: str
    kind: str
    arity: int
    attribute: str = ""
    meaning: Callable[..., Any] | None = None
    commutative: bool = False
    rounded_once: bool = False
    positive: str = ""
    arguments: str = ""
    about: str = ""
    operator: Operator | None = None
    numpy: str = ""
    jnp: str = ""
    number: str = ""
    cpp: Spelling = ""
    triton: Spelling = ""
    triton_float64: Spelling = ""
    mosaic: str = ""
    sympy: str = ""
    generic: bool = False
    exact: Callable[..., Any] | None = None
    slopes: tuple[Callable[..., Any], ...] = ()
    units: float = 4.0
    jump: Jump | None = None
    degree: float | None = None
    at_most: float | None = None

    @property
    def is_elementwise(self) -> bool:
        """True where the operation is a function of each element alone."""
        return self.kind in ELEMENTWISE_KINDS

    def in_jnp(self) -> Spelling:
        """The spelling in ``jax.numpy``."""
        return self.operator or self.jnp or f"jnp.{self.numpy or self.name}"

    def of_numbers(self) -> Spelling:
        """The spelling for Python numbers."""
        return self.number or self.operator or f"scalar.{self.numpy or self.name}"

    def in_cpp(self) -> Spelling:
        """The spelling in C++."""
        return self.cpp or f"std::{self.name}"

    def in_triton(self, real: str) -> Spelling:
        """The spelling in Triton, where arithmetic runs in ``real``."""
        own = self.triton_float64 if real == "float64" else ""
        return own or self.triton or self.operator or f"libdevice.{self.name}"

    def in_mosaic(self) -> Spelling:
        """The spelling in Pallas kernels for TPUs."""
        return self.mosaic or self.in_jnp()


def call(spelling: str, args: Sequence[str]) -> str:
    """A function or a template applied to arguments, as text."""
    return spelling.format(*args) if "{" in spelling else f"{spelling}({', '.join(args)})"
