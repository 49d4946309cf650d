"""Launches as text, and as what JSON has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optgen.ir.text import text
from optgen.schedule.cost import traffic
from optgen.schedule.kernel import Launch


def launch_text(number: int, launch: Launch) -> str:
    """A launch for a reader: its operands and its body."""
    kernel = launch.kernel
    view = kernel.view.kind if kernel.view else f"left to xla: {kernel.why_xla}"
    lines = [
        f"launch {number}, phase {launch.phase + 1}: {kernel.kind}, {view}, "
        f"leaves {_ranges(launch.leaves)}{', in the launch before' if launch.joined else ''}"
    ]
    for x in kernel.operands:
        combine = f" by {x.combine}" if x.combine else ""
        lines.append(f"  {x.access}{combine} {x.name} : {x.type} ({x.purpose})")
    return "\n".join([*lines, text(kernel.body)])


def _ranges(numbers: Sequence[int]) -> str:
    """``0-2, 5`` for 0, 1, 2 and 5."""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and n == runs[-1][-1] + 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return ", ".join(f"{r[0]}-{r[-1]}" if len(r) > 1 else str(r[0]) for r in runs)


def launch_dict(launch: Launch) -> dict[str, Any]:
    """A launch as what JSON has."""
    kernel, moved = launch.kernel, traffic(launch)
    return {
        "phase": launch.phase,
        "kind": kernel.kind,
        "view": list(kernel.view.roles) if kernel.view else None,
        "why_xla": kernel.why_xla,
        "operands": [
            {
                "name": x.name,
                "type": str(x.type),
                "access": x.access,
                "purpose": x.purpose,
                "combine": x.combine,
            }
            for x in kernel.operands
        ],
        "scalars": list(kernel.scalars),
        "body": text(kernel.body),
        "dtypes": vars(launch.dtypes),
        "leaves": list(launch.leaves),
        "joined": launch.joined,
        "layouts": [{"extents": x.extents, "order": x.order} for x in launch.layouts],
        "reads": moved.reads,
        "writes": moved.writes,
    }
