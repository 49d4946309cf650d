"""Operators: the rows of the operations that Python spells with a symbol.

C++ binds arithmetic as Python does, and comparisons and logic otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from optgen.ir.ops import digits
from optgen.ir.ops.row import Op, Operator

_MINUS = Operator("-", 7)


def _arithmetic(
    name: str, symbol: str, precedence: int, meaning: Callable[..., Any], **row: Any
) -> Op:
    operator = Operator(symbol, precedence)
    return Op(
        name=name,
        kind="real",
        arity=2,
        meaning=meaning,
        rounded_once=True,
        operator=operator,
        cpp=operator,
        **row,
    )


def _comparison(name: str, symbol: str, binds: int, meaning: Callable[..., Any]) -> Op:
    return Op(
        name=name,
        kind="compare",
        arity=2,
        meaning=meaning,
        commutative=name in ("eq", "ne"),
        operator=Operator(symbol, 1, chains=False),
        cpp=Operator(symbol, binds, chains=False),
        sympy=name.title(),
        generic=True,
        degree=0,
    )


def _logic(name: str, arity: int, operator: Operator, cpp: Operator) -> Op:
    numpy = f"logical_{name}"
    return Op(
        name=name,
        kind="logic",
        arity=arity,
        meaning=getattr(np, numpy),
        commutative=arity == 2,
        operator=operator,
        number=f"scalar.{numpy}",
        cpp=cpp,
        sympy=name.title(),
        generic=True,
        degree=0,
    )


OPERATORS: tuple[Op, ...] = (
    _arithmetic(
        *("add", "+", 5, np.add), commutative=True, positive="inherited", generic=True, degree=1
    ),
    _arithmetic("sub", "-", 5, np.subtract, generic=True, degree=1),
    _arithmetic("mul", "*", 6, np.multiply, commutative=True, positive="inherited", generic=True),
    _arithmetic(
        *("div", "/", 6, np.divide),
        positive="inherited",
        number="scalar.divide",
        triton="tl.div_rn",
        triton_float64=Operator("/", 6),
        exact=digits.quotient,
    ),
    Op(
        name="pow",
        kind="real",
        arity=2,
        meaning=np.power,
        operator=Operator("**", 9, right=True),
        number="scalar.power",
        cpp="std::pow",
        triton="libdevice.pow",
        sympy="Pow",
        exact=digits.power,
    ),
    Op(
        name="neg",
        kind="real",
        arity=1,
        meaning=np.negative,
        rounded_once=True,
        operator=_MINUS,
        cpp=_MINUS,
        generic=True,
        degree=1,
    ),
    _comparison("lt", "<", 4, np.less),
    _comparison("le", "<=", 4, np.less_equal),
    _comparison("gt", ">", 4, np.greater),
    _comparison("ge", ">=", 4, np.greater_equal),
    _comparison("eq", "==", 3, np.equal),
    _comparison("ne", "!=", 3, np.not_equal),
    _logic("and", 2, Operator("&", 4), Operator("&&", 2)),
    _logic("or", 2, Operator("|", 2), Operator("||", 1)),
    _logic("not", 1, Operator("~", 7), Operator("!", 7)),
)
"""Arithmetic, comparisons and logic."""
