import gc
import itertools

import pytest

from optgen.tools.timing import DISPATCHED, ON_DEVICE, overlap, rounds, spread, uncertainty


def no_rest():
    pass


def test_every_round_has_everyone_once_and_nobody_is_always_first(fake):
    contestants = [fake(name, [1.0]) for name in "abc"]
    orders = [
        "".join(c.name for c in order)
        for order in itertools.islice(rounds.rotations(contestants), 6)
    ]
    assert orders == ["abc", "acb", "cab", "cba", "bca", "bac"]


def test_steps_are_interleaved_in_those_orders(fake, clock):
    log = []
    contestants = [fake(name, [1.0], log=log) for name in "ab"]
    rounds.measure(contestants, seconds=0.0, clock=clock, rest=no_rest)
    warm_up = len(log) - 2 * rounds.LEAST_ROUNDS
    assert "".join(log[warm_up:]) == "ababababab"[: 2 * rounds.LEAST_ROUNDS]


def test_medians_and_quartiles_are_those_of_the_samples(fake, clock):
    contestant = fake("a", [1.0, 2.0, 3.0, 4.0])  # warm-up takes one round of the four
    found = rounds.measure([contestant], seconds=11.0, clock=clock, rest=no_rest)["a"]
    assert found.samples == 5  # 1 + 2 + 3 + 4 seconds leave room for one more of 1
    assert (found.lower, found.median, found.upper) == (1.0, 2.0, 3.0)


def test_the_budget_ends_the_run_but_not_before_the_least_rounds(fake, clock):
    slow = rounds.measure([fake("a", [100.0])], seconds=1.0, clock=clock, rest=no_rest)
    assert slow["a"].samples == rounds.LEAST_ROUNDS
    noisy = rounds.measure([fake("a", [1.0, 2.0])], seconds=60.0, clock=clock, rest=no_rest)
    assert noisy["a"].samples == 40


def test_a_small_spread_ends_the_run_early(fake, clock):
    steady = rounds.measure([fake("a", [1.0])], seconds=1e6, clock=clock, rest=no_rest)
    assert steady["a"].samples == rounds.ENOUGH_ROUNDS


def test_one_noisy_contestant_keeps_the_others_running(fake, clock):
    contestants = [fake("steady", [1.0]), fake("noisy", [1.0, 3.0])]
    found = rounds.measure(contestants, seconds=300.0, clock=clock, rest=no_rest)
    assert found["steady"].samples == found["noisy"].samples > rounds.ENOUGH_ROUNDS


def test_short_steps_are_timed_many_at_a_time(fake, clock):
    contestant = fake("a", [2**-13])
    found = rounds.measure([contestant], seconds=0.0, clock=clock, rest=no_rest)["a"]
    assert found.steps_per_sample == 17
    assert found.median == 2**-13
    assert contestant.waits < contestant.steps / 2  # waited for at the end of each sample


def test_a_step_too_short_for_the_clock_does_not_divide_by_zero(fake, clock):
    assert rounds.warm_up(fake("a", [0.0]), clock) == DISPATCHED.most_steps


def test_there_is_a_rest_before_every_sample(fake, clock):
    rests = []
    contestants = [fake(name, [1.0]) for name in "abc"]
    rounds.measure(contestants, seconds=0.0, clock=clock, rest=lambda: rests.append(clock()))
    assert len(rests) == 3 * rounds.LEAST_ROUNDS


def test_a_rest_is_not_counted(fake, clock):
    def rest():
        clock.now += 50.0

    assert rounds.measure([fake("a", [1.0])], 0.0, clock, rest)["a"].median == 1.0


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_is_left_as_it_was(fake, clock, enabled):
    class Boom(Exception):
        pass

    contestant = fake("a", [1.0])
    seen = []

    def rest():
        seen.append(gc.isenabled())
        if len(seen) == 2:
            raise Boom

    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        with pytest.raises(Boom):
            rounds.measure([contestant], 0.0, clock, rest)
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()
    assert seen == [False, False]


def test_spread_of_one_sample_is_that_sample():
    assert (spread([2.0]).lower, spread([2.0]).median, spread([2.0]).upper) == (2.0, 2.0, 2.0)


def test_uncertainty_shrinks_with_more_samples():
    assert uncertainty([1.0, 2.0]) == float("inf")
    few, many = [1.0, 1.1, 0.9, 1.05] * 2, [1.0, 1.1, 0.9, 1.05] * 32
    assert uncertainty(many) == pytest.approx(uncertainty(few) / 4)


def test_ranges_overlap_where_they_share_a_point():
    assert overlap(spread([1.0, 2.0, 3.0]), spread([2.0, 3.0, 4.0]))
    assert not overlap(spread([1.0, 2.0, 3.0]), spread([11.0, 12.0, 13.0]))


def test_on_a_device_samples_are_long_and_their_length_is_found_anew(fake, clock):
    class Queued(type(fake("a", [1.0]))):
        """Each call takes a millisecond to dispatch, each step 100 microseconds on the device."""

        counts = ()

        def take(self, count):
            clock.now += 1e-3 + 1e-4 * count
            self.counts += (count,)

    contestant = Queued("a", clock, [1.0])
    found = rounds.measure([contestant], 0.0, clock, no_rest, ON_DEVICE)["a"]
    assert contestant.counts[0] == 1
    assert found.steps_per_sample >= 900
    assert found.median == pytest.approx(1e-4, rel=0.02)
    assert found.median * found.steps_per_sample >= 0.9 * ON_DEVICE.least_sample
