"""SymPy functions for the operations that SymPy lacks: reductions, roundings, choices.

None of them evaluates itself: they stand for a value, and know how LaTeX shows it.
"""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.codegen.cfunctions import expm1, log1p
from sympy.logic.boolalg import BooleanFunction

__all__ = ["expm1", "log1p"]  # SymPy's own, which its top level lacks


class _Named(sp.Function):
    """A function that LaTeX prints as its word, unless it says otherwise."""

    word = ""

    def _eval_is_commutative(self) -> bool:
        return True  # whatever the axes among the arguments are, the value is a number

    def _inside(self, printer: Any) -> str:
        arguments = ", ".join(printer.doprint(arg) for arg in self.args)
        return f"\\operatorname{{{self.word}}}\\left({arguments}\\right)"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = self._inside(printer)
        return text if exp is None else f"\\left({text}\\right)^{{{exp}}}"


class Reduction(_Named):
    """A reduction of a leaf, of three arguments.

    The value; the axes reduced, empty where they are all that the value varies along; and those
    that it varies along, empty for all axes of the leaf.
    """

    nargs = 3

    def _inside(self, printer: Any) -> str:
        axes = ", ".join(map(str, self.args[1]))
        below = f"_{{{axes}}}" if axes else ""
        return f"\\operatorname{{{self.word}}}{below}\\left({printer.doprint(self.args[0])}\\right)"


class LeafSum(Reduction):
    """The sum over the axes of a leaf."""

    word = "sum"


class LeafMean(Reduction):
    """The mean over the axes of a leaf."""

    word = "mean"


class LeafMax(Reduction):
    """The largest value over the axes of a leaf."""

    word = "max"


class LeafMin(Reduction):
    """The smallest value over the axes of a leaf."""

    word = "min"


class LeafNorm(Reduction):
    """The Euclidean norm over the axes of a leaf."""

    def _inside(self, printer: Any) -> str:
        axes = ", ".join(map(str, self.args[1]))
        return _norm(printer.doprint(self.args[0]), axes)


class TreeSum(_Named):
    """The sum, over all leaves, of one scalar of each."""

    word = "sum_{tree}"


class TreeMax(_Named):
    """The largest, over all leaves, of one scalar of each."""

    word = "max_{tree}"


class TreeNorm(_Named):
    """The Euclidean norm of all leaves together."""

    def _inside(self, printer: Any) -> str:
        return _norm(printer.doprint(self.args[0]), "\\mathrm{tree}")


class Cast(_Named):
    """A value rounded to a storage dtype, which is named by a symbol."""

    nargs = 2

    def _inside(self, printer: Any) -> str:
        value, dtype = self.args
        short = {"param": "\\theta", "grad": "g"}.get(dtype.name, f"\\mathrm{{{dtype}}}")
        return f"\\operatorname{{round}}_{{{short}}}\\left({printer.doprint(value)}\\right)"


class Where(_Named):
    """The second argument where the first holds, the third elsewhere."""

    nargs = 3

    def _inside(self, printer: Any) -> str:
        condition, a, b = map(printer.doprint, self.args)
        rows = f"{a} & \\text{{if }} {condition} \\\\ {b} & \\text{{otherwise}}"
        return f"\\begin{{cases}} {rows} \\end{{cases}}"


class Truth(_Named):
    """1 where a condition holds, 0 elsewhere: Iverson's bracket."""

    def _inside(self, printer: Any) -> str:
        return f"\\left[{printer.doprint(self.args[0])}\\right]"


class CubeRoot(_Named):
    """The real cube root, negative for negative numbers."""

    def _inside(self, printer: Any) -> str:
        return f"\\sqrt[3]{{{printer.doprint(self.args[0])}}}"


class RoundHalfEven(_Named):
    """The nearest whole number, halves to even."""

    word = "round"


class NotANumber(_Named):
    """NaN, which SymPy's own refuses to be compared with."""

    nargs = 0
    word = "nan"


class IsFinite(BooleanFunction):
    """True where a number is neither infinite nor NaN."""

    def _latex(self, printer: Any) -> str:
        return f"\\operatorname{{finite}}\\left({printer.doprint(self.args[0])}\\right)"


def named(name: str, arity: int) -> type[sp.Function]:
    """A function of which SymPy knows only the name, so that it leaves the function alone."""
    return type(name, (_Named,), {"nargs": arity, "word": name})


def _norm(text: str, below: str) -> str:
    return f"\\left\\lVert {text} \\right\\rVert" + (f"_{{{below}}}" if below else "")
