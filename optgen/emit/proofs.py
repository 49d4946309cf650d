"""What can be proven of a rule from its equations. What cannot be is left unsaid.

Two small calculi over SymPy's equations, each sound step by step: degrees of homogeneity, and
bounds of magnitudes. Both are of exact arithmetic and finite gradients; neither ever guesses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sympy as sp

from optgen.emit.functions import (
    CubeRoot,
    LeafMax,
    LeafMean,
    LeafMin,
    LeafNorm,
    LeafSum,
    TreeMax,
    TreeNorm,
    TreeSum,
    Truth,
    Where,
)
from optgen.emit.outline import stored
from optgen.emit.symbolic import Equations, equations
from optgen.ir.build import const
from optgen.ir.node import Node
from optgen.ir.program import Program

_HOMOGENEOUS = (
    *(sp.Abs, sp.Max, sp.Min, Where),
    *(LeafSum, LeafMean, LeafMax, LeafMin, LeafNorm, TreeSum, TreeMax, TreeNorm),
)
"""Functions of degree 1: f(c x, c y) = c f(x, y) for every c > 0."""

_AT_MOST_ONE = (sp.sign, sp.tanh, sp.sin, sp.cos, Truth)


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement about a rule.

    Attributes:
      statement: what is claimed, in a sentence.
      assuming: under which conditions, in words; empty if there are none.
      holds: True where it is proven, False where its contrary is, None where neither is.
    """

    statement: str
    assuming: str
    holds: bool | None


def claims(program: Program, init: Program) -> list[Claim]:
    """What is proven of a rule; what is not known is left out.

    Args:
      program: the math program of a step, as it was traced.
      init: the program that makes its slots.
    """
    found = [scale_invariance(program, init), step_bound(program)]
    return [claim for claim in found if claim is not None and claim.holds is not None]


def scale_invariance(program: Program, init: Program) -> Claim:
    """Whether the update stays the same when every gradient is multiplied by the same c > 0.

    Everything is given a degree: multiplied gradients multiply a value of degree k by c**k. The
    gradient has 1, the parameter and hyperparameters have 0, and so has a slot that does not
    start at 0; others have what makes them agree with their next values. The update is invariant
    where its degree is 0, and is not where it has another.
    """
    read = equations(program, evaluate=True)
    small = {s: sp.Integer(0) for n, s in read.symbols.items() if _is_epsilon(n)}
    at_zero = {effect.attr for effect in init.outputs if stored(effect) is const(0.0)}
    degree = _degree_of_update(read, small, at_zero)
    return Claim(
        "the update does not change when every gradient is multiplied by the same positive number",
        f"{' = '.join(sorted(s.name for s in small))} = 0" if small else "",
        None if degree is None or degree is _ANY else bool(degree == 0),
    )


def _is_epsilon(n: Node) -> bool:
    return n.op == "hyper" and str(n.attr).rsplit("/", 1)[-1].startswith("eps")


_ANY = sp.Symbol("any")  # the degree of 0, and of a slot of which nothing is known yet


class _Inhomogeneous(Exception):
    """A value has no degree, or none that this calculus finds."""


def _degree_of_update(read: Equations, small: Mapping[Any, Any], at_zero: set[Any]) -> Any:
    """The degree of the update, ``_ANY`` where it is always 0, None where there is none."""
    slots = {n.attr: s for n, s in read.symbols.items() if n.op in ("load", "tree_load")}
    degrees: dict[Any, Any] = {
        s: _ANY if key in at_zero else sp.Integer(key == "g") for key, s in slots.items()
    }
    update = _ANY
    for _ in range(len(slots) + 1):  # a slot may get its degree from another, that from a third
        before = dict(degrees)
        try:
            for equation in read:
                k = _degree(equation.value.subs(small), degrees)
                degrees[equation.symbol] = k
                if equation.line.role in ("slot", "tree"):
                    old = slots.get(equation.line.key)
                    degrees[old] = _same([degrees.get(old, _ANY), k])
                elif equation.line.role == "update":
                    update = k
        except _Inhomogeneous:
            return None
        if degrees == before:
            return update
    return None


