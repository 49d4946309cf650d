"""Proofs of properties of a rule from its program; unproven properties are left unsaid.

Two small calculi, each sound operation by operation and linear in the program: degrees of
homogeneity, and bounds of magnitudes. Both are of exact arithmetic and finite gradients; neither
ever guesses. The facts that they need of an operation are in its row: ``degree`` and ``at_most``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from optgen.emit.outline import is_input, meaning, outline, stored
from optgen.ir.build import const
from optgen.ir.node import Node, walk
from optgen.ir.ops import OPS
from optgen.ir.program import Program
from optgen.ir.types import BOOL

_LONGEST_BOUND = 32  # operations; what is longer tells nobody anything


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement about a rule.

    Attributes:
      statement: the claim, in a sentence.
      assuming: the conditions, in words; empty if there are none.
      holds: True where it is proven, False where its contrary is, None where neither is.
    """

    statement: str
    assuming: str
    holds: bool | None


def properties(program: Program, init: Program | None = None) -> tuple[str, ...]:
    """Short sentences that are proven of a rule, for people.

    Args:
      program: the math program of a step, as it was traced.
      init: the program that makes its slots; without it they are assumed to start at 0, and the
        sentence says so.
    """
    sentences = []
    scale, keys = _degree_of_update(program, init), _slots(program)
    conditions = [f"{name} = 0" for name in _epsilons(program)]
    conditions += ["slots start at 0"] if init is None and keys else []
    when = f" (where {', '.join(conditions)})" if conditions else ""
    if scale == 0:
        sentences.append(f"invariant to the scale of the gradient{when}")
    elif scale == 1:
        sentences.append(f"proportional to the scale of the gradient{when}")
    if bound := _bound_of_update(program):
        sentences.append(f"the step is bounded by {bound}, whatever the gradient is")
    return tuple(sentences)


def claims(program: Program, init: Program) -> list[Claim]:
    """Returns the proven claims about a rule, without those that are not decided.

    Args:
      program: the math program of a step, as it was traced.
      init: the program that makes its slots.
    """
    bound = step_bound(program)
    every = [scale_invariance(program, init), *([bound] if bound else [])]
    return [claim for claim in every if claim.holds is not None]


def scale_invariance(program: Program, init: Program) -> Claim:
    """The claim that multiplying every gradient by the same c > 0 leaves the update unchanged.

    Everything is given a degree: multiplied gradients multiply a value of degree k by c**k. The
    gradient has 1, the parameter and hyperparameters have 0, and so has a slot that does not
    start at 0; others have the degree that agrees with their next values. The update is invariant
    where its degree is 0, and is not where it has another.
    """
    degree = _degree_of_update(program, init)
    names = _epsilons(program)
    return Claim(
        "the update does not change when every gradient is multiplied by the same positive number",
        f"{' = '.join(names)} = 0" if names else "",
        None if degree is None else degree == 0,
    )


def step_bound(program: Program) -> Claim | None:
    """A bound on the update of each element that holds for all gradients.

    Returns:
      None where this calculus finds no bound.
    """
    bound = _bound_of_update(program)
    if bound is None:
        return None
    return Claim(f"|update| <= {bound}", "hyperparameters that are not negative", True)


def _is_epsilon(n: Node) -> bool:
    return n.op == "hyper" and _last(n.attr).startswith("eps")


def _epsilons(program: Program) -> list[str]:
    return sorted({_last(n.attr) for n in program.nodes() if _is_epsilon(n)})


def _last(key: Any) -> str:
    return str(key).rsplit("/", 1)[-1]


def _slots(program: Program) -> set[str]:
    return {n.attr for n in program.nodes() if n.op in ("load", "tree_load")} - {"g", "p"}


class _Any:
    """The degree of 0, and of a slot whose degree is not known yet."""


_ANY = _Any()
Degree = Fraction | _Any


class _Inhomogeneous(Exception):
    """A value has no degree, or none that this calculus finds."""


def _degree_of_update(program: Program, init: Program | None) -> Fraction | None:
    """The degree of the update; None where it has none, or is always 0."""
    keys = _slots(program)
    at_zero = keys
    if init is not None:
        at_zero = {effect.attr for effect in init.outputs if stored(effect) is const(0.0)}
    slots: dict[str, Degree] = {key: _ANY if key in at_zero else Fraction(0) for key in keys}
    values = {effect.attr: stored(effect) for effect in program.outputs}
    for _ in range(len(slots) + 1):  # a slot may get its degree from another, that from a third
        before = dict(slots)
        try:
            degrees = _degrees(values.values(), slots)
            for key in slots.keys() & values.keys():
                slots[key] = _same([slots[key], degrees[values[key]]])
        except _Inhomogeneous:
            return None
        if slots == before:
            update = degrees[values["update"]]
            return None if isinstance(update, _Any) else update
    return None


