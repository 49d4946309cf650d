"""One case from contestants to a record: prepare, check, measure, compare."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

import jax

from optgen.errors import UsageError
from optgen.tools import workloads
from optgen.tools.timing import (
    DISPATCHED,
    Clock,
    Contestant,
    Costs,
    Timing,
    Work,
    measure,
    rest,
    sample,
)
from optgen_bench import machine, records
from optgen_bench.agreement import disagreements
from optgen_bench.results import Finished, Traffic, traffic, widest
from optgen_bench.roof import Copy, Roof, mix

Notify = Callable[[str], None]
_MOST_OF_MEMORY = 0.9


def run(
    name: str,
    work: Work,
    contestants: Sequence[Contestant],
    absent: dict[str, str] | None = None,
    seconds: float = 10.0,
    make_roof: Callable[[int, int], Roof] | None = Roof,
    clock: Clock = time.perf_counter,
    pause: Callable[[], None] = rest,
    notify: Notify = lambda message: None,
    timing: Timing = DISPATCHED,
) -> records.Case:
    """Prepares and times the contestants of one case, interleaved with the roof.

    Args:
      name: of the case.
      work: the tree to step over.
      contestants: optgen's first; a peer that cannot be prepared is recorded as absent.
      absent: contestants that are known to be missing, with the reason.
      seconds: the time budget of the measurement itself.
      make_roof: makes the roof for a number of (reads, writes), or None to leave it out.
      clock: returns seconds.
      pause: is called before each sample.
      notify: is told what happens.
      timing: what a step's time includes.

    Raises:
      UsageError: where the trees do not fit into memory.
    """
    check_memory(work, contestants)
    missing = dict(absent or {})
    roofs: list[Roof] = []
    try:
        costs = _prepare(contestants, work, missing, notify)
        present = [c for c in contestants if c.name in costs]
        failures = disagreements(present, work)
        bytes_moved = traffic(present, work)
        roofs = _prepare_roofs(make_roof, bytes_moved, work)
        timed = [*present, *roofs]
        notify(f"{name} on {work.name}: measuring {', '.join(c.name for c in timed)}")
        times = measure(timed, seconds, clock, pause, timing)
        finished = Finished(name, work, present, costs, times, bytes_moved, roofs)
        return finished.record(missing, failures)
    finally:
        for contestant in [*contestants, *roofs]:
            contestant.release()


def check_memory(work: Work, contestants: Sequence[Contestant]) -> None:
    """Raises `UsageError` where parameters, gradients and states together would not fit."""
    available = machine.available_memory()
    gradients = workloads.tree_bytes(work.tree)
    needed = gradients + sum(c.memory(work) for c in contestants)
    if available is not None and needed > _MOST_OF_MEMORY * available:
        raise UsageError(
            f"{work.name} in {work.dtype} needs about {needed / 1e9:.1f} GB for "
            f"{len(contestants)} contestants, and {available / 1e9:.1f} GB are free. "
            "Choose a smaller tree or dtype, or fewer peers."
        )


def _prepare(
    contestants: Sequence[Contestant], work: Work, absent: dict[str, str], notify: Notify
) -> dict[str, Costs]:
    """Prepares all, takes one step of each, and returns the costs of those that can take part."""
    costs: dict[str, Costs] = {}
    for contestant in contestants:
        notify(f"{work.name}: compiling {contestant.name}")
        with _reported(contestant, absent):
            costs[contestant.name] = contestant.prepare(work)
    check_memory(work, [c for c in contestants if c.name in costs])
    for contestant in [c for c in contestants if c.name in costs]:
        notify(f"{work.name}: allocating {contestant.name}")
        with _reported(contestant, absent):
            contestant.allocate(work)
            sample(contestant, 1)
    return {name: cost for name, cost in costs.items() if name not in absent}


@contextlib.contextmanager
def _reported(contestant: Contestant, absent: dict[str, str]) -> Iterator[None]:
    """Turns a peer's failure, whatever it is, into the reason of its absence."""
    try:
        yield
    except Exception as error:
        if contestant.ours:
            raise
        absent[contestant.name] = f"{type(error).__name__}: {error}".partition("\n")[0]
        contestant.release()


def _prepare_roofs(
    make_roof: Callable[[int, int], Roof] | None, moved: Traffic | None, work: Work
) -> list[Roof]:
    """Returns the roof of the step's mix of reads and writes; and on a GPU, of a copy."""
    if make_roof is None or moved is None:
        return []
    roofs = [make_roof(*mix(*moved.counted, widest(work)))]
    if jax.default_backend() == "gpu":
        roofs.append(Copy())
    for roof in roofs:
        roof.allocate(work)
    return roofs
