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

from optgen_bench.contestants import Contestant
from optgen_bench.records import Spread
from optgen_bench.spread import spread, uncertainty

Clock = Callable[[], float]

LEAST_ROUNDS = 5
ENOUGH_ROUNDS = 20  # before a small spread may end the run early
PRECISION = 0.005  # relative standard error of every median at which more rounds add nothing
LEAST_SAMPLE = 2e-3  # seconds; shorter steps are timed many at a time
MOST_STEPS = 500  # in one sample
_WARM_UP_STEPS = 3
_REST = 0.008  # seconds


def rest() -> None:
    """Waits until the last contestant's threads, which spin for more work, have gone to sleep."""
    time.sleep(_REST)


def measure(
    contestants: Sequence[Contestant],
    seconds: float,
    clock: Clock = time.perf_counter,
    rest: Callable[[], None] = rest,
) -> dict[str, Spread]:
    """Times prepared contestants against each other.

    Args:
      contestants: each with a name of its own.
      seconds: the budget; `LEAST_ROUNDS` rounds are made even where they take longer, and fewer
        seconds are used where every median is known to within `PRECISION`.
      clock: returns seconds; tests replace it.
      rest: is called before each sample.

    Returns:
      The quartiles of each contestant's samples, by name.
    """
    steps = {c.name: warm_up(c, clock) for c in contestants}
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


def warm_up(contestant: Contestant, clock: Clock = time.perf_counter) -> int:
    """Takes a few steps, and returns how many make a sample long enough to be timed."""
    sample(contestant, 1, clock)
    fastest = min(sample(contestant, 1, clock) for _ in range(_WARM_UP_STEPS))
    if fastest <= 0:
        return MOST_STEPS
    return min(MOST_STEPS, max(1, math.ceil(LEAST_SAMPLE / fastest)))


def sample(contestant: Contestant, steps: int, clock: Clock = time.perf_counter) -> float:
    """Returns seconds for each step, over some steps of which the last is waited for."""
    begin = clock()
    for _ in range(steps):
        contestant.step()
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
