"""The oracle: a step of a rule at 50 digits, operation by operation, by mpmath.

Its inputs are the numbers that a target saw, rounded as they were stored, so that the error
of one step is measured and not the drift of several. A cast in the middle of a rule rounds
exactly; what a step stores at its end is given at full precision.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, TypeAlias

import mpmath
import numpy as np

from optgen.errors import UsageError
from optgen.ir.node import Node
from optgen.ir.program import Program
from optgen.ir.types import LEAF, Axes
from optgen.tools.verify.bounded import Bounded, measured
from optgen.tools.verify.bounds import BOUNDS
from optgen.tools.verify.code import Arithmetic, Compiled, Step, compiled
from optgen.tools.verify.exact import DIGITS, EXACT, dtype_of, format_of, lift

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Value:
    """The exact value of an array, and how well it can be computed.

    Attributes:
      exact: mpmath numbers of 50 digits in an object array, in the array's shape.
      cancelled: float64, in the same shape: a rounding of the terms that were added up. Where
        they cancel, it is more than a rounding of the result.
      bound: float64: how far an evaluation of the rule as it is written may be off, each
        operation rounded; the rounding of what is stored not included.
    """

    exact: Array
    cancelled: Array
    bound: Array


@dataclass(frozen=True, slots=True)
class LeafResult:
    """One leaf after a step: what is added to p, p with it added, and the slots by their keys."""

    update: Value
    params: Value
    slots: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class StepResult:
    """A tree after a step: its leaves in order, and the slots of the whole tree by their keys."""

    leaves: tuple[LeafResult, ...]
    tree: Mapping[str, Value]


class Oracle:
    """Evaluates one optimizer on one tree; programs are compiled once.

    Attributes:
      programs: the math program of each leaf, in the order of ``jax.tree.leaves``.
    """

    def __init__(self, programs: Sequence[Program]) -> None:
        self.programs = tuple(programs)

    def step(
        self,
        leaves: Sequence[Mapping[str, Any]],
        step: int,
        hyper: Mapping[str, Any],
        tree: Mapping[str, Any] | None = None,
    ) -> StepResult:
        """One step of the whole tree.

        Args:
          leaves: for each leaf its arrays: ``"g"``, ``"p"``, and its slots by their keys. Their
            dtypes are those that casts in the rule round to.
          step: 1 on the first update.
          hyper: the run-time hyperparameters: Python floats stand for exactly those doubles.
          tree: the slots of the whole tree, by their keys.

        Raises:
          UsageError: if a name that a program reads is missing.
        """
        inputs = [_Inputs(arrays, step, hyper, tree or {}) for arrays in leaves]
        codes = [compiled(program) for program in self.programs]
        with mpmath.workdps(DIGITS), np.errstate(all="ignore"):
            exact = _Tree([_Exact(*pair) for pair in zip(codes, inputs, strict=True)])
            bounds = _Tree([_Bounds(*pair) for pair in zip(codes, inputs, strict=True)])
            pairs = list(zip(exact.leaves, bounds.leaves, strict=True))
            slots = {
                key: _value(a.get(name), b.get(name), ())
                for a, b in pairs
                for key, name in a.code.storing("tree")
            }
            return StepResult(tuple(_leaf_result(a, b) for a, b in pairs), slots)


@dataclass(frozen=True)
class _Inputs:
    """The inputs of one leaf's equations."""

    arrays: Mapping[str, Any]
    count: int
    hyper: Mapping[str, Any]
    tree: Mapping[str, Any]
    shape: tuple[int, ...] = field(init=False)
    unit: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", np.shape(self.arrays["p"]))
        wide = any(np.asarray(x).dtype == np.float64 for x in self.arrays.values())
        real = format_of(np.float64 if wide else np.float32)
        object.__setattr__(self, "unit", real.unit_roundoff)

    def dtype(self, name: str) -> np.dtype[Any]:
        """The dtype that a name in the program stands for."""
        array = {"param": "p", "grad": "g"}.get(name)
        return np.asarray(self.arrays[array]).dtype if array else dtype_of(name)

    def extents(self, axes: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of a value that varies along these axes, or along all if there are none.

        No array is without axes: NumPy turns results of none into numbers.
        """
        shape = self.shape or (1,)
        return tuple(n if not axes or a in axes else 1 for a, n in enumerate(shape))

    def read(self, n: Node) -> Any:
        """The value of an input."""
        if n.op == "step":
            return float(self.count)
        if n.op == "extent":
            counted = self.shape if n.attr == LEAF else [self.shape[a] for a in n.attr]
            return float(max(1, math.prod(counted)))
        table = {"load": self.arrays, "hyper": self.hyper}.get(n.op, self.tree)
        if n.attr not in table:
            there = ", ".join(map(repr, table)) or "none"
            raise UsageError(f"the oracle needs the {n.op} {n.attr!r}; given: {there}")
        value = np.asarray(table[n.attr])
        return value.reshape(self._shape_of(n.type.axes))

    def _shape_of(self, axes: Axes) -> tuple[int, ...]:
        if axes == ():
            return (1,) * max(1, len(self.shape))
        return self.extents(() if axes == LEAF else axes)


class _Evaluation:
    """The equations of one leaf, computed when they are asked for."""

    arithmetic: Arithmetic

    def __init__(self, code: Compiled, inputs: _Inputs) -> None:
        self.code, self.inputs = code, inputs
        self.values: dict[str, Any] = {}
        self.tree: _Tree

    def get(self, name: str) -> Any:
        """The value with a name, after those that it is computed from."""
        waiting = [name]
        while waiting:
            current = waiting[-1]
            if current in self.values:
                waiting.pop()
            elif missing := self._missing(current):
                waiting += reversed(missing)  # the first is computed first
            else:
                self.values[current] = self._compute(current)
        return self.values[name]

    def _missing(self, name: str) -> list[str]:
        """Names of the values that have to be computed before."""
        step = self.code.steps.get(name)
        arguments = step.arguments.values() if step is not None else ()
        return [argument for argument in arguments if argument not in self.values]

    def _compute(self, name: str) -> Any:
        if name in self.code.inputs:
            n = self.code.inputs[name]
            return self.lift(self.inputs.read(n), n.op in ("hyper", "tree_load"))
        step = self.code.steps[name]
        return self.call(step) if step.tree is None else self.tree.reduce(step.tree)

    def call(self, step: Step) -> Any:
        """The right side of an equation; of a tree reduction, this leaf's part of it."""
        raise NotImplementedError

    def lift(self, value: Any, is_rounded: bool = False) -> Any:
        """An input in the numbers that this evaluation computes with."""
        raise NotImplementedError

    def scalar(self, value: Any) -> Any:
        """A value of one element, with one axis."""
        raise NotImplementedError


class _Exact(_Evaluation):
    arithmetic: Arithmetic = EXACT

    def call(self, step: Step) -> Any:
        return step.run(EXACT, self.inputs, self.get)

    def lift(self, value: Any, is_rounded: bool = False) -> Any:
        return lift(value)

    def scalar(self, value: Any) -> Any:
        return value.reshape(1)


class _Bounds(_Evaluation):
    arithmetic: Arithmetic = BOUNDS

    def call(self, step: Step) -> Any:
        value = step.run(BOUNDS, self.inputs, self.get)
        is_number = isinstance(value, Bounded)
        return value.excused_nothing() if is_number and step.uniform else value

    def lift(self, value: Any, is_rounded: bool = False) -> Bounded:
        return measured(value, self.inputs.unit, is_rounded)

    def scalar(self, value: Bounded) -> Bounded:
        return value.reshaped((1,))


class _Tree:
    """The leaves of a tree in one system of numbers, and the reductions that join them."""

    def __init__(self, leaves: Sequence[_Evaluation]) -> None:
        self.leaves = leaves
        self.results: dict[str, Any] = {}
        for leaf in leaves:
            leaf.tree = self

    def reduce(self, n: Node) -> Any:
        """The value of a tree reduction; an empty leaf contributes nothing."""
        if n.attr not in self.results:
            first, parts = self.leaves[0], list(self._parts(n.attr))
            if n.op == "tree_sum":
                self.results[n.attr] = sum(parts, first.lift(0.0))
            else:
                largest = first.arithmetic.elementwise("maximum")
                self.results[n.attr] = reduce(largest, parts, first.lift(-np.inf))
        return self.results[n.attr]

    def _parts(self, key: str) -> Iterator[Any]:
        for leaf in self.leaves:
            for step in leaf.code.steps.values():
                if step.tree is not None and step.tree.attr == key and 0 not in leaf.inputs.shape:
                    yield leaf.scalar(leaf.call(step))


def _leaf_result(exact: _Evaluation, bounds: _Evaluation) -> LeafResult:
    inputs, code = exact.inputs, exact.code
    [(_, update)] = code.storing("update")
    a, b = exact.get(update), bounds.get(update)
    p = inputs.arrays["p"]
    slots = {}
    for key, name in code.storing("slot"):
        value = exact.get(name)
        shape = np.shape(inputs.arrays[key]) if key in inputs.arrays else value.shape
        slots[key] = _value(value, bounds.get(name), shape)
    return LeafResult(
        _value(a, b, inputs.shape),
        _value(exact.lift(p) + a, bounds.lift(p) + b, inputs.shape),
        slots,
    )


def _value(exact: Array, bounds: Bounded, shape: tuple[int, ...]) -> Value:
    """Both systems' results in the shape of the array that they are compared with."""

    def fit(x: Array) -> Array:
        return x.reshape(shape) if x.size == math.prod(shape) else np.broadcast_to(x, shape)

    unit = bounds.unit
    return Value(fit(exact), fit(bounds.terms * unit), fit(bounds.error * unit))
