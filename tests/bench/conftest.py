"""Stand-ins: a clock that only contestants move, and contestants with a speed of their own."""

import datetime

import optax
import pytest

from optgen_bench import records
from optgen_bench.cases import Case
from optgen_bench.contestants import Contestant
from optgen_bench.results import ratios
from optgen_bench.spread import spread


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
        return records.Costs(build=0.5)

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


class Stepping(optax.GradientTransformationExtraArgs):
    """optax's optimizer with optgen's `step`."""

    __slots__ = ()

    def step(self, gradients, state, parameters):
        updates, state = self.update(gradients, state, parameters)
        return optax.apply_updates(parameters, updates), state


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def fake(clock):
    """Makes a contestant: `fake("optax", [0.02])`."""
    return lambda name, times, **options: Fake(name, clock, times, **options)


@pytest.fixture
def sgd_case():
    """Makes a case whose optgen is optax behind optgen's interface, at a learning rate."""

    def make(ours=0.1, theirs=0.1):
        inner = optax.sgd(ours, momentum=0.9)
        return Case(
            "sgd",
            lambda target: Stepping(inner.init, inner.update),
            lambda: optax.sgd(theirs, momentum=0.9),
        )

    return make


@pytest.fixture
def make_report():
    """Makes a report of one case from the median of each contestant, in seconds."""

    def make(medians=None, planned=28.0):
        medians = medians or {"optgen": 0.010, "optax": 0.020, "torch-fused": 0.008}
        measured = [
            records.Measurement(
                name=name,
                protocol="step",
                ours=name.startswith("optgen"),
                time=spread([0.99 * seconds, seconds, 1.01 * seconds]),
                bytes_per_second=28e6 / seconds,
                roof_share=28e6 / seconds / 4e9,
                launches=1 if name == "optgen" else None,
                costs=records.Costs(0.1, 0.2, 0.3, 0.4, 10**8),
            )
            for name, seconds in medians.items()
        ]
        roof = records.Roof("c", 4, 3, 4 * 10**6, spread([0.007]), 4e9, {"c": 4e9, "jnp": 1e9})
        case = records.Case(
            case="adamw",
            work="1000x1000",
            dtype="float32",
            leaves=1,
            parameters=10**6,
            floor_bytes_per_parameter=28.0,
            planned_bytes_per_parameter=planned,
            roof=roof,
            measurements=measured,
            ratios=ratios(measured),
            absent={"torch-foreach": "torch is not installed"},
            failures=[],
        )
        host = records.Machine(
            "A CPU", 8, 8, 2**33, "Linux 6", "3.11.9", "cpu", "cpu", 0.0, {"jax": "1.0"}, {}
        )
        date = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.UTC).isoformat()
        return records.Report(date, 10.0, host, [case])

    return make
