"""Legality of programs at each stage, as tables over the one node.

The grammar of both, a line for each kind; ``T[A]`` is a value of dtype T varying along A:

    input    const hyper step tree_load scalar extent : real[]      load "g" : storage[A]
    real     real[A], … -> real[A]
    compare  real[A], real[A] -> bool[A]         test   real[A] -> bool[A]
    logic    bool[A], … -> bool[A]               select bool[A], T[A], T[A] -> T[A]
    move     cast: S[A] -> T[A]                  broadcast: T[A] -> T[B], A a proper part of B
    reduce   real[A] -> real[A without attr]     tree   real[] -> real[]
    effect   store: storage[A] -> same           tree_store, emit: real[] -> same

A **math program** may use all of it. A **kernel body** is the program of one launch: it reads
``scalar`` and ``load``. Values that are the same for every leaf have been moved out of it, so it
has no ``hyper``, ``step`` or ``tree_load``, and no tree reduction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from optgen.errors import IRError
from optgen.ir.node import Node
from optgen.ir.ops import OPS
from optgen.ir.program import Program
from optgen.ir.types import BOOL, DTYPES, LEAF, REAL, SCALAR, STORAGE, Axes, contains, without

Check = Callable[[Node, int | None], str | None]
"""A function of a node and the program's rank; returns the fault of the node, or None."""


def _same_axes(n: Node) -> str | None:
    if any(arg.type.axes != n.type.axes for arg in n.args):
        return "takes arguments that vary along its own axes (broadcast them)"
    return None


def _elementwise(argument: str, result: str) -> Check:
    def check(n: Node, rank: int | None) -> str | None:
        if any(arg.type.dtype != argument for arg in n.args) or n.type.dtype != result:
            return f"takes {argument} and gives {result} (cast them)"
        return _same_axes(n)

    return check


def _input(n: Node, rank: int | None) -> str | None:
    if n.op == "load":
        return None if n.type.dtype in STORAGE else "loads a storage dtype"
    if n.type.dtype != REAL or n.type.axes != SCALAR:
        return "is a real scalar"
    if n.op == "const" and not isinstance(n.attr, float):
        return "has a float for its attribute"
    if n.op == "extent" and not _axes_exist(n.attr, rank):
        return "counts axes that the leaf does not have, or all of them by number"
    return None


def _select(n: Node, rank: int | None) -> str | None:
    condition, a, b = n.args
    if condition.type.dtype != BOOL or not a.type.dtype == b.type.dtype == n.type.dtype:
        return "takes a bool and two values of its own dtype"
    return _same_axes(n)


def _move(n: Node, rank: int | None) -> str | None:
    (arg,) = n.args
    if n.op == "cast":
        if arg.type.dtype == n.type.dtype:
            return "changes the dtype"
        return None if arg.type.axes == n.type.axes else "keeps the axes"
    if arg.type.dtype != n.type.dtype:
        return "keeps the dtype"
    if arg.type.axes == n.type.axes or not contains(n.type.axes, arg.type.axes):
        return f"adds axes to {arg.type}"
    return None


def _reduce(n: Node, rank: int | None) -> str | None:
    (arg,) = n.args
    if arg.type.dtype != REAL or n.type.dtype != REAL:
        return "takes real and gives real"
    exist = _axes_exist(n.attr, rank) and n.attr != SCALAR
    if not exist or (n.attr != LEAF and not contains(arg.type.axes, n.attr)):
        return f"reduces axes that its argument {arg.type} varies along"
    if n.type.axes != without(arg.type.axes, n.attr, rank or 0):
        return "varies along what is left of its argument's axes"
    return None


def _tree(n: Node, rank: int | None) -> str | None:
    if any(x.type.dtype != REAL or x.type.axes != SCALAR for x in (n, *n.args)):
        return "takes and gives a real scalar"
    return None if isinstance(n.attr, str) else "has a key for its attribute"


def _effect(n: Node, rank: int | None) -> str | None:
    (arg,) = n.args
    if not isinstance(n.attr, str):
        return "has a name for its attribute"
    if n.type != arg.type:
        return "has its argument's type"
    if n.op == "store":
        return None if n.type.dtype in STORAGE else "stores a storage dtype"
    return None if n.type.dtype == REAL and n.type.axes == SCALAR else "takes a real scalar"


_BY_KIND: Mapping[str, Check] = {
    "input": _input,
    "real": _elementwise(REAL, REAL),
    "compare": _elementwise(REAL, BOOL),
    "test": _elementwise(REAL, BOOL),
    "logic": _elementwise(BOOL, BOOL),
    "select": _select,
    "move": _move,
    "reduce": _reduce,
    "tree": _tree,
    "effect": _effect,
}


class Legality(Mapping[str, Check]):
    """The operations that a stage may contain: all operations but those that it excludes."""

    def __init__(self, *excluded: str) -> None:
        self._excluded = frozenset(excluded)

    def __getitem__(self, op: str) -> Check:
        if op in self._excluded:
            raise KeyError(op)
        return _BY_KIND[OPS[op].kind]

    def __iter__(self) -> Iterator[str]:
        return (op for op in OPS if op not in self._excluded)

    def __len__(self) -> int:
        return sum(1 for _ in self)


MATH = Legality()
"""The legality table of math programs: every operation."""

KERNEL = Legality("hyper", "step", "tree_load", "tree_sum", "tree_max", "tree_store")
"""The legality table of the body of a launch."""


def _axes_exist(axes: Axes, rank: int | None) -> bool:
    if axes in (LEAF, SCALAR):
        return True
    sorted_once = list(axes) == sorted(set(axes))
    return sorted_once and rank is not None and len(axes) < rank and 0 <= axes[0] <= axes[-1] < rank


def violation(n: Node, table: Mapping[str, Check], rank: int | None) -> str | None:
    """The fault of a node, in words, or None."""
    if n.op not in table:
        known = "is not legal at this stage" if n.op in OPS else "is no operation"
        return known
    if len(n.args) != OPS[n.op].arity:
        return f"takes {OPS[n.op].arity} arguments, not {len(n.args)}"
    if n.type.dtype not in DTYPES:
        return f"has the unknown dtype {n.type.dtype!r}"
    if not _axes_exist(n.type.axes, rank):
        return f"names axes that a leaf of rank {rank} does not have, or all of them"
    return table[n.op](n, rank)


def check(program: Program, table: Mapping[str, Check] = MATH) -> Program:
    """Returns the program if it is legal.

    Raises:
      IRError: naming all the illegal nodes together.
    """
    faults = []
    outputs = set(program.outputs)
    for n in program.nodes():
        if n in outputs and n.op in OPS and OPS[n.op].kind != "effect":
            faults.append(f"{n!r} is an output, and no effect")
        if any(OPS[arg.op].kind == "effect" for arg in n.args if arg.op in OPS):
            faults.append(f"{n!r} takes an effect for a value")
        if wrong := violation(n, table, program.rank):
            faults.append(f"{n!r} {wrong}")
    names = [effect.attr for effect in program.outputs]
    counts = Counter(names)
    faults += [f"{name!r} is written twice" for name in sorted(counts) if counts[name] > 1]
    if faults:
        raise IRError(f"program {program.name!r} is not legal:\n  " + "\n  ".join(faults))
    return program
