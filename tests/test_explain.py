"""What explain says."""

import json

import pytest

from optgen.ir.evaluate import Dtypes
from optgen.schedule import Leaf, machine, plan
from optgen.schedule.explanation import explain
from tests.schedule import rules

H200 = machine("h200")


def explained(program, *shapes, target="triton", on=None, dtypes=None):
    leaves = [Leaf(str(i), shape, dtypes or Dtypes()) for i, shape in enumerate(shapes)]
    return explain(plan([program], leaves, H200), on, target)


def test_text():
    text = str(explained(rules.adamw(clip=True), (4096, 4096), (4096,)))
    assert (
        text
        == """\
A step of 2 leaves (16,781,312 parameters, float32) moves 32.00 bytes for each parameter \
in 2 launches.
On NVIDIA H200 SXM (4,800 GB/s) it takes 117.9 µs or more: 83% of the roofline, which is every \
array moved once each way, 28.00 bytes.

phase 1

  1. 2 leaves; sweep, flat; 4.00 bytes for each parameter of the tree
     reads   g 4
     writes  total <0.001
     partial total (sum)

phase 2, after reductions over the tree

  2. 2 leaves; sweep, flat; 28 bytes for each parameter of the tree
     reads   g 4, p 4, mu 4, nu 4
     writes  p 4, mu 4, nu 4"""
    )


def test_kernels_that_share_a_launch_say_so():
    text = str(
        explain(plan([rules.adamw()], [Leaf("a", (3,)), Leaf("b", (4,), Dtypes("bfloat16"))], H200))
    )
    assert "in 1 launch." in text
    assert "  2. 1 leaf; sweep, flat; in the same launch; " in text


def test_the_xla_target_says_that_xla_decides():
    assert "XLA decides which kernels run" in str(explained(rules.adamw(), (4,), target="xla"))
    assert "XLA decides" not in str(explained(rules.adamw(), (4,), target="cpu"))


def test_attributes():
    e = explained(rules.lamb(), (4096, 4096), target="xla")
    assert e.bytes_per_parameter == pytest.approx(40, abs=1e-3)
    assert e.least_bytes_per_parameter == 28
    assert e.launches == 2
    assert e.scratch_bytes == 8
    assert e.floor_seconds == pytest.approx(40 * 4096**2 / H200.bandwidth + 2 * H200.launch_cost)
    assert e.share_of_roofline == pytest.approx(28 * 4096**2 / H200.bandwidth / e.floor_seconds)
    first, second = e.stages
    assert first.reads == {"g": 4, "p": 4, "mu": 4, "nu": 4}
    assert first.partial == {"sum_1": "sum", "sum_2": "sum"}
    assert second.writes == {"p": 4}
    assert sum(stage.bytes_per_parameter for stage in e.stages) == pytest.approx(
        e.bytes_per_parameter
    )


def test_another_machine_for_the_floor():
    v5e = machine("v5e")
    e = explained(rules.adamw(), (1000,), on=v5e)
    assert e.machine is v5e
    assert e.floor_seconds == 28_000 / v5e.bandwidth + v5e.launch_cost
    assert "On TPU v5e (819 GB/s)" in str(e)


def test_what_is_left_to_xla_says_why():
    e = explained(rules.sm3(4), (3, 4, 5, 6), (2, 2, 2, 2))
    assert "left to xla: it keeps or reduces 4 groups of axes separately (0, 1, 2, 3)" in str(e)
    assert e.launches == 4
    assert [stage.launches for stage in e.stages] == [2, 2]
    assert e.stages[0].view is None


def test_temporaries_are_named():
    e = explained(rules.lamb(clip_after=True), (64, 64))
    assert e.stages[0].temporaries == ("kept_1",)
    assert "keeps   kept_1 until the end of the step" in str(e)


def test_dtypes_are_named():
    assert "bfloat16" in str(explained(rules.adamw(), (4,), dtypes=Dtypes("bfloat16")))


def test_a_tree_without_parameters():
    e = explain(plan([], [], H200))
    assert e.bytes_per_parameter == 0
    assert e.share_of_roofline == 1
    assert "A step of 0 leaves (0 parameters) moves 0.00 bytes" in str(e)


def test_json():
    e = explained(rules.adafactor(2, 0, 1), (64, 64), target="xla")
    d = json.loads(json.dumps(e.as_dict()))
    assert d["machine"]["name"] == "h200"
    assert d["launches"] == 4
    assert [stage["kind"] for stage in d["stages"]] == ["sweep", "settle", "sweep", "sweep"]
    assert d["note"].startswith("On the xla target XLA decides")
