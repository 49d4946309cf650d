"""Every plan computes what its programs mean, in place and tile by tile: hazards are respected."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optgen.ir.evaluate import Dtypes
from tests.schedule import rules
from tests.schedule.planning import CPU, ON_CHIP, Leaf, plan
from tests.schedule.running import WIDE, assert_same
from tests.schedule.strategies import SHAPE, chained_programs, leaf_programs

FLAT = [
    rules.adamw(),
    rules.adamw(clip=True),
    rules.lion(),
    rules.sgd_momentum(),
    rules.lamb(),
    rules.lamb(clip_after=True),
    rules.adafactor_unfactored(),
    rules.kahan_adamw(),
    rules.novograd(),
]
SHAPES = [(), (7,), (5, 3), (0,), (2, 3, 4), (3, 0)]
SHAPED = [
    (rules.adafactor(2, 0, 1), (5, 7)),
    (rules.adafactor(2, 1, 0), (7, 5)),
    (rules.adafactor(2, 0, 1, clip=True), (5, 7)),
    (rules.adafactor(2, 0, 1, dtype="bfloat16"), (5, 7)),
    (rules.adafactor(3, 1, 2), (2, 5, 7)),
    (rules.adafactor(3, 2, 0), (7, 2, 5)),
    (rules.adafactor(4, 2, 3), (3, 2, 4, 5)),
    (rules.adafactor(4, 1, 3), (3, 4, 2, 5)),
    (rules.adafactor(2, 0, 1), (0, 5)),
    (rules.sm3(1), (5,)),
    (rules.sm3(2), (4, 5)),
    (rules.sm3(3), (3, 4, 5)),
    (rules.sm3(4), (3, 2, 4, 5)),
    (rules.sm3(2, clip_by_block=True), (4, 5)),
    (rules.small_reductions(), (4, 5)),
    (rules.small_slots(), (4, 5)),
]
DTYPES = [Dtypes(), WIDE, Dtypes("bfloat16", "bfloat16", "float32")]
MACHINES = ("h200", CPU, ON_CHIP)


def plans(programs, leaves):
    """For every way in which kernels share launches."""
    return [plan(programs, leaves, on) for on in MACHINES]


@pytest.mark.parametrize("dtypes", DTYPES, ids=str)
@pytest.mark.parametrize("program", FLAT, ids=lambda p: p.name)
def test_flat_programs_on_leaves_of_every_shape(program, dtypes):
    leaves = [Leaf(f"leaf {shape}", shape, dtypes) for shape in SHAPES]
    for planned in plans([program], leaves):
        assert_same(planned, exact=dtypes != WIDE)


@pytest.mark.parametrize("dtypes", DTYPES, ids=str)
@pytest.mark.parametrize(("program", "shape"), SHAPED, ids=lambda x: getattr(x, "name", str(x)))
def test_programs_that_name_axes(program, shape, dtypes):
    for planned in plans([program], [Leaf("leaf", shape, dtypes)]):
        assert_same(planned, exact=dtypes != WIDE)


@pytest.mark.parametrize(("program", "shape"), SHAPED, ids=lambda x: getattr(x, "name", str(x)))
@pytest.mark.parametrize("tile", [1, 2, 3])
def test_tiles_know_nothing_of_each_other(program, shape, tile):
    assert_same(plan([program], [Leaf("leaf", shape, WIDE)]), tile=tile, exact=False)


@pytest.mark.parametrize("program", FLAT, ids=lambda p: p.name)
def test_flat_tiles(program):
    assert_same(plan([program], [Leaf("leaf", (3, 3), WIDE)]), tile=2, exact=False)


@settings(max_examples=150)
@given(st.one_of(leaf_programs(), chained_programs()), st.sampled_from(DTYPES), st.integers(0, 9))
def test_random_programs(program, dtypes, seed):
    for planned in plans([program], [Leaf("leaf", SHAPE, dtypes)]):
        assert_same(planned, seed)


@settings(max_examples=60)
@given(leaf_programs(roundings=0, size=5), st.integers(0, 9), st.integers(1, 3))
def test_random_programs_in_tiles(program, seed, tile):
    planned = plan([program], [Leaf("leaf", SHAPE, WIDE)])
    assert_same(planned, seed, tile=tile, exact=False)


def relaunched(planned, launches):
    return replace(planned, plan=replace(planned.plan, launches=tuple(launches)))


def test_a_plan_that_reads_what_it_overwrote_would_be_found_out():
    planned = plan([rules.lamb()], [Leaf("leaf", (4,), WIDE)])
    broken = relaunched(planned, planned.launches[::-1])
    with pytest.raises((AssertionError, KeyError)), np.errstate(all="ignore"):
        assert_same(broken)


def test_what_no_later_kernel_reads_is_gone():
    planned = plan([rules.lamb()], [Leaf("leaf", (4,), WIDE)])
    first, second = planned.launches
    with pytest.raises(KeyError):
        assert_same(relaunched(planned, (first, second, second)))
