"""Whether a leaf stays in the vector memory of a TPU, as the launches of its kernels decide it."""

from __future__ import annotations

from collections.abc import Sequence

from optgen.ir.evaluate import Dtypes
from optgen.runtime.execution.tpu.choice import chosen
from optgen.runtime.vocabulary import kernels
from optgen.schedule.kernel import kernel_of
from optgen.schedule.stages import Step


def stays_in_vmem(
    staged: Sequence[Step], shape: tuple[int, ...], dtypes: Dtypes, room: int
) -> bool:
    """Whether each phase of a leaf is one launch.

    Args:
      staged: its steps where it does not stay; each has a view.
      shape: its shape.
      dtypes: what its symbolic dtypes stand for.
      room: the vector memory that a launch may take, in bytes.
    """
    routines = tuple(_routine(step, dtypes) for step in staged)
    chain = kernels.Chain(0, (dtypes.param, dtypes.grad, dtypes.real), routines)
    served = chosen(chain, shape, room)
    phases = {routine.phase for routine in routines}
    return served is not None and len(served.routines) == len(phases)


def _routine(step: Step, dtypes: Dtypes) -> kernels.Routine:
    kernel, grouping = kernel_of(step)
    assert grouping is not None
    operands = tuple(
        kernels.Operand(
            x.name,
            dtypes.numpy(x.type.dtype).name,
            x.type.axes,
            x.access,
            x.purpose,
            x.combine,
        )
        for x in kernel.operands
    )
    return kernels.Routine("", step.phase, kernel.kind, grouping.groups, operands, kernel.scalars)
