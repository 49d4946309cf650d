"""The tables beside emitted kernels: each variant's routines, and what each is given of a leaf."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from optgen.emit.lowered import Lowered
from optgen.emit.python import Doc, document, literal, render
from optgen.ir.evaluate import Dtypes
from optgen.passes.step import as_step, as_update
from optgen.schedule.kernel import Kernel, Operand, kernel_of
from optgen.schedule.leaf import LeafProgram, Mode
from optgen.schedule.stages import Step, steps
from optgen.schedule.views import Grouping

MODES: tuple[Mode, ...] = ("step", "update")


@dataclass(frozen=True)
class Planned:
    """One kernel of a variant, and how it sees the axes of a leaf."""

    phase: int
    kernel: Kernel
    grouping: Grouping


@dataclass(frozen=True)
class Route:
    """The kernels of a variant for some dtypes, in order.

    Attributes:
      variant: which of the lowered variants.
      name: what the variant's functions begin with.
      dtypes: what the symbolic dtypes stand for.
      planned: the kernels.
      resident: whether a leaf is kept on chip throughout a phase.
    """

    variant: int
    name: str
    dtypes: Dtypes
    planned: tuple[Planned, ...]
    resident: bool = False


def leaf_program(lowered: Lowered, variant: int, mode: Mode) -> LeafProgram:
    """What a step or an update does to the leaves of a variant."""
    leaf = lowered.update.leaves[variant]
    fused = as_step(leaf) if mode == "step" else as_update(leaf)
    return LeafProgram(fused, lowered.update.partials[variant])


def routes(
    lowered: Lowered, dtypes: Sequence[Dtypes], mode: Mode, resident: bool = False
) -> list[Route]:
    """The routes of all variants that a view covers in every phase."""
    found = []
    for i, variant in enumerate(lowered.variants):
        program = leaf_program(lowered, i, mode)
        for kind in dtypes:
            planned = _planned(steps(program, kind, resident))
            if planned is not None:  # else it is left to xla: `explain` says why
                suffix = "" if len(dtypes) == 1 else f"_{kind.param}_{kind.grad}"
                name = f"{variant.name}{suffix}_{mode}"
                found.append(Route(i, name, kind, planned, resident))
    return found


def _planned(found: Sequence[Step]) -> tuple[Planned, ...] | None:
    planned = []
    for step in found:
        kernel, grouping = kernel_of(step)
        if grouping is None:
            return None
        planned.append(Planned(step.phase, kernel, grouping))
    return tuple(planned)


class Function(Protocol):
    """What a target made of a kernel.

    Attributes:
      operands: the arrays; a target may leave parts of a reduction where the plan has none.
      sections: see ``Routine``.
      apart: see ``Routine``.
    """

    @property
    def operands(self) -> tuple[Operand, ...]: ...
    @property
    def sections(self) -> tuple[object, ...]: ...
    @property
    def apart(self) -> tuple[int, ...]: ...


Functions = Sequence[tuple[Route, Sequence[tuple[str, Function]]]]
"""Routes, and of each of their kernels the name of its function, and the function."""


def tables(
    lowered: Lowered,
    target: str,
    found: Mapping[Mode, Functions],
) -> str:
    """The expression that builds ``KERNELS``.

    Args:
      lowered: the programs of a tree.
      target: what the kernels are for.
      found: for each mode the routes, and of each kernel the function's name and its operands.
    """
    modes: list[str | Doc] = []
    for mode in MODES:
        chains: list[str | Doc] = [_chain(route, functions) for route, functions in found[mode]]
        modes.append(Doc(f"{mode}=(", chains, closing(chains)))
    items: list[str | Doc] = [
        f"name={literal(lowered.name)}",
        f"target={literal(target)}",
        "source=beside(__file__)",
    ]
    return render(Doc("KERNELS = Kernels(", [*items, *modes], ")"))


def closing(items: Sequence[object]) -> str:
    """The end of a tuple of these items."""
    return ",)" if len(items) == 1 else ")"


def _chain(route: Route, functions: Sequence[tuple[str, Function]]) -> Doc:
    d = route.dtypes
    routines: list[str | Doc] = [
        _routine(planned, name, function, d)
        for planned, (name, function) in zip(route.planned, functions, strict=True)
    ]
    items: list[str | Doc] = [
        f"variant={route.variant}",
        f"dtypes={literal((d.param, d.grad, d.real))}",
        Doc("routines=(", routines, closing(routines)),
    ]
    if route.resident:
        items.append("resident=True")
    return Doc("Chain(", items, ")")


def _routine(planned: Planned, name: str, function: Function, dtypes: Dtypes) -> Doc:
    arrays: list[str | Doc] = [_operand(x, dtypes) for x in function.operands]
    items: list[str | Doc] = [
        literal(name),
        f"phase={planned.phase}",
        f"kind={literal(planned.kernel.kind)}",
        document(planned.grouping.groups, "view="),
        Doc("operands=(", arrays, closing(arrays)),
        document(planned.kernel.scalars, "scalars="),
    ]
    if function.sections:
        items.append(document(function.sections, "sections="))
    if function.apart:
        items.append(document(function.apart, "apart="))
    return Doc("Routine(", items, ")")


def _operand(x: Operand, dtypes: Dtypes) -> Doc:
    dtype = getattr(dtypes, x.type.dtype, x.type.dtype)
    values = [x.name, dtype, x.type.axes, x.access, x.purpose]
    if x.combine:
        values.append(x.combine)
    return Doc("Operand(", [literal(v) for v in values], ")")
