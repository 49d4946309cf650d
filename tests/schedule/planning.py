"""Plans leaf programs that tests write by hand, as compiling a rule would."""

from dataclasses import dataclass, field

from optgen.ir.evaluate import Dtypes
from optgen.ir.program import Program
from optgen.passes.dimensions import view
from optgen.runtime.execution import cpu
from optgen.runtime.execution.targets import TARGETS, machine
from optgen.runtime.vocabulary.launches import (
    Launch,
    PlacedLeaf,
    Run,
    in_order,
    left_to_xla,
    why_left_to_xla,
)
from optgen.runtime.vocabulary.machine import Limits, Machine
from optgen.runtime.vocabulary.sequence import Buffer, Item, KernelSequence
from optgen.runtime.vocabulary.view import Groups
from optgen.schedule import LeafProgram, Plan, schedule
from optgen.schedule.check import check_schedule
from optgen.schedule.sequence import name_functions, unscheduled

FLOAT32 = Dtypes()
CPU = Machine("cpu", "a CPU", "cpu", 1e10, 1e-6, cpu.TARGET.limits(), "a round figure")
ON_CHIP = Machine("chip", "a chip that holds every leaf", "chip", 1e12, 1e-6, Limits(), "no one")


@dataclass(frozen=True)
class Leaf:
    """A leaf, its program by its place, and how the program sees it if it is of a view already."""

    name: str
    shape: tuple[int, ...]
    dtypes: Dtypes = FLOAT32
    program: int = 0
    groups: Groups | None = None


@dataclass(frozen=True)
class Planned:
    """A plan, what it was made of, and the bodies of all its functions."""

    plan: Plan
    programs: tuple[LeafProgram, ...]
    members: tuple[Leaf, ...]
    bodies: dict[str, Program] = field(repr=False)

    @property
    def leaves(self):
        return self.plan.leaves

    @property
    def launches(self):
        return self.plan.launches


def on_chip(leaves, limits):
    """One launch for each leaf and phase, within which nothing leaves the chip."""
    result = []
    for place, leaf in enumerate(leaves):
        if reason := why_left_to_xla(leaf):
            result += left_to_xla(place, leaf, reason)
            continue
        for phase in range(leaf.sequence.phases):
            if kernels := leaf.sequence.of_phase(phase):
                result.append(Launch(phase, (Run(place, kernels, resident=True),)))
    return in_order(result)


def viewed(program):
    """The program over the dimensions of a view, its groups, and why no kernels see leaves so."""
    seen = view([program.update, *program.partials])
    update, *partials = seen.programs
    return LeafProgram(update, tuple(partials)), seen.groups, seen.reason


def portable(program, variant, mode, dtypes, dimensions):
    """The sequence in which every phase is left to XLA, and its bodies."""
    buffers, items, bodies = {}, [], {}
    for phase, body in enumerate(program.phases):
        loads = {n.attr: n for n in body.find("load")}
        effects = {e.attr: e for e in body.outputs}
        for name, n in (loads | effects).items():
            lifetime = "contribution" if n.op == "emit" else "leaf"
            buffers[name] = Buffer(name, dtypes.numpy(n.type.dtype).name, n.type.axes, lifetime)
        if not effects:
            continue
        function = f"{program.name}_{variant}_{dtypes.param}_phase_{phase}"
        bodies[function] = body
        items.append(
            Item(
                "xla",
                function,
                phase,
                reads=tuple(n for n in loads if n not in effects),
                updates=tuple(n for n in loads if n in effects),
                writes=tuple(n for n in effects if n not in loads),
                scalars=tuple(n.attr for n in body.find("scalar")),
                reason="XLA compiles its jnp functions",
            )
        )
    triple = (dtypes.param, dtypes.grad, dtypes.real)
    listed = tuple(buffers.values())
    return KernelSequence(variant, mode, triple, listed, tuple(items), dimensions), bodies


def plan(programs, leaves, on="h200", mode="step"):
    """Plans a step of these leaves.

    Args:
      programs: over the axes of leaves, or over dimensions where leaves say what those are.
      leaves: each names its program by its place.
      on: a machine, or its name.
      mode: ``step`` or ``update``.
    """
    on = on if isinstance(on, Machine) else machine(on)
    kinds = list(dict.fromkeys((leaf.program, leaf.dtypes, leaf.groups) for leaf in leaves))
    scheduled, portables, bodies, groups = {}, {}, {}, {}
    for kind in kinds:
        number, dtypes, given = kind
        seen, groups[kind], reason = viewed(programs[number])
        if given is not None:
            seen, groups[kind], reason = programs[number], given, ""
        rank = len(groups[kind])
        portables[kind], own = portable(seen, number, mode, dtypes, rank)
        bodies |= own
        scheduled[kind] = reason or schedule(seen, number, mode, dtypes)
    ready = {kind: made for kind, made in scheduled.items() if not isinstance(made, str)}
    named = name_functions([(programs[k[0]].name, made) for k, made in ready.items()])
    ready = dict(zip(ready, map(check_schedule, named), strict=True))
    placed = []
    for leaf in leaves:
        kind = (leaf.program, leaf.dtypes, leaf.groups)
        if kind in ready:
            sequence = ready[kind].sequence
            bodies |= {kernel.function: body for kernel, body in ready[kind]}
        else:
            sequence = unscheduled(leaf.program, mode, leaf.dtypes, "leaf", scheduled[kind])
        placed.append(PlacedLeaf(sequence, leaf.shape, groups[kind], portables[kind]))
    launches = on_chip if on is ON_CHIP else TARGETS[on.target].launches
    names = tuple(leaf.name for leaf in leaves)
    made = Plan(mode, on.target, on, names, tuple(placed), launches(placed, on.limits))
    return Planned(made, tuple(programs), tuple(leaves), bodies)


def plan_leaf(program, shape=(4096, 4096), on="h200", dtypes=None, mode="step"):
    """Plans a step of one leaf."""
    return plan([program], [Leaf("leaf", shape, dtypes or Dtypes())], on, mode)
