"""Hoisting: values that are the same for every leaf move out of the leaf programs.

This is not a rewrite of one program but a cut of several: from the programs of a tree's distinct
leaves it makes

- ``constants``: functions of the hyperparameters alone. Where those are Python numbers it runs in
  Python's doubles, so that ``1 - b2`` is as exact as optax's, though a new ``b2`` compiles
  nothing again;
- ``scalars[k]``: functions of the step and of the tree reductions of the phases before k;
- ``partials[leaf][k]``: the contributions of the leaf to the tree reductions of phase k;
- ``leaves[leaf]``: the rest, which reads those scalars by name.

A tree reduction can only be finished when every leaf has contributed, so it ends a phase.
"""

from __future__ import annotations

import keyword
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from optgen.errors import IRError
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
      totals: the reduction that combines each contribution, by name: ``sum`` or ``max``.
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

    Raises:
      IRError: if what one leaf contributes to a total awaits another, and the other way round
        in another leaf.
    """
    return _Hoist(programs, reserved).cut()


class _Hoist:
    def __init__(self, programs: Sequence[Program], reserved: Iterable[str]) -> None:
        self.programs = programs
        self.authors: dict[Node, str] = {}
        for program in programs:  # which name scalars by their first author
            for n, name in program.names.items():
                self.authors.setdefault(n, name)
        self.used_names = {*_TAKEN, *reserved, *keyword.kwlist}
        self.hypers = {n.attr for program in programs for n in program.find("hyper")}
        self.is_global: dict[Node, bool] = {}
        self.is_constant: dict[Node, bool] = {}
        self.reads_step: dict[Node, bool] = {}
        self.phase: dict[Node, int] = {}
        self.total_name: dict[str, str] = {}
        self.totals: dict[str, str] = {}
        self.numbered: Counter[str] = Counter()
        self.scalar_name: dict[Node, str] = {}
        self.views: dict[Node, Node] = {}
        self.scalar_views: dict[Node, Node] = {}
        self.phase_of_total: dict[str, int] = {}
        nodes = list(dict.fromkeys(n for program in programs for n in program.nodes()))
        before = None
        while before != self.phase_of_total:  # a total is one, whichever leaves contribute to it
            before = dict(self.phase_of_total)
            for n in nodes:
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
        self.reads_step[n] = n.op == "step" or any(self.reads_step[arg] for arg in n.args)
        self.phase[n] = max((self.phase[arg] for arg in n.args), default=0)
        if n.op in _KIND_OF_TOTAL:
            self._await_total(n)
        if n.op in _KIND_OF_TOTAL and n.attr not in self.total_name:
            base = "total" if n.op == "tree_sum" else "largest"
            name = self._unique(base if not self.totals else f"{base}_{len(self.totals) + 1}")
            self.total_name[n.attr] = name
            self.totals[name] = _KIND_OF_TOTAL[n.op]

    def _await_total(self, n: Node) -> None:
        """A total is known one phase after all that any leaf contributes to it."""
        phase = max(self.phase[n] + 1, self.phase_of_total.get(n.attr, 0))
        self.phase[n] = self.phase_of_total[n.attr] = phase
        if phase > len(self.phase_of_total):
            raise IRError(f"tree reductions wait for each other: {', '.join(self.phase_of_total)}")

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
        return Program(name, tuple(contributions.values()), program.rank, self._names(program))

    def _leaf(self, program: Program) -> Program:
        stores = tuple(
            effect("store", o.attr, self._leaf_view(o.args[0]))
            for o in program.outputs
            if o.op == "store"
        )
        return Program(program.name, stores, program.rank, self._names(program))

    def _names(self, program: Program) -> dict[Node, str]:
        """The names of values in this program; another may have others for the same nodes."""
        return {self.views[n]: name for n, name in program.names.items() if n in self.views}

    def _leaf_view(self, n: Node) -> Node:
        """The node, with arguments that are the same for every leaf replaced by scalars."""
        for m in walk([n], self.views, lambda m: () if self._crosses(m) else m.args):
            if self._crosses(m):
                self.views[m] = self._as_scalar(m)
            else:
                self.views[m] = node(m.op, m.type, [self.views[arg] for arg in m.args], m.attr)
        return self.views[n]

    def _crosses(self, n: Node) -> bool:
        """True where a leaf program reads the value as a scalar."""
        return self.is_global[n] and n.op != "const" and n.type.dtype in (REAL, BOOL)

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
        """The node in a scalar program, which reads totals and constants by their names."""
        for m in walk([n], self.scalar_views, lambda m: () if self._is_named(m) else m.args):
            if m.op in _KIND_OF_TOTAL:
                view = node("scalar", REAL_SCALAR, attr=self.total_name[m.attr])
            elif self._is_named(m):
                view = self._as_scalar(m)
            else:
                view = node(m.op, m.type, [self.scalar_views[arg] for arg in m.args], m.attr)
            self.scalar_views[m] = view
        return self.scalar_views[n]

    def _is_named(self, n: Node) -> bool:
        """True where a scalar program reads the value by its name: a total, or a constant."""
        is_constant = self.is_constant[n] and n.op not in ("const", "hyper")
        return n.op in _KIND_OF_TOTAL or (is_constant and n.type.dtype == REAL)

    def _name(self, n: Node) -> str:
        """The name of a scalar; hyperparameters and totals have theirs already."""
        if n.op == "hyper":
            return str(n.attr)
        if n.op in _KIND_OF_TOTAL:
            return self.total_name[n.attr]
        return self._unique(self._describe(n))

    def _describe(self, n: Node) -> str:
        """A readable name for a scalar: the author's, or a description of its formula."""
        if n in self.authors:
            return self.authors[n]
        if n.op == "neg" and n.args[0].op == "hyper":
            return f"minus_{n.args[0].attr}"
        if n.op == "sub" and n.args[0] is const(1.0):
            rest = n.args[1]
            if word := self.authors.get(rest) or (rest.attr if rest.op == "hyper" else None):
                return f"one_minus_{word}"
            if rest.op == "pow" and self.reads_step.get(rest.args[1]):
                base = rest.args[0]
                return f"bias_correction_{base.attr}" if base.op == "hyper" else "bias_correction"
        return "scalar_1"

    def _unique(self, name: str) -> str:
        base = name.removesuffix("_1")
        while name in self.used_names or name in self.hypers:
            self.numbered[base] += 1
            name = f"{base}_{self.numbered[base] + 1}"
        self.used_names.add(name)
        return name
