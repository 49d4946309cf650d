"""Schedules of updates: kernels compute what comes before the last sweep, which is jnp."""

import pytest

import optgen
from optgen import dsl
from optgen.compile import distinct_dtypes, lower
from optgen.emit.kernels import ONE_SWEEP, last_sweeps, schedule_all
from optgen.schedule import schedule
from optgen.zoo import STOCK
from tests.schedule import rules
from tests.schedule.planning import FLOAT32, viewed
from tests.schedule.test_stock_rules import RULES

SHAPES = [(5, 3), (2, 4, 5), (7,)]


def scheduled(tx, shapes=SHAPES):
    import jax

    specs = tx.trees.specs([jax.ShapeDtypeStruct(shape, "float32") for shape in shapes])
    lowered, _ = lower(tx.instance.composition, specs)
    return lowered, schedule_all(lowered, distinct_dtypes(specs, lowered))


@pytest.mark.parametrize("name", RULES)
def test_the_last_sweep_reads_whole_arrays_and_kernels_are_those_of_a_step(name):
    _, made = scheduled(RULES[name])
    for update in (s for s in made.schedules if s.sequence.mode == "update"):
        *kernels, last = update.sequence.kernels
        assert [k.kind for k in (*kernels, last)].count("xla") == 1
        assert last.ends_update
        assert not any(x.buffer.combine for x in last.operands if x.read)
        assert "update" in {x.name for x in last.operands if x.written}
        (step,) = (
            s
            for s in made.schedules
            if s.sequence.mode == "step" and s.sequence.variant == update.sequence.variant
        )
        sweeps = [k.function for k in kernels if k.kind == "sweep"]
        assert sweeps == [k.function for k in step.sequence.kernels if k.kind == "sweep"][:-1]


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "lion", "nadam", "rmsprop", "adagrad"])
def test_an_update_of_one_sweep_has_no_kernels(name):
    _, made = scheduled(STOCK[name](learning_rate=1e-3))
    (update,) = (s for s in made.others if s.mode == "update")
    assert update.reason == ONE_SWEEP
    assert not [s for s in made.schedules if s.sequence.mode == "update"]


def test_clipping_leaves_the_whole_update_to_its_own_function():
    lowered, made = scheduled(RULES["clipped adamw"])
    (update,) = (s for s in made.schedules if s.sequence.mode == "update")
    assert [k.kind for k in update.sequence.kernels] == ["sweep", "xla"]
    assert update.sequence.kernels[-1].function == lowered.variants[0].name
    assert last_sweeps(lowered, made.schedules) == [{}]


def test_factors_are_small_values_that_depend_on_statistics():
    program, _, _ = viewed(rules.adafactor(2, 0, 1, mode="update"))
    update = schedule(program, 0, "update", FLOAT32)
    *_, factors, last = update.sequence.kernels
    assert factors.kind == "finalize"
    written = {x.name for x in factors.operands if x.written}
    assert written == {x.name for x in last.operands if x.lifetime == "statistic"}
    assert {x.name for x in last.operands if x.lifetime == "leaf"} == {"g", "update"}


@dsl.rule
def shrinking(g, p, *, rate):
    """A slot whose old value the last sweep reads, and whose next one statistics decide."""
    size = dsl.state("size", like=dsl.constant(0.0), init=1.0)
    size.next = 0.5 * size + dsl.norm(g) + dsl.max(p)
    return -rate * size * g / dsl.norm(p)


def test_a_small_slot_that_is_read_in_the_last_sweep_is_stored_by_it():
    """The norm of g, which nothing else needs, is computed there too."""
    _, made = scheduled(shrinking(0.1), [(5, 3)])
    (update,) = (s for s in made.schedules if s.sequence.mode == "update")
    (_, factors, last) = update.sequence.kernels
    assert "size" in {x.name for x in last.operands if x.written}
    assert "size" not in {x.name for x in factors.operands if x.written}
    assert not any(x.buffer.combine for x in last.operands)


@dsl.rule
def scaled_by_sum(g, p, *, rate):
    """A statistic that large values are multiplied by as it is."""
    return -rate * g * dsl.sum(g, axis=1)


def test_a_statistic_itself_is_combined_before_it_is_read():
    _, made = scheduled(scaled_by_sum(0.1), [(5, 3)])
    (update,) = (s for s in made.schedules if s.sequence.mode == "update")
    assert [k.kind for k in update.sequence.kernels] == ["sweep", "finalize", "xla"]
    assert "g_row_sums_combined" in {x.name for x in update.sequence.kernels[-1].operands}


def test_a_step_ends_in_a_kernel():
    for tx in (optgen.lamb(1e-3), optgen.adafactor(1e-3)):
        _, made = scheduled(tx)
        steps = [s for s in made.schedules if s.sequence.mode == "step"]
        assert steps
        assert not [k for s in steps for k in s.sequence.kernels if k.kind == "xla"]
