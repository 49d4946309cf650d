"""Emits the kernels of an optimizer for one target: schedules them, prints them, tabulates them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from optgen.emit.lowered import Lowered
from optgen.emit.tables import tables
from optgen.ir.evaluate import Dtypes
from optgen.ir.program import Program
from optgen.runtime.vocabulary.sequence import Kernel, KernelSequence, Mode
from optgen.schedule.check import check_schedule
from optgen.schedule.sequence import Schedule, name_functions, schedule, unscheduled

MODES: tuple[Mode, ...] = ("step", "update")


@dataclass(frozen=True)
class Emitter:
    """A target's part in emission.

    Attributes:
      target: the name of the target.
      ending: what the name of the file with the functions ends with, after that of the tables.
      source: prints that file, of the optimizer and of the schedules of all its variants.
      refuses: says why it has no kernels for a schedule; empty where it has.
    """

    target: str
    ending: str
    source: Callable[[Lowered, Sequence[Schedule]], str]
    refuses: Callable[[Schedule], str] = lambda schedule: ""


@dataclass(frozen=True)
class Emission:
    """The kernels of an optimizer for one target.

    Attributes:
      schedules: of the variants that have kernels, for each mode and each choice of dtypes.
      others: the sequences of those that are left to XLA.
    """

    schedules: tuple[Schedule, ...]
    others: tuple[KernelSequence, ...]


def schedule_all(lowered: Lowered, dtypes: Sequence[Dtypes], emitter: Emitter) -> Emission:
    """Schedules every variant, for each mode and each choice of dtypes; functions get names."""
    planned: list[tuple[str, Schedule]] = []
    others: list[KernelSequence] = []
    for mode in MODES:
        for number, variant in enumerate(lowered.variants):
            for kind in dtypes:
                suffix = "" if len(dtypes) == 1 else f"_{kind.param}_{kind.grad}"
                reason = variant.reason
                if not reason:
                    made = schedule(lowered.program(number, mode), number, mode, kind)
                    reason = emitter.refuses(made)
                if reason:
                    others.append(unscheduled(number, mode, kind, variant.name, reason))
                else:
                    planned.append((f"{variant.name}{suffix}", made))
    named = [check_schedule(made) for made in name_functions(planned)]
    return Emission(tuple(named), tuple(others))


def emit_kernels(lowered: Lowered, dtypes: Sequence[Dtypes], emitter: Emitter) -> dict[str, str]:
    """The ``source`` of a target, and its ``tables`` with ``KERNELS``.

    Args:
      lowered: the programs of a tree.
      dtypes: for which dtypes of parameters and gradients to emit kernels.
      emitter: the target's.
    """
    emission = schedule_all(lowered, dtypes, emitter)
    sequences = [*(s.sequence for s in emission.schedules), *emission.others]
    return {
        "source": emitter.source(lowered, emission.schedules),
        "tables": tables(lowered.name, emitter.target, emitter.ending, sequences),
    }


def distinct_functions(
    schedules: Sequence[Schedule],
) -> Iterator[tuple[Kernel, Program, Dtypes]]:
    """Each function that schedules name, once: its kernel, its body, and its dtypes."""
    names: set[str] = set()
    for planned in schedules:
        for kernel, body in planned:
            if kernel.function not in names:
                names.add(kernel.function)
                yield kernel, body, Dtypes(*planned.sequence.dtypes)
