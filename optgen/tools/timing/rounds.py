"""Interleaved timing: every contestant once in each round, in an order that changes.

What slows a machine for a second (a neighbour, a clock step) then slows every contestant alike,
and the medians stay comparable.
"""

from __future__ import annotations

import gc
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from optgen.tools.timing.contestants import Contestant
from optgen.tools.timing.modes import DISPATCHED, Timing
from optgen.tools.timing.samples import Spread, spread, uncertainty

Clock = Callable[[], float]

LEAST_ROUNDS = 5
ENOUGH_ROUNDS = 20  # before a small spread may end the run early
PRECISION = 0.005  # relative standard error of every median at which more rounds add nothing
_WARM_UP_SAMPLES = 3
_REST = 0.008  # seconds


def rest() -> None:
    """Waits until the last contestant's threads, which spin for more work, have gone to sleep."""
    time.sleep(_REST)


def measure(
    contestants: Sequence[Contestant],
    seconds: float,
    clock: Clock = time.perf_counter,
    rest: Callable[[], None] = rest,
    timing: Timing = DISPATCHED,
) -> dict[str, Spread]:
    """Times prepared contestants against each other.

    Args:
      contestants: each with a name of its own.
      seconds: the budget; `LEAST_ROUNDS` rounds are made even where they take longer, and fewer
        seconds are used where every median is known to within `PRECISION`.
      clock: returns seconds; tests replace it.
      rest: is called before each sample.
      timing: how long samples are.

    Returns:
      The quartiles of each contestant's samples, by name.
    """
    steps = {c.name: warm_up(c, clock, timing) for c in contestants}
    samples: dict[str, list[float]] = {c.name: [] for c in contestants}
    deadline = clock() + seconds
    with _no_collection():
        for order in rotations(contestants):
            for contestant in order:
                count = steps[contestant.name]
                rest()
                samples[contestant.name].append(sample(contestant, count, clock))
            if _finished(list(samples.values()), clock() >= deadline):
                break
    return {name: spread(times, steps[name]) for name, times in samples.items()}


def rotations(contestants: Sequence[Contestant]) -> Iterator[list[Contestant]]:
    """Yields the order of each round: rotated by one, and reversed in every other round.

    So nobody is always the first, and nobody always follows the same contestant.
    """
    order = list(contestants)
    for index in itertools.count():
        yield order[::-1] if index % 2 else list(order)
        order.append(order.pop(0))


def warm_up(
    contestant: Contestant, clock: Clock = time.perf_counter, timing: Timing = DISPATCHED
) -> int:
    """Takes a few steps, and returns how many make a sample long enough to be timed.

    On a device, one step alone takes what its dispatch does, and many take less each: the number
    is corrected once, and the first sample of a number is for compiling.
    """
    count = _enough(contestant, 1, clock, timing)
    if timing.on_device and count > 1:
        count = max(count, _enough(contestant, count, clock, timing))
        sample(contestant, count, clock)
    return count


def _enough(contestant: Contestant, count: int, clock: Clock, timing: Timing) -> int:
    """Returns how many steps make a sample, from samples of `count` steps."""
    sample(contestant, count, clock)
    fastest = min(sample(contestant, count, clock) for _ in range(_WARM_UP_SAMPLES))
    if fastest <= 0:
        return timing.most_steps
    return min(timing.most_steps, max(1, math.ceil(timing.least_sample / fastest)))


def sample(contestant: Contestant, steps: int, clock: Clock = time.perf_counter) -> float:
    """Returns seconds for each step, over some steps of which the last is waited for."""
    begin = clock()
    contestant.take(steps)
    contestant.wait()
    return (clock() - begin) / steps


def _finished(samples: Sequence[Sequence[float]], out_of_time: bool) -> bool:
    rounds = len(samples[0])
    if rounds < LEAST_ROUNDS:
        return False
    if out_of_time:
        return True
    return rounds >= ENOUGH_ROUNDS and max(map(uncertainty, samples)) < PRECISION


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keeps Python's garbage collector out of the samples."""
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
