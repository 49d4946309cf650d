"""The bytes for each parameter that are known beforehand, and what each stage reads and writes."""

import pytest

from optgen.ir.evaluate import Dtypes
from optgen.runtime.vocabulary.launches import launch_traffic
from tests.schedule import rules
from tests.schedule.planning import CPU, ON_CHIP, Leaf, plan, plan_leaf

LARGE = (4096, 4096)
SMALL = (1024, 1024)
MIXED = Dtypes("bfloat16", "bfloat16", "float32")


def planned(program, shape=LARGE, on="h200", dtypes=None, mode="step"):
    return plan_leaf(program, shape, on, dtypes, mode).plan


def stages(p):
    """For each launch what it reads and writes of the large arrays, in bytes a parameter."""
    rounded = []
    for launch in p.launches:
        moved = launch_traffic(launch, p.leaves)
        rounded.append(
            tuple(
                {name: round(n / p.parameters) for name, n in table.items() if n >= p.parameters}
                for table in (moved.reads, moved.writes)
            )
        )
    return rounded


@pytest.mark.parametrize(
    ("program", "bytes_", "launches"),
    [
        (rules.adamw(), 28, 1),
        (rules.lion(), 20, 1),
        (rules.sgd_momentum(), 20, 1),
        (rules.adamw(clip=True), 32, 2),
        (rules.lamb(), 40, 2),
        (rules.lamb(clip_after=True), 44, 3),
        (rules.adafactor_unfactored(), 32, 2),
        (rules.kahan_adamw(), 36, 1),
    ],
    ids=lambda x: getattr(x, "name", x),
)
def test_flat_rules_in_float32(program, bytes_, launches):
    p = planned(program)
    assert p.bytes_per_parameter == pytest.approx(bytes_, abs=1e-5)
    assert len(p.launches) == launches


@pytest.mark.parametrize(
    ("program", "bytes_"),
    [(rules.adamw(), 14), (rules.lion(), 10), (rules.kahan_adamw(), 18), (rules.lamb(), 22)],
    ids=lambda x: getattr(x, "name", x),
)
def test_flat_rules_in_bfloat16(program, bytes_):
    assert planned(program, dtypes=MIXED).bytes_per_parameter == pytest.approx(bytes_, abs=1e-5)


def test_an_update_is_added_to_the_parameter_as_it_is_computed():
    p = planned(rules.adamw(mode="update"), mode="update")
    assert stages(p) == stages(planned(rules.adamw()))
    rule = rules.Rule(mode="update")
    rule.result(rule("mul", rules.scalar("lr"), rule.gradient()))
    assert stages(planned(rule.program("sgd"), mode="update")) == [({"g": 4, "p": 4}, {"p": 4})]


def test_lamb_reads_its_new_moments_back_where_they_are_exact():
    first, second = stages(planned(rules.lamb()))
    assert first == ({"g": 4, "p": 4, "mu": 4, "nu": 4}, {"mu": 4, "nu": 4})
    assert second == ({"p": 4, "mu": 4, "nu": 4}, {"p": 4})


def test_lamb_computes_its_moments_again_where_they_are_stored_in_fewer_bits():
    first, second = stages(planned(rules.lamb(dtype="bfloat16")))
    assert first == ({"g": 4, "p": 4, "mu": 2, "nu": 2}, {})
    assert second == ({"g": 4, "p": 4, "mu": 2, "nu": 2}, {"p": 4, "mu": 2, "nu": 2})


def test_what_three_sweeps_need_is_kept_where_that_saves_bytes():
    first, second, third = stages(planned(rules.lamb(clip_after=True)))
    assert first == ({"g": 4, "p": 4, "mu": 4, "nu": 4}, {"mu": 4, "nu": 4, "temporary": 4})
    assert second == ({"temporary": 4}, {})
    assert third == ({"p": 4, "temporary": 4}, {"p": 4})


SHAPED = [
    (rules.adafactor(2, 0, 1), (4096, 8192)),
    (rules.adafactor(2, 1, 0), (8192, 4096)),
    (rules.adafactor(3, 1, 2), (16, 1024, 2048)),
    (rules.adafactor(3, 2, 0), (2048, 16, 1024)),
    (rules.adafactor(4, 2, 3), (3, 3, 1024, 2048)),
    (rules.adafactor(4, 1, 3), (3, 1024, 3, 2048)),
]


@pytest.mark.parametrize(("program", "shape"), SHAPED, ids=str)
def test_adafactor_moves_24_bytes_and_its_statistics(program, shape):
    p = planned(program, shape)
    rows, columns = 1, 1
    kept = {n.attr: n.type.axes for n in program.update.find("load") if n.type.axes != "*"}
    for axis, extent in enumerate(shape):
        rows *= extent if axis in kept["v_row"] else 1
        columns *= extent if axis in kept["v_col"] else 1
    batch = rows * columns // (p.parameters * 1)
    # Each statistic: written by the first sweep; read, with its slot, to finalize; the slot then
    # written, and read by both sweeps that remain. For each matrix of a batch one mean is
    # written and read twice. For the leaf there are two sums, written once and read once.
    of_statistics = 4 * (6 * (rows + columns) + 3 * max(1, batch) + 4)
    assert p.bytes == 24 * p.parameters + of_statistics
    assert p.bytes_per_parameter < 24.1
    assert kinds(p) == ["sweep", "finalize", "sweep", "sweep"]


def kinds(p):
    return [kernel.kind for launch in p.launches for run in launch.runs for kernel in run.kernels]


