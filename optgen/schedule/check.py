"""What makes a kernel legal, beyond the legality of each node of its body."""

from __future__ import annotations

from collections.abc import Iterator

from optgen.errors import PlanError
from optgen.ir.legality import KERNEL, check
from optgen.ir.node import Node
from optgen.schedule.graph import is_effect, is_large, is_reduction, is_statistic
from optgen.schedule.kernel import Kernel, Launch, reductions_used


def check_kernel(kernel: Kernel) -> Kernel:
    """Returns the kernel if it is legal.

    Raises:
      IRError: if the body is not a legal kernel body.
      PlanError: naming everything else that is wrong, all of it together.
    """
    check(kernel.body, KERNEL)
    faults = [*_operand_faults(kernel), *_kind_faults(kernel)]
    if faults:
        name = kernel.body.name
        raise PlanError(
            f"the {kernel.kind} kernel {name!r} is not legal:\n  " + "\n  ".join(faults)
        )
    return kernel


def check_launch(launch: Launch) -> Launch:
    """Returns the launch if its kernel is legal, and every leaf has a layout that fits it.

    Raises:
      IRError: see ``check_kernel``.
      PlanError: see ``check_kernel``; or if a layout does not fit.
    """
    view = check_kernel(launch.kernel).view
    if not launch.leaves or len(launch.leaves) != len(launch.layouts):
        raise PlanError("a launch has leaves, and a layout for each")
    for layout in launch.layouts:
        rank = len(layout.extents)
        if (view and len(view.roles) != rank) or sorted(layout.order) != list(range(rank)):
            raise PlanError(f"{layout} does not fit a {view.kind if view else 'missing'} view")
    return launch


def _operand_faults(kernel: Kernel) -> Iterator[str]:
    loads = {n.attr: n.type for n in kernel.body.find("load")}
    effects = {e.attr: e.type for e in kernel.body.outputs}
    operands = {x.name: x for x in kernel.operands}
    if operands.keys() != loads.keys() | effects.keys():
        yield f"its operands {sorted(operands)} are not what its body mentions"
        return
    for name, operand in operands.items():
        reads, writes = operand.access in ("in", "in-out"), operand.access != "in"
        if reads != (name in loads) or writes != (name in effects):
            yield f"operand {name!r} is {operand.access}, and its body uses it otherwise"
        if any(table.get(name, operand.type) != operand.type for table in (loads, effects)):
            yield f"operand {name!r} is {operand.type}, and its body uses it as another type"
        if (operand.access == "partial") != (operand.combine is not None):
            yield f"operand {name!r} says how parts are combined if and only if it has parts"
    if set(kernel.scalars) != {n.attr for n in kernel.body.find("scalar")}:
        yield "its scalars are not those of its body"


def _kind_faults(kernel: Kernel) -> Iterator[str]:
    body = kernel.body
    if (kernel.kind == "xla") != (kernel.view is None):
        yield "a kernel has a view unless it is left to xla"
    if kernel.view and body.rank != kernel.view.rank:
        yield f"its body has rank {body.rank}, its view {kernel.view.rank}"
    if kernel.kind == "settle" and any(is_large(n) for n in body.nodes()):
        yield "it settles small values only"
    if kernel.kind == "sweep":
        yield from _sweep_faults(kernel)
    elif kernel.partial:
        yield "only a sweep leaves a reduction partial"


def _sweep_faults(kernel: Kernel) -> Iterator[str]:
    """A sweep is cut into tiles that know nothing of each other."""
    for n in reductions_used(kernel.body):
        yield f"{n!r} uses a reduction that is still partial"
    for n in kernel.body.nodes():
        if is_reduction(n) and not is_statistic(n):
            yield f"{n!r} reduces what every tile would have to compute"
    access = {x.name: x.access for x in kernel.operands}
    for effect in kernel.body.outputs:
        if is_effect(effect) and not _is_left_to_one_tile(effect, access.get(effect.attr)):
            yield f"{effect!r} would be written by one tile while others read it"


def _is_left_to_one_tile(effect: Node, access: str | None) -> bool:
    return is_large(effect) or access == "partial"
