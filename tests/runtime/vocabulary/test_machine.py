"""The machines that are known, and this one."""

import dataclasses

import pytest

from optgen.errors import UsageError
from optgen.runtime.execution.cpu import measure
from optgen.runtime.execution.targets import TARGETS, machine, machines

KNOWN = machines()


@pytest.mark.parametrize("name", KNOWN)
def test_known_machines(name):
    known = machine(name)
    assert known.name == name
    assert known.bandwidth > 1e11
    assert known.target in TARGETS
    assert TARGETS[known.target].machines()[name] is known
    assert 0 < known.launch_cost < 1e-4
    assert known.source
    with pytest.raises(dataclasses.FrozenInstanceError):
        known.bandwidth = 0


def test_names():
    assert set(KNOWN) == {"a100", "h100", "h200", "b200", "v4", "v5e", "v5p", "v6e", "tpu7x"}


def test_an_unknown_name():
    with pytest.raises(UsageError, match=r"unknown machine 'h20'; known: a100, .*tpu7x, here"):
        machine("h20")


def test_this_machine_is_measured_once():
    here = machine("here")
    assert here == machine("here")
    assert here.target == "cpu"
    assert here.limits == TARGETS["cpu"].limits()
    assert 1e8 < here.bandwidth < 1e13
    assert measure.core_count() >= 1
    assert str(measure.core_count()) in here.title
