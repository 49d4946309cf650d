"""Moves out of the leaf programs all that is the same for every leaf.

Not a rewrite of one program but the cut of several: from the programs of a tree's distinct
leaves it makes

- ``constants``: what the hyperparameters alone decide. Where those are Python numbers it runs in
  Python's doubles, so that ``1 - b2`` is as exact as optax's, though a new ``b2`` compiles
  nothing again;
- ``scalars[k]``: what the step and the tree reductions of the phases before k decide;
- ``partials[leaf][k]``: what the leaf contributes to the tree reductions of phase k;
- ``leaves[leaf]``: the rest, which reads those scalars by name.

A tree reduction can only be finished when every leaf has contributed, so it ends a phase.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from optgen.ir.build import cast, const, effect
from optgen.ir.node import Node, node, walk
from optgen.ir.ops import is_elementwise
from optgen.ir.program import Program
from optgen.ir.types import BOOL, BOOL_SCALAR, GRAD, PARAM, REAL, REAL_SCALAR, SCALAR

_GLOBAL_INPUTS = frozenset({"const", "hyper", "step", "tree_load", "tree_sum", "tree_max"})
_KIND_OF_TOTAL = {"tree_sum": "sum", "tree_max": "max"}
_TAKEN = frozenset({"g", "p", "step", "update", "param", "grad", "jnp", "scalar"})


@dataclass(frozen=True)
class Hoisted:
    """The programs of a tree, cut; see the module.

    Attributes:
      constants: reads ``hyper``; emits scalars.
      scalars: one for each phase; reads ``hyper``, ``step``, ``tree_load`` and ``scalar``
        (constants, and the totals of earlier phases); emits scalars. The last also holds the
        ``tree_store`` effects.
      partials: for each program, for each phase but the last, its contributions.
      leaves: each program, reading scalars.
      totals: how the contributions are combined: ``sum`` or ``max``, by name.
    """

    constants: Program
    scalars: tuple[Program, ...]
    partials: tuple[tuple[Program, ...], ...]
    leaves: tuple[Program, ...]
    totals: Mapping[str, str]


def hoist(programs: Sequence[Program], reserved: Iterable[str] = ()) -> Hoisted:
    """Cuts the programs of a tree's distinct leaves.

    Args:
      programs: legal math programs, one for each distinct leaf.
      reserved: names that scalars must not take, such as those of slots.
    """
    return _Hoist(programs, reserved).cut()


class _Hoist:
    def __init__(self, programs: Sequence[Program], reserved: Iterable[str]) -> None:
        self.programs = programs
        self.authors = {n: name for program in programs for n, name in program.names.items()}
        self.taken = {*_TAKEN, *reserved, *keyword.kwlist}
        self.hypers = {n.attr for program in programs for n in program.find("hyper")}
        self.is_global: dict[Node, bool] = {}
        self.is_constant: dict[Node, bool] = {}
        self.phase: dict[Node, int] = {}
        self.total_name: dict[str, str] = {}
        self.totals: dict[str, str] = {}
        self.scalar_name: dict[Node, str] = {}
        self.views: dict[Node, Node] = {}
        self.scalar_views: dict[Node, Node] = {}
        for program in programs:
            for n in program.nodes():
                self._classify(n)

    def _classify(self, n: Node) -> None:
        scalar_op = n.type.axes == SCALAR and (
            is_elementwise(n.op) or (n.op == "cast" and n.type.dtype not in (PARAM, GRAD))
        )
        inherits = scalar_op and bool(n.args)
        self.is_global[n] = n.op in _GLOBAL_INPUTS or (
            inherits and all(self.is_global[arg] for arg in n.args)
        )
        self.is_constant[n] = n.op in ("const", "hyper") or (
            inherits and all(self.is_constant[arg] for arg in n.args)
        )
        before = max((self.phase[arg] for arg in n.args), default=0)
        self.phase[n] = before + (n.op in _KIND_OF_TOTAL)
        if n.op in _KIND_OF_TOTAL and n.attr not in self.total_name:
            base = "total" if n.op == "tree_sum" else "largest"
            name = self._unique(base if not self.totals else f"{base}_{len(self.totals) + 1}")
            self.total_name[n.attr] = name
            self.totals[name] = _KIND_OF_TOTAL[n.op]

    def cut(self) -> Hoisted:
        phases = max((self.phase[n] for p in self.programs for n in p.outputs), default=0)
        partials = tuple(
            tuple(self._partial(program, k) for k in range(phases)) for program in self.programs
        )
        leaves = tuple(self._leaf(program) for program in self.programs)
        scalars = tuple(self._scalars(k, last=k == phases) for k in range(phases + 1))
        constants = [
            effect("emit", name, n)
            for n, name in self.scalar_name.items()
            if self.is_constant[n] and n.op != "hyper"
        ]
        return Hoisted(
            Program("constants", tuple(constants), names=self.authors),
            scalars,
            partials,
            leaves,
            self.totals,
        )

    def _partial(self, program: Program, phase: int) -> Program:
        contributions: dict[str, Node] = {}
        for n in program.nodes():
            if n.op in _KIND_OF_TOTAL and self.phase[n] == phase + 1:
                name = self.total_name[n.attr]
                contributions.setdefault(name, effect("emit", name, self._leaf_view(n.args[0])))
        name = f"{program.name}_partial_{phase + 1}"
        return Program(name, tuple(contributions.values()), program.rank, self._names())

    def _leaf(self, program: Program) -> Program:
        stores = tuple(
            effect("store", o.attr, self._leaf_view(o.args[0]))
            for o in program.outputs
            if o.op == "store"
        )
        return Program(program.name, stores, program.rank, self._names())

    def _names(self) -> dict[Node, str]:
        return {self.views[n]: name for n, name in self.authors.items() if n in self.views}

    def _leaf_view(self, n: Node) -> Node:
        """The node with what is the same for every leaf replaced by scalars."""
        if n not in self.views:
            if self.is_global[n] and n.op != "const" and n.type.dtype in (REAL, BOOL):
                self.views[n] = self._as_scalar(n)
            else:
                args = [self._leaf_view(arg) for arg in n.args]
                self.views[n] = node(n.op, n.type, args, n.attr)
        return self.views[n]

    def _as_scalar(self, n: Node) -> Node:
        if n.type.dtype == BOOL:  # scalars cross as reals
            crossing = self._as_scalar(self._known(cast(n, REAL), n))
            return node("ne", BOOL_SCALAR, (crossing, const(0.0)))
        if n not in self.scalar_name:
            self.scalar_name[n] = self._name(n)
        return node("scalar", REAL_SCALAR, attr=self.scalar_name[n])

    def _known(self, new: Node, like: Node) -> Node:
        self.is_global.setdefault(new, self.is_global[like])
        self.is_constant.setdefault(new, self.is_constant[like])
        self.phase.setdefault(new, self.phase[like])
        return new

    def _scalars(self, phase: int, last: bool) -> Program:
        effects = [
            effect("emit", name, self._scalar_view(n))
            for n, name in list(self.scalar_name.items())
            if self.phase[n] == phase and not self.is_constant[n] and n.op not in _KIND_OF_TOTAL
        ]
        if last:
            stores = {o.attr: o for p in self.programs for o in p.outputs if o.op == "tree_store"}
            effects += [
                effect("tree_store", name, self._scalar_view(o.args[0]))
                for name, o in stores.items()
            ]
        names = {self.scalar_views.get(n, n): name for n, name in self.authors.items()}
        return Program(f"scalars_{phase}", tuple(effects), names=names)

    def _scalar_view(self, n: Node) -> Node:
        """The node as a scalar program sees it: totals and constants by their names."""
        if n not in self.scalar_views:
            if n.op in _KIND_OF_TOTAL:
                view = node("scalar", REAL_SCALAR, attr=self.total_name[n.attr])
            elif self.is_constant[n] and n.op not in ("const", "hyper") and n.type.dtype == REAL:
                view = self._as_scalar(n)
            else:
                view = node(n.op, n.type, [self._scalar_view(arg) for arg in n.args], n.attr)
            self.scalar_views[n] = view
        return self.scalar_views[n]

    def _name(self, n: Node) -> str:
        """What a scalar is called; hyperparameters and totals have their names already."""
        if n.op == "hyper":
            return str(n.attr)
        if n.op in _KIND_OF_TOTAL:
            return self.total_name[n.attr]
        return self._unique(self._describe(n))

    def _describe(self, n: Node) -> str:
        """A readable name for a scalar: the author's, or one that says what it is."""
        if n in self.authors:
            return self.authors[n]
        if n.op == "neg" and n.args[0].op == "hyper":
            return f"minus_{n.args[0].attr}"
        if n.op == "sub" and n.args[0] is const(1.0):
            rest = n.args[1]
            if word := self.authors.get(rest) or (rest.attr if rest.op == "hyper" else None):
                return f"one_minus_{word}"
            if rest.op == "pow" and any(m.op == "step" for m in walk([rest.args[1]])):
                base = rest.args[0]
                return f"bias_correction_{base.attr}" if base.op == "hyper" else "bias_correction"
        return "scalar_1"

    def _unique(self, name: str) -> str:
        base, count = name.removesuffix("_1") if name.endswith("_1") else name, 1
        while name in self.taken or name in self.hypers:
            count += 1
            name = f"{base}_{count}"
        self.taken.add(name)
        return name
