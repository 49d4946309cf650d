"""The machines that are known, and this one."""

import dataclasses

import pytest

from optgen.errors import UsageError
from optgen.schedule import MACHINES, machine, measure, this_machine


@pytest.mark.parametrize("known", MACHINES.values(), ids=MACHINES)
def test_known_machines(known):
    assert known.bandwidth > 1e11
    assert known.kind in ("gpu", "tpu")
    assert 0 < known.launch_cost < 1e-4
    assert known.source
    with pytest.raises(dataclasses.FrozenInstanceError):
        known.bandwidth = 0


def test_names():
    assert set(MACHINES) == {"a100", "h100", "h200", "b200", "v4", "v5e", "v5p", "v6e", "tpu7x"}
    assert machine("v5e") is MACHINES["v5e"]


def test_an_unknown_name():
    with pytest.raises(UsageError, match=r"unknown machine 'h20'; known: a100, .*tpu7x, here"):
        machine("h20")


def test_this_machine_is_measured_once():
    here = machine("here")
    assert here == this_machine()
    assert here.kind == "cpu"
    assert 1e8 < here.bandwidth < 1e13
    assert here.on_chip_bytes > 0
    assert here.cores >= 1
    assert here.vector_bytes in (16, 32, 64)


@pytest.mark.parametrize(
    ("text", "expected"), [("1024K\n", 2**20), ("2M", 2**21), ("512", 512), ("?", 2**20)]
)
def test_the_size_of_a_cache(tmp_path, monkeypatch, text, expected):
    file = tmp_path / "size"
    file.write_text(text)
    monkeypatch.setattr(measure, "_LEVEL_TWO", file)
    assert measure.level_two_bytes() == expected


def test_where_the_system_says_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "_LEVEL_TWO", tmp_path / "none")
    monkeypatch.setattr(measure, "_CPU_INFO", tmp_path / "none")
    assert measure.level_two_bytes() == 2**20
    assert measure.vector_bytes() == 16


@pytest.mark.parametrize(("flags", "width"), [("avx2 fma", 32), ("avx2 avx512f", 64), ("sse2", 16)])
def test_vector_registers(tmp_path, monkeypatch, flags, width):
    file = tmp_path / "cpuinfo"
    file.write_text(f"flags : {flags}\n")
    monkeypatch.setattr(measure, "_CPU_INFO", file)
    assert measure.vector_bytes() == width
