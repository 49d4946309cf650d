import itertools

import jax
import numpy as np
import pytest

from optgen.errors import UsageError
from optgen.tools import workloads
from optgen.tools.timing import Work, rounds
from optgen_bench import machine, runner
from optgen_bench.agreement import disagreements
from optgen_bench.results import ratios
from optgen_bench.roof import Roof, mix


@pytest.fixture
def work():
    return Work("100x100", workloads.tree("100x100"))


class FakeRoof(Roof):
    """Streams at 1 GB/s by the fake clock."""

    def __init__(self, clock, reads, writes):
        super().__init__(reads, writes)
        self.clock = clock

    def allocate(self, work):
        self._floats, self._passes, self.method = 10**6, 1, "fake"

    def step(self):
        self.clock.now += self.bytes_per_step / 1e9


@pytest.fixture
def run(clock, work):
    def run(contestants, **options):
        options = {"seconds": 0.0, "make_roof": None} | options
        return runner.run("case", work, contestants, clock=clock, pause=lambda: None, **options)

    return run


def test_a_ratio_is_the_peers_median_over_ours(fake, run):
    found = run(
        [
            fake("optgen", [1.0], ours=True),
            fake("optgen-update", [8.0], ours=True, protocol="update"),
            fake("optax", [2.5], protocol="update"),
            fake("torch-fused", [0.5]),
        ]
    )
    values = {(r.ours, r.peer): r.value for r in found.ratios}
    assert values == {
        ("optgen", "optax"): 2.5,
        ("optgen", "torch-fused"): 0.5,
        ("optgen-update", "optax"): 2.5 / 8,
        ("optgen-update", "torch-fused"): 0.5 / 8,
    }
    losses = [(r.ours, r.peer) for r in found.ratios if r.peer_wins]
    assert losses == [
        ("optgen", "torch-fused"),
        ("optgen-update", "optax"),
        ("optgen-update", "torch-fused"),
    ]


def test_several_targets_are_each_compared(fake, run):
    ours = [fake("optgen-cpu", [1.0], ours=True), fake("optgen-xla", [2.0], ours=True)]
    found = run([*ours, fake("optax", [2.0])])
    assert {(r.ours, r.value) for r in found.ratios} == {("optgen-cpu", 2.0), ("optgen-xla", 1.0)}


def test_a_ratio_within_the_spread_says_so(fake, run):
    contestants = [fake("optgen", [1.0, 2.0, 3.0], ours=True), fake("optax", [1.5, 2.5, 3.5])]
    (ratio,) = run(contestants, seconds=50.0).ratios
    assert ratio.within_spread
    (ratio,) = run([fake("optgen", [1.0], ours=True), fake("optax", [2.0])]).ratios
    assert not ratio.within_spread


def test_rates_and_shares_count_the_plan_or_else_the_floor(fake, run, clock, work):
    def contestants(planned):
        ours = fake("optgen", [1e-3], ours=True)
        ours.state = lambda work: work.tree  # one slot
        ours.plan = lambda work: planned
        return [ours, fake("optax", [2e-3])]

    def make_roof(reads, writes):
        return FakeRoof(clock, reads, writes)

    floor = run(contestants(None), make_roof=make_roof)
    assert floor.floor_bytes_per_parameter == 20.0
    assert floor.planned_bytes_per_parameter is None
    assert (floor.roof.reads, floor.roof.writes) == (3, 2)
    assert floor.roof.bytes_per_second == pytest.approx(1e9)
    assert floor.measurements[0].bytes_per_second == pytest.approx(20 * 1e4 / 1e-3)
    assert floor.measurements[0].roof_share == pytest.approx(0.2)
    assert floor.measurements[1].roof_share == pytest.approx(0.1)
    assert floor.roof_seconds == pytest.approx(2e-4)
    planned = run(contestants((32.0, 8.0)), make_roof=make_roof)
    assert planned.measurements[0].roof_share == pytest.approx(0.4)
    assert (planned.floor_bytes_per_parameter, planned.bytes_per_parameter) == (20.0, 40.0)
    assert (planned.roof.reads, planned.roof.writes) == (4, 1)


def test_the_roof_takes_its_turn_in_every_round(fake, run, clock):
    log = []

    class Logged(FakeRoof):
        def step(self):
            log.append("roof")
            super().step()

    contestant = fake("optgen", [1.0], ours=True, log=log)
    contestant.state = lambda work: work.tree
    run([contestant], make_roof=lambda reads, writes: Logged(clock, reads, writes))
    last = log[-1]
    measured = [name for name, _ in itertools.groupby(log)]  # the roof is quick: many at a time
    assert measured.count("roof") >= rounds.LEAST_ROUNDS // 2
    assert last in ("optgen", "roof")


