"""The bytes for each parameter that are known beforehand, and what each stage reads and writes."""

import pytest

from optgen.ir.evaluate import Dtypes
from optgen.schedule import Leaf, machine, plan
from optgen.schedule.cost import bytes_held, least_bytes, traffic
from tests.schedule import rules

LARGE = (4096, 4096)
SMALL = (1024, 1024)
MIXED = Dtypes("bfloat16", "bfloat16", "float32")


def planned(program, shape=LARGE, on="h200", dtypes=None, mode="step"):
    return plan([program], [Leaf("leaf", shape, dtypes or Dtypes())], machine(on), mode)


def stages(p):
    """For each launch what it reads and writes of the large arrays, in bytes a parameter."""
    rounded = []
    for launch in p.launches:
        moved = traffic(launch)
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


def test_an_update_writes_the_update_and_the_slots():
    p = planned(rules.adamw(mode="update"), mode="update")
    four = {"p": 4, "g": 4, "mu": 4, "nu": 4}
    assert stages(p) == [(four, {"update": 4, "mu": 4, "nu": 4})]


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
    assert first == ({"g": 4, "p": 4, "mu": 4, "nu": 4}, {"mu": 4, "nu": 4, "kept_1": 4})
    assert second == ({"kept_1": 4}, {})
    assert third == ({"p": 4, "kept_1": 4}, {"p": 4})


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
    # Each statistic: written by the first sweep; read, with its slot, to settle; the slot then
    # written, and read by both sweeps that remain. For each matrix of a batch one mean is
    # written and read twice. For the leaf there are two sums, written once and read once.
    of_statistics = 4 * (6 * (rows + columns) + 3 * max(1, batch) + 4)
    assert p.bytes == 24 * p.parameters + of_statistics
    assert p.bytes_per_parameter < 24.1
    assert [x.kernel.kind for x in p.launches] == ["sweep", "settle", "sweep", "sweep"]


def test_adafactor_reads_the_gradient_in_each_of_three_sweeps():
    first, settled, second, third = stages(planned(rules.adafactor(2, 0, 1)))
    assert first == ({"g": 4, "p": 4}, {})
    assert settled == ({}, {})
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
    p = planned(program, SMALL, on="v5e")
    assert p.bytes_per_parameter == pytest.approx(bytes_, abs=0.02)
    assert len(p.launches) == len(program.phases)


def test_what_does_not_fit_on_chip_is_staged():
    p = planned(rules.lamb(), SMALL, on="v5e")
    (launch,) = p.launches
    assert launch.kernel.kind == "resident"
    held = bytes_held(launch.kernel, launch.layouts[0], launch.dtypes)
    assert held == 4 * 4 * p.parameters
    # Between its two sweeps p, mu and nu stay; the tiles that come and go take VMEM too.
    rows = machine("v5e").on_chip_bytes // (12 * 1024)
    fits, not_fits = (planned(rules.lamb(), (r, 1024), on="v5e") for r in (rows - 1024, rows))
    assert fits.bytes_per_parameter == pytest.approx(28)
    assert not_fits.bytes_per_parameter == pytest.approx(40, abs=1e-3)


def test_where_nothing_depends_on_a_reduction_residence_changes_nothing():
    on_chip, off = (planned(rules.adamw(), SMALL, on=name) for name in ("v5e", "h200"))
    assert [x.kernel for x in on_chip.launches] == [x.kernel for x in off.launches]


@pytest.mark.parametrize("program", [rules.lamb(), rules.adamw(clip=True), rules.sm3(2)], ids=str)
def test_least_bytes_are_each_array_once_each_way(program):
    p = planned(program)
    loads = {n.attr: n for phase in program.phases for n in phase.find("load")}
    sizes = {"*": p.parameters, (0,): 4096, (1,): 4096}
    nodes = [*loads.values(), *program.update.outputs]
    assert least_bytes(p.launches) == sum(4 * sizes[n.type.axes] for n in nodes)


def test_scratch_is_what_the_planner_adds():
    assert planned(rules.adamw()).scratch_bytes == 0
    assert planned(rules.lamb()).scratch_bytes == 2 * 4
    assert planned(rules.lamb(clip_after=True)).scratch_bytes == 4 * LARGE[0] * LARGE[1] + 3 * 4
    of_rows_and_columns = 4 * (LARGE[0] + LARGE[1])
    assert planned(rules.adafactor(2, 0, 1)).scratch_bytes == of_rows_and_columns + 3 * 4