def _degrees(roots: Iterable[Node], slots: Mapping[str, Degree]) -> dict[Node, Degree]:
    """The degree of every value that the roots are computed from."""
    degrees: dict[Node, Degree] = {}
    for n in walk(roots, args=lambda n: map(meaning, n.args)):
        args = [degrees[meaning(arg)] for arg in n.args]
        degrees[n] = _input_degree(n, slots) if is_input(n) else _degree(n, args)
    return degrees


def _input_degree(n: Node, slots: Mapping[str, Degree]) -> Degree:
    if _is_epsilon(n) or n is const(0.0):
        return _ANY
    if n.op in ("load", "tree_load"):
        return slots.get(n.attr, Fraction(n.attr == "g"))
    return Fraction(0)


def _degree(n: Node, args: list[Degree]) -> Degree:
    degree = OPS[n.op].degree
    if degree is not None:
        return _times(_same(args), Fraction(degree).limit_denominator(12))
    if n.op in ("mul", "div"):
        a, b = args
        if isinstance(a, _Any) or isinstance(b, _Any):
            return _ANY
        return a + b if n.op == "mul" else a - b
    if n.op == "where":
        _none(args[:1])
        return _same(args[1:])
    exponent = meaning(n.args[-1])
    if n.op == "pow" and exponent.op == "const" and math.isfinite(exponent.attr):
        return _times(args[0], Fraction(exponent.attr).limit_denominator(10**6))
    return _none(args)


def _times(degree: Degree, factor: Fraction) -> Degree:
    if factor == 0:
        return factor
    return degree if isinstance(degree, _Any) else degree * factor


def _same(degrees: Iterable[Degree]) -> Degree:
    """The one degree of things that are added or compared."""
    known = {k for k in degrees if not isinstance(k, _Any)}
    if len(known) > 1:
        raise _Inhomogeneous
    return known.pop() if known else _ANY


def _none(degrees: Iterable[Degree]) -> Degree:
    """Degree 0, of a function that is not homogeneous, of arguments that do not scale."""
    if any(not isinstance(k, _Any) and k != 0 for k in degrees):
        raise _Inhomogeneous
    return Fraction(0)


def _bound_of_update(program: Program) -> str | None:
    """The bound of the update in words of the rule, None where this calculus finds none."""
    import sympy as sp

    update = stored(program.output("update"))
    names = outline(program).names
    bounds: dict[Node, Any] = {}
    for n in walk([update], args=lambda n: map(meaning, n.args)):
        if n.op == "load" and n.attr == "p":
            bounds[n] = sp.Symbol("|p|", nonnegative=True)
        elif n.op in ("hyper", "step", "extent"):
            bounds[n] = sp.Symbol(names[n], nonnegative=True)
        else:
            bounds[n] = _short(_bound(n, bounds))
    if bounds[update] is None:
        return None
    return str(sp.sstr(sp.factor_terms(bounds[update]), order="none"))


def _short(bound: Any) -> Any:
    return bound if bound is None or bound.count_ops() <= _LONGEST_BOUND else None


def _bound(n: Node, bounds: Mapping[Node, Any]) -> Any:
    """An upper bound of the magnitude of a value, from those of its arguments, or None."""
    import sympy as sp

    from optgen.emit.symbolic import number

    if n.op == "const":
        return abs(number(n.attr)) if math.isfinite(n.attr) else None
    most = OPS[n.op].at_most
    if most is not None:
        return sp.sympify(most)
    if n.op == "cast":
        return sp.Integer(1) if n.args[0].type.dtype == BOOL else None
    parts = [bounds[meaning(arg)] for arg in n.args]
    if n.op in ("maximum", "minimum"):
        limit = _clip(n, bounds)
        return limit if limit is not None else _largest(parts)
    if n.op == "where":
        return _largest(parts[1:])
    if None in parts:
        return None
    if n.op in ("neg", "abs", "add", "sub"):
        return sum(parts)
    if n.op == "mul":
        return parts[0] * parts[1]
    divisor = meaning(n.args[-1]) if n.args else n
    by_number = n.op == "div" and divisor.op == "const" and divisor.attr != 0
    return parts[0] / abs(number(divisor.attr)) if by_number else None


def _largest(parts: list[Any]) -> Any:
    import sympy as sp

    return None if None in parts else sp.Max(*parts)


def _clip(n: Node, bounds: Mapping[Node, Any]) -> Any:
    """Of min(high, max(low, x)), whichever is outside, the larger limit; None for others."""
    inner = {"minimum": "maximum", "maximum": "minimum"}[n.op]
    nested = [arg for arg in map(meaning, n.args) if arg.op == inner]
    outer = [bounds[arg] for arg in map(meaning, n.args) if arg not in nested]
    if len(nested) != 1 or None in outer:
        return None
    limits = [bounds[meaning(arg)] for arg in nested[0].args]
    limit = next((limit for limit in limits if limit is not None), None)
    return None if limit is None else _largest([*outer, limit])