@pytest.mark.parametrize("phase", ["prepare", "allocate"])
def test_a_peer_that_fails_is_absent_with_its_reason(fake, run, phase):
    broken = fake("torch-fused", [1.0])

    def fail(work):
        raise RuntimeError("no fused kernel\nfor this device")

    setattr(broken, phase, fail)
    found = run([fake("optgen", [1.0], ours=True), broken], absent={"optax": "optax has no such"})
    assert [m.name for m in found.measurements] == ["optgen"]
    assert found.absent == {
        "optax": "optax has no such",
        "torch-fused": "RuntimeError: no fused kernel",
    }


def test_ours_failing_is_an_error(fake, run):
    ours = fake("optgen", [1.0], ours=True)

    def step():
        raise RuntimeError("boom")

    ours.step = step
    with pytest.raises(RuntimeError, match="boom"):
        run([ours])
    assert ours.releases == 1


def test_everything_is_released(fake, run):
    contestants = [fake("optgen", [1.0], ours=True), fake("optax", [1.0])]
    run(contestants)
    assert [p.releases for p in contestants] == [1, 1]


def test_a_tree_that_does_not_fit_is_refused_before_anything_runs(fake, monkeypatch):
    monkeypatch.setattr(machine, "available_memory", lambda: 16 * 10**9)
    contestant = fake("optgen", [1.0], ours=True)
    with pytest.raises(UsageError, match=r"llama3-8b in float32 needs about 32\.1 GB .*smaller"):
        runner.run("adamw", Work("llama3-8b", workloads.tree("llama3-8b")), [contestant])
    assert contestant.steps == 0


def test_memory_is_counted_again_when_the_state_is_known(fake, run, monkeypatch):
    monkeypatch.setattr(machine, "available_memory", lambda: 10**6)
    greedy, seen = fake("optgen", [1.0], ours=True), []
    greedy.prepare = lambda work: seen.append("prepared")
    greedy.memory = lambda work: 10**7 if seen else 0
    with pytest.raises(UsageError, match=r"needs about 0\.0 GB for 1 contestants"):
        run([greedy])
    assert seen == ["prepared"]
    assert greedy.steps == 0


@pytest.mark.parametrize(
    ("reads", "writes", "itemsize", "streams"),
    [
        (16, 12, 4, (4, 3)),  # AdamW, float32
        (12, 8, 4, (3, 2)),  # Lion
        (8.01, 4.01, 4, (2, 1)),  # Adafactor: its factored slots are next to nothing
        (8, 6, 2, (4, 3)),  # AdamW, bf16
        (16, 8, 4, (2, 1)),  # reduced: 4 and 2 have the same mix
        (80, 12, 4, (8, 1)),  # limited
        (4, 0, 4, (1, 1)),  # a step writes something
    ],
)
def test_mix(reads, writes, itemsize, streams):
    assert mix(reads, writes, itemsize) == streams


def parameters_after(work, factor):
    """The parameters after an update of `factor` times a thousandth of each gradient."""
    return [
        p - factor * 1e-3 * g
        for p, g in zip(
            jax.tree.leaves(work.parameters()), jax.tree.leaves(work.gradients()), strict=True
        )
    ]


@pytest.mark.parametrize(("factor", "agrees"), [(1.0, True), (1.0005, True), (1.1, False)])
def test_parameters_must_agree_with_optax(fake, work, factor, agrees):
    ours, optax = fake("optgen", [1.0], ours=True), fake("optax", [1.0])
    ours.parameters = parameters_after(work, factor)
    optax.parameters = parameters_after(work, 1.0)
    found = disagreements([ours, optax], work)
    assert bool(found) is not agrees
    assert all("optgen differs from optax after one step" in line for line in found)


def test_a_nan_is_a_disagreement(fake, work):
    ours, optax = fake("optgen", [1.0], ours=True), fake("optax", [1.0])
    ours.parameters = [np.full((100, 100), np.nan, np.float32)]
    optax.parameters = parameters_after(work, 1.0)
    assert len(disagreements([ours, optax], work)) == 1


def test_nothing_is_compared_without_optax(fake, work):
    ours = fake("optgen", [1.0], ours=True)
    ours.parameters = parameters_after(work, 7.0)
    assert disagreements([ours], work) == []


def test_ratios_of_nothing():
    assert ratios([]) == []


def test_on_a_gpu_a_copy_is_measured_in_the_same_run(fake, run, clock, monkeypatch):
    class FakeCopy(FakeRoof):
        name = "copy"

        def __init__(self):
            super().__init__(clock, 1, 1)

    ours = fake("optgen", [1e-3], ours=True)
    ours.state = lambda work: work.tree
    monkeypatch.setattr(runner, "Copy", FakeCopy)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    found = run([ours], make_roof=lambda reads, writes: FakeRoof(clock, reads, writes))
    assert (found.copy.reads, found.copy.writes) == (1, 1)
    assert found.copy.bytes_per_second == pytest.approx(1e9)
    assert (found.roof.reads, found.roof.writes) == (3, 2)