def test_adafactor_reads_the_gradient_in_each_of_three_sweeps():
    first, finalized, second, third = stages(planned(rules.adafactor(2, 0, 1)))
    assert first == ({"g": 4, "p": 4}, {})
    assert finalized == ({}, {})
    assert second == ({"g": 4}, {})
    assert third == ({"g": 4, "p": 4}, {"p": 4})


def test_clipping_before_adafactor_costs_another_read_of_the_gradient():
    p = planned(rules.adafactor(2, 0, 1, clip=True))
    assert p.bytes_per_parameter == pytest.approx(28, abs=0.02)
    assert [x.phase for x in p.launches] == [0, 1, 1, 1, 1]


def test_sm3_is_one_sweep():
    assert stages(planned(rules.sm3(2)))[0] == ({"g": 4, "p": 4}, {"p": 4})
    assert planned(rules.sm3(2)).bytes_per_parameter == pytest.approx(12, abs=0.01)


@pytest.mark.parametrize(
    ("program", "bytes_"),
    [
        (rules.adafactor(2, 0, 1), 12),
        (rules.lamb(), 28),
        (rules.adafactor_unfactored(), 20),
        (rules.novograd(), 20),
        (rules.adamw(), 28),
        (rules.adamw(clip=True), 32),
        (rules.lamb(clip_after=True), 40),
    ],
    ids=lambda x: getattr(x, "name", x),
)
def test_a_leaf_that_fits_on_chip_is_read_once_in_each_phase(program, bytes_):
    p = planned(program, SMALL, on=ON_CHIP)
    assert p.bytes_per_parameter == pytest.approx(bytes_, abs=0.02)
    assert len(p.launches) == len(program.phases)


def test_what_stays_on_chip_is_read_and_written_once_and_what_is_kept_there_never():
    clipped = planned(rules.lamb(clip_after=True), SMALL, on=ON_CHIP)
    first, second = stages(clipped)
    assert first == ({"g": 4, "p": 4, "mu": 4, "nu": 4}, {"mu": 4, "nu": 4, "temporary": 4})
    assert second == ({"p": 4, "temporary": 4}, {"p": 4})
    # The temporary and three sums cross the phases; nothing else takes memory.
    assert clipped.scratch_bytes == 4 * clipped.parameters + 3 * 4
    on_chip = planned(rules.adafactor(2, 0, 1), SMALL, on=ON_CHIP)
    assert on_chip.scratch_bytes == 0
    assert on_chip.bytes == 12 * on_chip.parameters + 2 * 4 * sum(SMALL)


def test_a_launch_of_kernels_that_are_not_on_chip_moves_what_each_of_them_does():
    program = rules.adafactor(2, 0, 1)
    together, apart = planned(program, on=CPU), planned(program)
    assert (together.launch_count, apart.launch_count) == (1, 4)
    assert together.bytes == apart.bytes
    assert together.scratch_bytes == apart.scratch_bytes


@pytest.mark.parametrize(("program", "shape"), SHAPED, ids=str)
@pytest.mark.parametrize("on", ["h200", CPU, ON_CHIP], ids=str)
def test_no_plan_moves_less_than_each_array_once(program, shape, on):
    p = planned(program, shape, on=on)
    assert p.bytes >= p.least_bytes


def test_where_nothing_depends_on_a_reduction_residence_changes_nothing():
    on_chip, off = (planned(rules.adamw(), SMALL, on=name) for name in (ON_CHIP, "h200"))
    assert on_chip.bytes == off.bytes
    assert kinds(on_chip) == kinds(off) == ["sweep"]


def test_every_kind_of_leaf_is_counted_by_itself():
    programs = [rules.lamb(), rules.adafactor(2, 0, 1)]
    leaves = [Leaf("a", (512, 512)), Leaf("b", (512, 1024), program=1), Leaf("c", (7,))]
    together = plan(programs, leaves).plan
    alone = [plan(programs, [leaf]).plan for leaf in leaves]
    assert together.bytes == sum(p.bytes for p in alone)
    assert together.least_bytes == sum(p.least_bytes for p in alone)
    assert together.scratch_bytes == sum(p.scratch_bytes for p in alone)


def test_what_is_read_in_one_phase_and_written_in_another_is_moved_both_ways():
    rule = rules.Rule()
    partial = rule.partial("total", rule.sum_of_squares(rule.load("trace")))
    g = rule.gradient()
    rule.store("trace", g)
    rule.result(rule("mul", rules.scalar("clip"), g))
    p = planned(rule.program("restarted", partial))
    assert p.least_bytes == 5 * 4 * p.parameters
    assert p.bytes == p.least_bytes + 4


@pytest.mark.parametrize("program", [rules.lamb(), rules.adamw(clip=True), rules.sm3(2)], ids=str)
def test_least_bytes_are_each_array_once_each_way(program):
    p = planned(program)
    loads = {n.attr: n for phase in program.phases for n in phase.find("load")}
    sizes = {"*": p.parameters, (0,): 4096, (1,): 4096}
    nodes = [*loads.values(), *program.update.outputs]
    assert p.least_bytes == sum(4 * sizes[n.type.axes] for n in nodes)


def test_scratch_is_what_the_planner_adds():
    assert planned(rules.adamw()).scratch_bytes == 0
    assert planned(rules.lamb()).scratch_bytes == 2 * 4
    assert planned(rules.lamb(clip_after=True)).scratch_bytes == 4 * LARGE[0] * LARGE[1] + 3 * 4
    of_rows_and_columns = 4 * (LARGE[0] + LARGE[1])
    assert planned(rules.adafactor(2, 0, 1)).scratch_bytes == of_rows_and_columns + 3 * 4
