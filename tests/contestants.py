"""Stand-ins: a clock that only contestants move, and contestants with a speed of their own."""

import pytest

from optgen.tools.timing import Contestant, Costs


class Clock:
    """Returns the seconds that fake contestants have used up."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Fake(Contestant):
    """Takes the given seconds for each step, over and over, and writes down when it ran."""

    def __init__(self, name, clock, times, log=None, ours=False, protocol="step"):
        self.name, self.clock, self.ours, self.protocol = name, clock, ours, protocol
        self.times, self.log = list(times), log if log is not None else []
        self.steps = self.waits = self.releases = 0
        self.parameters = None

    def prepare(self, work):
        return Costs(build=0.5)

    def allocate(self, work):
        pass

    def step(self):
        self.clock.now += self.times[self.steps % len(self.times)]
        self.steps += 1
        self.log.append(self.name)

    def wait(self):
        self.waits += 1

    def release(self):
        self.releases += 1

    def current(self):
        return None if self.parameters is None else iter(self.parameters)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def fake(clock):
    """Makes a contestant: `fake("optax", [0.02])`."""
    return lambda name, times, **options: Fake(name, clock, times, **options)
