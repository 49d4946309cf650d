"""Explanations of the launches that would run."""

import json

import jax
import jax.numpy as jnp
import pytest

import optgen
from optgen import dsl
from optgen.runtime.execution.targets import machine
from optgen.schedule.explanation import explain
from optgen.schedule.plan import Plan

H200 = machine("h200")
CLIPPED = optgen.chain(optgen.clip_by_global_norm(1.0), optgen.adamw(1e-3, target="auto"))


def leaves(*shapes, dtype=jnp.float32):
    return [jax.ShapeDtypeStruct(shape, dtype) for shape in shapes]


def explained(optimizer, *shapes, on="h200", dtype=jnp.float32, mode="step"):
    return optimizer.explain(leaves(*shapes, dtype=dtype), on, mode)


def test_text():
    text = str(explained(CLIPPED, (4096, 4096), (4096,)))
    assert (
        text
        == """\
A step of 2 leaves (16,781,312 parameters, float32) moves 32.00 bytes for each parameter \
in 2 launches.
On NVIDIA H200 SXM (4,800 GB/s) it takes 117.9 µs or more: 83% of the roofline, which is every \
array moved once each way, 28.00 bytes.

phase 1

  1. leaf_statistics: 2 leaves; sweep, flat; 4.00 bytes for each parameter of the tree
     reads   g 4
     writes  total <0.001
     partial total (sum)

phase 2, after reductions over the tree

  2. leaf_step: 2 leaves; sweep, flat; 28 bytes for each parameter of the tree
     reads   g 4, p 4, mu 4, nu 4
     writes  p 4, mu 4, nu 4"""
    )


def test_kernels_that_share_a_launch_say_so():
    tree = {"a": leaves((3,))[0], "b": leaves((4,), dtype=jnp.bfloat16)[0]}
    text = str(optgen.adamw(1e-3).explain(tree, "h200"))
    assert "in 1 launch." in text
    assert "  2. leaf_bfloat16_bfloat16_step: 1 leaf; sweep, flat; in the same launch; " in text


def test_the_xla_target_says_that_xla_decides():
    e = explained(optgen.adamw(1e-3, target="xla"), (4,), on="here")
    assert e.target == "xla"
    assert "left to xla: XLA decides its kernels" in str(e)
    assert e.bytes_per_parameter == 28
    e = explained(optgen.adamw(1e-3, target="cpu"), (4,), on="here")
    assert (e.target, e.launches) == ("cpu", 1)
    assert "XLA decides" not in str(e)


def test_a_target_of_another_machine_is_left_to_xla_there():
    assert explained(optgen.adamw(1e-3, target="cpu"), (4,)).target == "xla"


def test_attributes():
    e = explained(optgen.lamb(1e-3), (4096, 4096))
    assert e.bytes_per_parameter == pytest.approx(40, abs=1e-3)
    assert e.least_bytes_per_parameter == 28
    assert e.launches == 2
    assert e.scratch_bytes == 8
    assert e.floor_seconds == pytest.approx(40 * 4096**2 / H200.bandwidth + 2 * H200.launch_cost)
    assert e.share_of_roofline == pytest.approx(28 * 4096**2 / H200.bandwidth / e.floor_seconds)
    first, second = e.stages
    assert (first.functions, second.functions) == (("leaf_sweep",), ("leaf_step",))
    assert first.reads == {"g": 4, "p": 4, "mu": 4, "nu": 4}
    assert set(first.partial.values()) == {"sum"}
    assert len(first.partial) == 2
    assert second.writes == {"p": 4}
    assert sum(stage.bytes_per_parameter for stage in e.stages) == pytest.approx(
        e.bytes_per_parameter
    )


def test_another_machine():
    v5e = machine("v5e")
    e = explained(optgen.adamw(1e-3), (1000,), on=v5e)
    assert e.machine is v5e
    assert e.target == "tpu"
    assert e.floor_seconds == 28_000 / v5e.bandwidth + v5e.launch_cost
    assert "On TPU v5e (819 GB/s)" in str(e)


@dsl.rule
def maxima_along_each_axis(g, p, *, learning_rate):
    """A moment for each axis, as SM3 keeps them."""
    moments = [dsl.state(f"mu_{a}", like=_along(g, p.ndim, a)) for a in range(p.ndim)]
    least = moments[0]
    for moment in moments[1:]:
        least = dsl.minimum(least, moment)
    nu = least + g * g
    for axis, moment in enumerate(moments):
        moment.next = _along(nu, p.ndim, axis)
    return -learning_rate * g * dsl.rsqrt(nu + 1e-8)


def _along(x, ndim, axis):
    return dsl.max(x, tuple(a for a in range(ndim) if a != axis))


def test_what_is_left_to_xla_says_why():
    e = explained(maxima_along_each_axis(0.1), (3, 4, 5, 6), (2, 2, 2, 2))
    assert "left to xla: it keeps or reduces 4 groups of axes separately (0, 1, 2, 3)" in str(e)
    assert e.launches == 2
    assert [stage.launches for stage in e.stages] == [2]
    assert e.stages[0].view is None
    e = explained(maxima_along_each_axis(0.1), (3, 4), (0, 5))
    assert "left to xla: it has no elements" in str(e)


@dsl.rule
def norm_of_a_product(g, p, *, learning_rate):
    """A value that is cheaper to keep than to compute again."""
    a, b = dsl.state("a"), dsl.state("b")
    a.next, b.next = a + g, b + g * g
    direction = a * b * g * p
    return -learning_rate * direction / dsl.norm(direction)


def test_temporaries_are_named():
    e = explained(norm_of_a_product(0.1), (64, 64))
    assert e.stages[0].temporaries == ("direction",)
    assert "keeps   direction until the end of the step" in str(e)


def test_dtypes_are_named():
    assert "bfloat16" in str(explained(optgen.adamw(1e-3), (4,), dtype=jnp.bfloat16))


def test_a_tree_without_parameters():
    e = explain(Plan("step", "triton", H200, (), (), ()))
    assert e.bytes_per_parameter == 0
    assert e.share_of_roofline == 1
    assert "A step of 0 leaves (0 parameters) moves 0.00 bytes" in str(e)


def test_json():
    e = explained(optgen.adafactor(learning_rate=1e-3), (256, 128))
    d = json.loads(json.dumps(e.as_dict()))
    assert d["machine"]["name"] == "h200"
    assert d["target"] == "triton"
    assert d["launches"] == 4
    assert [stage["kind"] for stage in d["stages"]] == ["sweep", "finalize", "sweep", "sweep"]
    assert d["stages"][-1]["functions"] == ["leaf_step"]


def test_what_is_proven_of_a_rule_is_stated():
    text = str(explained(optgen.lion(1e-3), (4,)))
    assert "Proven of the rule: invariant to the scale of the gradient; the step is bounded" in text


def test_an_update_is_explained_too():
    e = explained(optgen.adamw(1e-3), (4, 4), mode="update")
    assert e.mode == "update"
    assert "XLA fuses" in str(e)
    assert "writes  mu 4, nu 4, p 4" in str(e)  # as apply_updates does, in the same sweep
