"""Emits the kernels of an optimizer: schedules them, for all targets alike, and prints them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from optgen.emit.lowered import Lowered
from optgen.ir.evaluate import Dtypes
from optgen.ir.program import Program
from optgen.runtime.vocabulary.sequence import Kernel, KernelSequence, Mode
from optgen.runtime.vocabulary.text import Entry
from optgen.schedule.check import check_schedule
from optgen.schedule.sequence import Schedule, name_functions, schedule, unscheduled

MODES: tuple[Mode, ...] = ("step", "update")

ONE_SWEEP = "one sweep, which XLA fuses with what takes the updates"
REDUCED = "its last sweep, which XLA fuses with what takes the updates, is reduced over the tree"
"""The reasons for having no kernels for an update: see ``optgen.schedule.stages``."""


@dataclass(frozen=True)
class Emitter:
    """A target's part in emission.

    Attributes:
      target: the name of the target.
      ending: what the name of the file with the functions ends with, after that of the target.
      form: what ``optgen show --ir`` calls the source.
      language: that the source is in, as a highlighter of syntax calls it.
      source: prints that file, of the optimizer and of the schedules that the target serves.
      refuses: says why it has no kernels for a schedule; empty where it has.
    """

    target: str
    ending: str
    form: str
    language: str
    source: Callable[[Lowered, Sequence[Schedule]], str]
    refuses: Callable[[Schedule], str] = lambda schedule: ""


@dataclass(frozen=True)
class Scheduled:
    """The schedules of an optimizer.

    Attributes:
      schedules: of the variants that kernels are made for, for each mode and choice of dtypes.
      others: the sequences of those that are left to XLA.
    """

    schedules: tuple[Schedule, ...]
    others: tuple[KernelSequence, ...]

    def served(self, emitter: Emitter) -> tuple[Schedule, ...]:
        """The schedules that a target has kernels for."""
        return tuple(s for s in self.schedules if not emitter.refuses(s))

    def entries(self, emitters: Sequence[Emitter]) -> list[Entry]:
        """The sequences as tables have them, with what each target refuses."""
        entries = []
        for scheduled in self.schedules:
            reasons = {e.target: e.refuses(scheduled) for e in emitters}
            refusals = {target: reason for target, reason in reasons.items() if reason}
            entries.append(Entry(scheduled.sequence, refusals=refusals))
        return entries + [Entry(sequence) for sequence in self.others]


def schedule_all(lowered: Lowered, dtypes: Sequence[Dtypes]) -> Scheduled:
    """Schedules every variant, for each mode and each choice of dtypes; functions get names."""
    planned: list[tuple[str, Schedule]] = []
    others: list[KernelSequence] = []
    for mode in MODES:
        for number, variant in enumerate(lowered.variants):
            for kind in dtypes:
                reason = variant.reason
                if not reason:
                    own = schedule(lowered.program(number, mode), number, mode, kind)
                    reason = _why_left_to_xla(own)
                if reason:
                    others.append(unscheduled(number, mode, kind, variant.name, reason))
                else:
                    planned.append((variant.name, own))
    named = [check_schedule(_whole(lowered, s)) for s in name_functions(planned)]
    return Scheduled(tuple(named), tuple(others))


def _why_left_to_xla(scheduled: Schedule) -> str:
    """The reason for which an update has no kernels; empty where it has, and for a step."""
    kernels = scheduled.sequence.kernels
    if any(kernel.ends_update and kernel.contributes for kernel in kernels):
        return REDUCED
    return ONE_SWEEP if kernels[0].ends_update else ""


def _whole(lowered: Lowered, scheduled: Schedule) -> Schedule:
    """The schedule, with the variant's own function where its last sweep computes all of it."""
    *functions, _ = (kernel.function for kernel in scheduled.sequence.kernels)
    number = scheduled.sequence.variant
    if set(scheduled.bodies[-1].outputs) != set(lowered.leaf(number).outputs):
        return scheduled
    return scheduled.renamed([*functions, lowered.variants[number].name])


def last_sweeps(lowered: Lowered, schedules: Sequence[Schedule]) -> list[dict[str, Program]]:
    """The functions of ``jnp`` that end the updates of each variant, beside its own, by name."""
    own = {variant.name for variant in lowered.variants}
    functions: list[dict[str, Program]] = [{} for _ in lowered.variants]
    for planned in schedules:
        for kernel, body in planned:
            if kernel.kind == "xla" and kernel.function not in own:
                functions[planned.sequence.variant][kernel.function] = body
    return functions


def distinct_functions(
    schedules: Sequence[Schedule],
) -> Iterator[tuple[Kernel, Program, Dtypes]]:
    """Each function that kernels call, once: its kernel, its body, and its dtypes."""
    names: set[str] = set()
    for planned in schedules:
        for kernel, body in planned:
            if kernel.kind != "xla" and kernel.function not in names:
                names.add(kernel.function)
                yield kernel, body, Dtypes(*planned.sequence.dtypes)