def _same(degrees: Iterable[Any]) -> Any:
    """The one degree of things that are added or compared."""
    known = {k for k in degrees if k is not _ANY}
    if len(known) > 1:
        raise _Inhomogeneous
    return known.pop() if known else _ANY


def _degree(e: Any, degrees: Mapping[Any, Any]) -> Any:
    if e == 0:
        return _ANY
    if e.is_Symbol or e.is_number:
        return degrees.get(e, sp.Integer(0))
    args = [_degree(arg, degrees) for arg in e.args if not isinstance(arg, sp.Tuple)]
    if e.is_Mul:
        return _ANY if _ANY in args else sum(args, sp.Integer(0))
    if e.is_Pow and e.exp.is_number:
        return _ANY if args[0] is _ANY else args[0] * e.exp
    if isinstance(e, CubeRoot):
        return _ANY if args[0] is _ANY else args[0] / 3
    if isinstance(e, Where):
        _none([args[0]])
        return _same(args[1:])
    if e.is_Add or isinstance(e, _HOMOGENEOUS):
        return _same(args)
    if isinstance(e, (sp.sign, sp.atan2)) or e.is_Relational:
        _same(args)
        return sp.Integer(0)
    return _none(args)


def _none(degrees: Iterable[Any]) -> Any:
    """Degree 0, of a function that is not homogeneous, of arguments that do not scale."""
    if any(k is not _ANY and k != 0 for k in degrees):
        raise _Inhomogeneous
    return sp.Integer(0)


def step_bound(program: Program) -> Claim | None:
    """A bound on the update of each element that holds whatever the gradients are.

    Returns:
      None where this calculus finds no bound.
    """
    read = equations(program, evaluate=True)
    bounds: dict[Any, Any] = {}
    for n, s in read.symbols.items():
        if n.op in ("hyper", "step", "extent"):
            bounds[s] = sp.Symbol(s.name, nonnegative=True)
        elif n.op == "load" and n.attr == "p":
            bounds[s] = sp.Symbol("|p|", nonnegative=True)
    bound = None
    for equation in read:
        bound = _bound(equation.value, bounds)
        if bound is not None:
            bounds.setdefault(equation.symbol, bound)
    if bound is None:
        return None
    text = sp.sstr(sp.factor_terms(bound), order="none")
    return Claim(f"|update| <= {text}", "hyperparameters that are not negative", True)


def _bound(e: Any, bounds: Mapping[Any, Any]) -> Any:
    """An upper bound of the magnitude of a value, or None."""
    if e.is_Symbol:
        return bounds.get(e)
    if e.is_number:
        return abs(e) if e.is_finite else None
    if isinstance(e, _AT_MOST_ONE):
        return sp.Integer(1)
    if (limit := _clip(e, bounds)) is not None:
        return limit
    if isinstance(e, (Where, sp.Max, sp.Min)):
        return _largest(e.args[1:] if isinstance(e, Where) else e.args, bounds)
    parts = [_bound(arg, bounds) for arg in e.args]
    if None in parts or not (e.is_Add or e.is_Mul or isinstance(e, sp.Abs)):
        return None
    return parts[0] if isinstance(e, sp.Abs) else e.func(*parts)


def _largest(values: Iterable[Any], bounds: Mapping[Any, Any]) -> Any:
    parts = [_bound(value, bounds) for value in values]
    return None if None in parts else sp.Max(*parts)


def _clip(e: Any, bounds: Mapping[Any, Any]) -> Any:
    """Of min(high, max(low, x)), whichever is outside, the larger limit; None for others."""
    for outer, inner in ((sp.Min, sp.Max), (sp.Max, sp.Min)):
        if not isinstance(e, outer):
            continue
        nested = [arg for arg in e.args if isinstance(arg, inner)]
        limits = [_bound(arg, bounds) for arg in e.args if arg not in nested]
        limits += [_first_bound(arg.args, bounds) for arg in nested[:1]]
        if len(nested) == 1 and None not in limits:
            return sp.Max(*limits)
    return None


def _first_bound(values: Iterable[Any], bounds: Mapping[Any, Any]) -> Any:
    parts = (_bound(value, bounds) for value in values)
    return next((part for part in parts if part is not None), None)
