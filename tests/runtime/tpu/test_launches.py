"""Launch lists of the ``tpu`` target: who shares a launch, who stays in VMEM, what XLA computes."""

import jax
import jax.numpy as jnp
import pytest

import optgen
from optgen import dsl
from optgen.runtime.execution.tpu import launches as tpu
from optgen.runtime.vocabulary.machine import Limits
from tests.targets import CHAIN, make


def planned(tx, shapes, machine="v5e", dtype="float32"):
    params = {
        f"{number:03}": jax.ShapeDtypeStruct(shape, jnp.dtype(dtype))
        for number, shape in enumerate(shapes)
    }
    return tx.plan(params, machine)


def runs(plan):
    """Of each launch the leaves, the kinds of the kernels on the first, and who compiles it."""
    return [
        (
            tuple(run.leaf for run in launch.runs),
            "".join(kernel.kind[0] for kernel in launch.runs[0].kernels),
            "xla" if launch.by_xla else "resident" if launch.runs[0].resident else "sweep",
        )
        for launch in plan.launches
    ]


def test_small_leaves_share_a_launch_and_large_ones_have_their_own():
    plan = planned(make("adamw", "tpu"), [(64,), (1024, 1024), (3, 3, 8, 8), (1000,)])
    assert runs(plan) == [((2, 0, 3), "s", "resident"), ((1,), "s", "sweep")]


def test_a_small_leaf_by_itself_is_a_launch_like_that_of_a_large_one():
    assert runs(planned(make("lamb", "tpu"), [(64,)])) == [((0,), "ss", "resident")]
    assert runs(planned(make("adamw", "tpu"), [(64,)])) == [((0,), "s", "sweep")]


def test_packs_take_as_many_leaves_as_their_elements_allow():
    plan = planned(make("adamw", "tpu"), [(128, 256)] * 20)
    assert tpu.PACK // tpu.SMALL == 8
    assert [len(launch.runs) for launch in plan.launches] == [8, 8, 4]


@dsl.rule
def divided_by_matrices(g, p, *, rate):
    """Matrices alone contribute to a reduction over the tree."""
    return -rate * g / (1.0 + dsl.tree_sum(g**2)) if p.ndim == 2 else -rate * g


def test_leaves_that_contribute_otherwise_are_packed_apart():
    plan = planned(divided_by_matrices(0.1, target="tpu"), [(64,), (16, 16), (32,), (16, 8)])
    assert [(launch.phase, *(run.leaf for run in launch.runs)) for launch in plan.launches] == [
        (0, 3, 1),
        (1, 3, 1, 2, 0),
    ]


def test_launches_of_the_same_leaves_are_lowered_once():
    """Leaves of one shape are next to each other, whatever their order in the tree is."""
    tree = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in [(128, 256), (256, 128)] * 24]
    tx = make("adamw", "tpu")
    state = jax.eval_shape(tx.init, tree)
    step = jax.jit(lambda params, state, grads: tx.step(params, state, grads=grads))
    text = step.trace(tree, state, tree).lower(lowering_platforms=("tpu",)).as_text()
    assert text.count("@tpu_custom_call") == 2
    assert text.count("call @optgen_adamw_small_leaves") == 6


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        ("v5e", [((0,), "sfss", "resident")]),
        (
            "v4",
            [
                ((0,), "s", "sweep"),
                ((0,), "f", "xla"),
                ((0,), "s", "sweep"),
                ((0,), "s", "sweep"),
            ],
        ),
    ],
)
def test_a_leaf_stays_where_it_fits_and_is_swept_again_where_it_does_not(machine, expected):
    tx = optgen.adafactor(1e-2, target="tpu")
    assert runs(planned(tx, [(2048, 2048)], machine)) == expected


def test_each_phase_has_its_launches():
    plan = planned(make(CHAIN, "tpu"), [(1024, 1024), (64,), (32,)])
    assert [launch.phase for launch in plan.launches] == [0, 0, 1, 1]


def test_what_no_kernel_serves_is_left_to_xla_and_says_why():
    tx = make("adamw", "tpu")
    plan = planned(tx, [(), (0, 3), (1, 1), (64,)])
    reasons = {launch.runs[0].leaf: launch.reason for launch in plan.launches}
    alone = "it has one element, which XLA computes on the side"
    assert reasons == {0: alone, 1: "it has no elements", 2: alone, 3: ""}
    (launch,) = planned(tx, [(64,)], dtype="float16").launches
    assert launch.reason == "it is stored in float16, and TPUs convert float32 and bfloat16"
    assert launch.runs[0].kernels[0].kind == "xla"


def test_a_leaf_whose_statistics_do_not_fit_is_left_to_xla():
    plan = planned(optgen.adafactor(1e-2, target="tpu"), [(2048, 2048)])
    launches = tpu.launches(plan.leaves, Limits(on_chip_bytes=1 << 20))
    assert [launch.reason for launch in launches] == [
        "its statistics do not fit in VMEM beside its tiles"
    ]
