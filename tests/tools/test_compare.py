"""A step beside XLA's of optax: `optgen explain --against-xla`."""

import jax
import jax.numpy as jnp
import pytest

import optgen
from optgen.errors import ChipError, UsageError
from optgen.runtime.execution.targets import machine
from optgen.tools import chips, compare
from optgen.tools.rules import Choice, choose

LEAVES = {f"layer_{i}": jax.ShapeDtypeStruct((256, 256), jnp.float32) for i in range(6)}
PARAMETERS = 6 * 256**2


@pytest.fixture(params=["h200", "v5e"])
def chip(request):
    if reason := chips.unavailable(request.param):
        pytest.skip(reason)
    return request.param


def side(comparison, name):
    (found,) = (side for side in comparison.sides if side.name == name)
    return found


def test_adamw_is_at_its_floor_and_xla_takes_a_kernel_for_each_leaf(chip):
    found = compare.compare(choose("adamw"), LEAVES, chip)
    plan, theirs = side(found, "optgen's plan"), side(found, "jitted optax.adamw")
    # On a TPU a leaf of this size has a launch of its own.
    launches = {"h200": 1, "v5e": len(LEAVES)}[chip]
    assert (plan.launches, plan.bytes_per_parameter) == (launches, 28)
    assert theirs.launches >= len(LEAVES)
    assert theirs.bytes_per_parameter <= 28.01
    assert side(found, "optgen, target xla").launches >= len(LEAVES)
    assert found.explanation.machine.name == chip


def test_the_target_of_the_chip_is_compiled_or_its_absence_told(chip):
    found = compare.compare(choose("lion"), LEAVES, chip)
    target = machine(chip).target
    names = {side.name for side in found.sides}
    assert f"optgen, target {target}" in names | {*found.absent}


def test_a_chain_is_compared_with_optaxs_chain(chip):
    tx = optgen.chain(optgen.clip_by_global_norm(1.0), optgen.adamw(3e-4))
    found = compare.compare(Choice(tx, {}, {}), LEAVES, chip)
    assert found.optax == "optax.chain(clip_by_global_norm, adamw)"
    assert side(found, "optgen's plan").bytes_per_parameter == pytest.approx(32, rel=1e-3)
    assert side(found, f"jitted {found.optax}").launches > len(LEAVES)


def test_each_compilation_is_announced(chip):
    told = []
    compare.compare(choose("sgd"), LEAVES, chip, progress=lambda *told_of: told.append(told_of))
    assert [done for done, _, _ in told] == [*range(len(told))]
    assert {total for _, total, _ in told} == {len(told)}
    assert told[-1][2] == "jitted optax.sgd"


def test_the_text_has_a_row_for_each_side(chip):
    found = compare.compare(choose("sgd"), LEAVES, chip)
    text = str(found)
    assert f"A step of 6 leaves ({PARAMETERS:,} parameters, float32) moves 12.00 bytes" in text
    assert "Beside optax.sgd with apply_updates and donation, as XLA compiles them for" in text
    for row in found.sides:
        assert f"\n{row.name} " in text
    assert ("A transfer runs beside the kernels" in text) == any(s.transfers for s in found.sides)


def test_a_machine_that_is_no_chip_is_refused():
    with pytest.raises(UsageError, match=r"XLA compiles for a100, .*, and not for 'here'"):
        compare.compare(choose("sgd"), LEAVES, "here")


def test_a_missing_compiler_is_told(monkeypatch):
    monkeypatch.setattr("optgen.tools.chips.compiler._installed", lambda module, paths: False)
    with pytest.raises(ChipError, match="pip install"):
        compare.compare(choose("sgd"), LEAVES, "h200")
