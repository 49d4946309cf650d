"""The plan: stages, views and buckets, chosen by counting bytes; and the kernel program.

    leaf programs ──stages──▶ steps ──views──▶ kernels ──buckets──▶ launches

``plan`` is the recipe. ``levels``, ``covers``, ``problem`` and ``search`` choose the stages;
``stages`` writes the body of each step; ``kernel`` says what a target is given, and ``check``
when that is legal; ``cost`` counts bytes; ``machine`` is all that is known of the hardware;
``resident`` asks a TPU's launches whether a leaf stays in its vector memory; ``interpret`` runs a
plan in NumPy, tile by tile and in place.
"""

from optgen.schedule.kernel import Kernel, Launch, Operand
from optgen.schedule.leaf import Leaf, LeafProgram, Mode
from optgen.schedule.machine import MACHINES, Machine, machine, this_machine
from optgen.schedule.plan import Plan, plan
from optgen.schedule.views import Layout, View

__all__ = [
    "MACHINES",
    "Kernel",
    "Launch",
    "Layout",
    "Leaf",
    "LeafProgram",
    "Machine",
    "Mode",
    "Operand",
    "Plan",
    "View",
    "machine",
    "plan",
    "this_machine",
]
