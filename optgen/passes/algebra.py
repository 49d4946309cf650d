"""Algebraic identities, as a table: pattern, replacement, identity.

An ``EXACT`` identity gives the same floating-point result for every input: negative zero,
infinities and NaN included (all NaNs count as one). A test holds each of them to that, bit for
bit. Identities of real numbers only are not here: ``x + 0 = x`` fails for -0, ``x - x = 0`` for
inf, ``not (x < y) = (x >= y)`` for NaN, ``(x + y) - x = y`` for nearly everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from optgen.ir.node import Node
from optgen.ir.ops import OPS
from optgen.ir.pattern import Bindings, Rewrite, Rewriter
from optgen.ir.program import Program
from optgen.ir.types import BOOL, GRAD, PARAM, REAL

_HELD_BY = {
    REAL: {PARAM, GRAD, "float16", "bfloat16", "float32", BOOL},
    "float64": {PARAM, GRAD, REAL, "float16", "bfloat16", "float32", BOOL},
    "float32": {"float16", "bfloat16", BOOL},
    "float16": {BOOL},
    "bfloat16": {BOOL},
}
"""The dtypes all of whose values each dtype can hold. ``real`` may be float32: no float64."""


def _round_trip(root: Node, bound: Bindings) -> bool:
    wide, x = root.args[0].type.dtype, bound["x"].type.dtype
    return root.type.dtype == x and x in _HELD_BY.get(wide, ())


def _is_truth(root: Node, bound: Bindings) -> bool:
    return bound["x"].type.dtype == BOOL


def _never_minus_zero(root: Node, bound: Bindings) -> bool:
    return _positive(bound["x"])


_is_positive: WeakKeyDictionary[Node, bool] = WeakKeyDictionary()
"""A cache of ``_positive``: nodes are immutable, and rewrites ask for the same ones again."""


def _positive(x: Node) -> bool:
    """True where the sign bit of ``x`` is never set, but perhaps for NaN."""
    stack = [x]
    while stack:
        n = stack.pop()
        if n in _is_positive:
            continue
        args = _decisive(n)
        if unknown := [arg for arg in args if arg not in _is_positive]:
            stack += [n, *unknown]
        elif args:
            _is_positive[n] = all(_is_positive[arg] for arg in args)
        else:
            _is_positive[n] = _positive_by_itself(n)
    return _is_positive[x]


def _positive_by_itself(n: Node) -> bool:
    if n.op == "const":
        return bool(n.attr > 0)
    if n.op == "cast":
        return n.args[0].type.dtype == BOOL
    return OPS[n.op].positive == "always" or (n.op == "mul" and n.args[0] is n.args[1])


def _decisive(n: Node) -> tuple[Node, ...]:
    """The arguments that the sign of ``n`` depends on; none where ``n`` itself decides it."""
    inherits = n.op == "cast" or OPS[n.op].positive == "inherited"
    return n.args if inherits and not _positive_by_itself(n) else ()


EXACT = (
    # Neutral elements, and signs.
    Rewrite("add(x, -0.0)", "x"),  # x + (-0) = x
    Rewrite("add(x, 0.0)", "x", when=_never_minus_zero),  # x + 0 = x, but -0 + 0 = 0
    Rewrite("sub(x, 0.0)", "x"),  # x - 0 = x
    Rewrite("sub(-0.0, x)", "neg(x)"),  # -0 - x = -x, but 0 - 0 = 0
    Rewrite("mul(x, 1.0)", "x"),  # x · 1 = x
    Rewrite("mul(x, -1.0)", "neg(x)"),  # x · (-1) = -x
    Rewrite("div(x, 1.0)", "x"),  # x / 1 = x
    Rewrite("div(x, -1.0)", "neg(x)"),  # x / (-1) = -x
    Rewrite("neg(neg(x))", "x"),  # -(-x) = x
    Rewrite("add(x, neg(y))", "sub(x, y)"),  # x + (-y) = x - y
    Rewrite("sub(x, neg(y))", "add(x, y)"),  # x - (-y) = x + y
    Rewrite("mul(neg(x), neg(y))", "mul(x, y)"),  # (-x)(-y) = x y
    Rewrite("div(neg(x), neg(y))", "div(x, y)"),  # (-x) / (-y) = x / y
    Rewrite("abs(neg(x))", "abs(x)"),  # |-x| = |x|
    Rewrite("abs(abs(x))", "abs(x)"),  # ||x|| = |x|
    # Powers. Halves are not here: pow(-0, 1/2) = 0 and pow(-inf, 1/2) = inf, unlike the root.
    Rewrite("pow(x, 0.0)", "1.0"),  # x⁰ = 1, also of NaN
    Rewrite("pow(x, 1.0)", "x"),  # x¹ = x
    Rewrite("pow(x, 2.0)", "mul(x, x)"),  # x² = x x, which is correctly rounded
    Rewrite("pow(x, -1.0)", "div(1.0, x)"),  # x⁻¹ = 1 / x, which is correctly rounded
    # Choices.
    Rewrite("maximum(x, x)", "x"),  # max(x, x) = x
    Rewrite("minimum(x, x)", "x"),  # min(x, x) = x
    Rewrite("where(c, x, x)", "x"),  # both branches are x
    Rewrite("where(not(c), x, y)", "where(c, y, x)"),  # the other branch
    # Truth. not (x < y) is not (x >= y): both are false of NaN.
    Rewrite("not(not(c))", "c"),  # ¬¬c = c
    Rewrite("not(eq(x, y))", "ne(x, y)"),  # ¬(x = y) = (x ≠ y), also of NaN
    Rewrite("not(ne(x, y))", "eq(x, y)"),  # ¬(x ≠ y) = (x = y), also of NaN
    Rewrite("and(c, c)", "c"),  # c ∧ c = c
    Rewrite("or(c, c)", "c"),  # c ∨ c = c
    Rewrite("ne(cast(x), 0.0)", "x", when=_is_truth),  # (0 or 1) ≠ 0
    # Casts.
    Rewrite("cast(cast(x))", "x", when=_round_trip),  # widened, and rounded back: nothing lost
)
"""Identities with the same floating-point result for every input."""


@dataclass(frozen=True)
class Algebra:
    """Applies a table of rewrites from the inputs up."""

    name: str
    rewrites: tuple[Rewrite, ...]

    def run(self, program: Program) -> Program:
        """The program with every pattern of the table replaced."""
        return program.rewrite(Rewriter(self.rewrites))
