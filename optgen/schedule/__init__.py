"""The schedule: kernel sequences, chosen by counting bytes, and the plan of a tree.

    leaf program ──stages──▶ steps ──sequence──▶ kernel sequence ──launches──▶ plan

``levels``, ``covers``, ``problem`` and ``search`` choose the stages; ``stages`` writes the body
of each step; ``sequence`` makes items over buffers of them, ``check`` says when those are legal,
and ``text`` prints and parses them; ``interpret`` runs them in NumPy, tile by tile and in place.
``plan`` and ``explanation`` read the runtime's launch list.
"""

from optgen.schedule.leaf import LeafProgram
from optgen.schedule.plan import Plan
from optgen.schedule.sequence import Schedule, schedule

__all__ = ["LeafProgram", "Plan", "Schedule", "schedule"]
