"""The NumPy evaluator, which defines the meaning of a program.

Arithmetic (``add`` to ``sqrt``) is that of ``real``, each operation rounded once. NumPy's own
float32 ``pow`` or ``exp`` is off in the last bit on some machines, so functions that IEEE 754
leaves open are computed in float64 and rounded to float32; in float64 they are NumPy's. A sum is
accumulated in float64, pairwise, and rounded once. A cast rounds to nearest, ties to even, in
one step. NaN and infinities come out without a warning.

A value with the axes (0,) of a leaf of shape (n, m) is an array of shape (n, 1): the axes along
which it does not vary are kept, with extent 1. A scalar has the shape ().
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import ml_dtypes
import numpy as np

from optgen.errors import IRError, UsageError
from optgen.ir.legality import check
from optgen.ir.node import Node
from optgen.ir.ops import IDENTITY_OF_REDUCTION, OPS, is_elementwise
from optgen.ir.program import Program
from optgen.ir.types import LEAF, REAL, SCALAR, Axes

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Dtypes:
    """The concrete floats, by name, that the symbolic dtypes of a program stand for."""

    param: str = "float32"
    grad: str = "float32"
    real: str = "float32"

    def numpy(self, dtype: str) -> np.dtype[Any]:
        """The NumPy dtype of a dtype of the IR."""
        concrete = getattr(self, dtype, dtype)
        return np.dtype(ml_dtypes.bfloat16 if concrete == "bfloat16" else concrete)


@dataclass(frozen=True)
class Inputs:
    """The inputs of one program.

    Attributes:
      loads: arrays by the name of their load; converted to the dtype that is loaded.
      hyper: run-time hyperparameters by name.
      scalars: the results of other programs, by name.
      tree: the slots of the whole tree, by name.
      step: 1 on the first update.
      shape: the leaf's; by default that of the first load that varies along all axes, else ().
      dtypes: the dtypes that ``param``, ``grad`` and ``real`` stand for.
    """

    loads: Mapping[str, Any] = field(default_factory=dict)
    hyper: Mapping[str, Any] = field(default_factory=dict)
    scalars: Mapping[str, Any] = field(default_factory=dict)
    tree: Mapping[str, Any] = field(default_factory=dict)
    step: float = 1.0
    shape: tuple[int, ...] | None = None
    dtypes: Dtypes = Dtypes()


def evaluate(program: Program, inputs: Inputs) -> dict[str, Array]:
    """Evaluates one program, on a tree that consists of this one leaf.

    Returns:
      The value of each effect by its name; stored arrays in the shape and dtype of their type.

    Raises:
      IRError: if the program is not legal.
      UsageError: if the inputs lack a name, or an array has the wrong shape.
    """
    return evaluate_tree([(program, inputs)])[0]


def evaluate_tree(leaves: Iterable[tuple[Program, Inputs]]) -> list[dict[str, Array]]:
    """Evaluates the programs of all the leaves of a tree together.

    Tree reductions with the same key combine the arguments of all the programs that have it,
    in the leaves' order, in float64. An empty leaf contributes nothing, whatever its argument.

    Returns:
      For each leaf the result of ``evaluate``.

    Raises:
      IRError: if a program is not legal, or tree reductions wait for each other.
      UsageError: if the inputs lack a name, or an array has the wrong shape.
    """
    evaluations = [_Evaluation(program, inputs) for program, inputs in leaves]
    combined: dict[str, np.float64] = {}
    with np.errstate(all="ignore"):
        while unfinished := [e for e in evaluations if e.advance(combined)]:
            waiting = {n.attr: n.op for e in unfinished for n in e.pending_reductions()}
            ready = {
                key: _combine(op, evaluations, key)
                for key, op in waiting.items()
                if all(e.contributed(key) for e in evaluations)
            }
            if not ready:
                raise IRError(f"tree reductions wait for each other: {', '.join(waiting)}")
            combined |= ready
    return [e.outputs() for e in evaluations]


def _combine(op: str, evaluations: Sequence[_Evaluation], key: str) -> np.float64:
    parts = [np.float64(x) for e in evaluations if not e.empty for x in e.contributions(key)]
    if op == "tree_sum":
        return np.float64(np.sum(parts, dtype=np.float64))
    return np.float64(np.max(parts, initial=-np.inf))


class _Evaluation:
    """One program being evaluated; it pauses at a tree reduction until all others reach it."""

    def __init__(self, program: Program, inputs: Inputs) -> None:
        self._program, self._inputs = check(program), inputs
        self._nodes = list(program.nodes())
        self._values: dict[Node, Array] = {}
        self._shape = _leaf_shape(program, inputs)
        self._tree = [n for n in self._nodes if OPS[n.op].kind == "tree"]
        self.empty = 0 in self._shape

    def advance(self, combined: Mapping[str, np.float64]) -> bool:
        """Computes every value whose inputs are known; returns True where values are left."""
        for n in self._nodes:
            waits = OPS[n.op].kind == "tree" and n.attr not in combined
            if n in self._values or waits or any(arg not in self._values for arg in n.args):
                continue
            value = combined[n.attr] if OPS[n.op].kind == "tree" else self._compute(n)
            self._values[n] = _round(np.asarray(value), self._inputs.dtypes.numpy(n.type.dtype))
        return len(self._values) < len(self._nodes)

    def pending_reductions(self) -> list[Node]:
        return [n for n in self._tree if n not in self._values]

    def contributed(self, key: str) -> bool:
        return all(n.args[0] in self._values for n in self._tree if n.attr == key)

    def contributions(self, key: str) -> list[Array]:
        return [self._values[n.args[0]] for n in self._tree if n.attr == key]

    def outputs(self) -> dict[str, Array]:
        return {effect.attr: np.array(self._values[effect]) for effect in self._program.outputs}

    def _compute(self, n: Node) -> Any:
        args = [self._values[arg] for arg in n.args]
        if is_elementwise(n.op):
            return _elementwise(n, args)
        if OPS[n.op].kind == "reduce":
            return _reduce(n, args[0]).reshape(_extents(self._shape, n.type.axes))
        if n.op == "broadcast":
            return np.broadcast_to(args[0], _extents(self._shape, n.type.axes))
        return args[0] if args else self._read(n)  # a cast or an effect; else an input

    def _read(self, n: Node) -> Any:
        inputs = self._inputs
        if n.op == "const":
            return n.attr
        if n.op == "step":
            return inputs.step
        if n.op == "extent":
            counted = self._shape if n.attr == LEAF else [self._shape[axis] for axis in n.attr]
            return max(1, math.prod(counted))
        table = {"load": inputs.loads, "hyper": inputs.hyper, "scalar": inputs.scalars}
        values = table.get(n.op, inputs.tree)
        where = f"program {self._program.name!r}"
        if n.attr not in values:
            there = ", ".join(map(repr, values)) or "none"
            raise UsageError(f"{where} reads the {n.op} {n.attr!r}; given: {there}")
        value, shape = np.asarray(values[n.attr]), _extents(self._shape, n.type.axes)
        if value.shape != shape:
            raise UsageError(f"{where}: {n.op} {n.attr!r} has the shape {value.shape}, not {shape}")
        return value


def _leaf_shape(program: Program, inputs: Inputs) -> tuple[int, ...]:
    shape = inputs.shape
    if shape is None:
        whole = (n.attr for n in program.find("load") if n.type.axes == LEAF)
        shape = next((np.shape(inputs.loads[x]) for x in whole if x in inputs.loads), ())
    if program.rank is not None and program.rank != len(shape):
        raise UsageError(
            f"program {program.name!r} is for leaves of rank {program.rank}, not shape {shape}"
        )
    return shape


def _extents(shape: tuple[int, ...], axes: Axes) -> tuple[int, ...]:
    """The shape of a value that varies along ``axes`` of a leaf of this shape."""
    if axes == LEAF:
        return shape
    if axes == SCALAR:
        return ()
    return tuple(extent if axis in axes else 1 for axis, extent in enumerate(shape))


def _elementwise(n: Node, args: list[Array]) -> Any:
    row = OPS[n.op]
    assert row.meaning is not None
    if n.type.dtype == REAL and not row.rounded_once:
        args = [arg.astype(np.float64) for arg in args]
    return row.meaning(*args)


def _reduce(n: Node, x: Array) -> Array:
    axes = None if n.attr == LEAF else n.attr
    x = np.ascontiguousarray(x).reshape(x.shape)  # NumPy's order of summation follows strides
    if n.op == "sum":
        return np.asarray(np.sum(x, axis=axes, keepdims=True, dtype=np.float64))
    largest = np.max if n.op == "max" else np.min
    return np.asarray(largest(x, axis=axes, keepdims=True, initial=IDENTITY_OF_REDUCTION[n.op]))


def _round(x: Array, dtype: np.dtype[Any]) -> Array:
    if x.dtype == np.float64 and dtype == ml_dtypes.bfloat16:
        x = _round_to_odd(x)
    return x.astype(dtype, copy=False)


def _round_to_odd(x: Array) -> Array:
    """float64 to float32 such that another rounding, to 22 bits or fewer, is as if from float64.

    ml_dtypes rounds float64 to bfloat16 by way of float32, and twice rounded is once too often.
    Inexact results are truncated, and their last bit set (Boldo and Melquiond, 2008).
    """
    nearest = np.atleast_1d(x.astype(np.float32))
    bits = nearest.view(np.uint32)
    away = np.abs(nearest.astype(np.float64)) > np.abs(x)
    inexact = (nearest != x) & ~np.isnan(x)
    odd = np.where(inexact, (bits - away) | 1, bits).astype(np.uint32)
    return odd.view(np.float32).reshape(x.shape)
