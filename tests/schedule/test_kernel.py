"""Kernels: their operands, and what the checker refuses."""

from dataclasses import replace

import pytest

from optgen.errors import IRError, PlanError
from optgen.ir.build import Builder, cast, effect
from optgen.ir.evaluate import Dtypes
from optgen.ir.node import node
from optgen.ir.program import Program
from optgen.ir.types import GRAD, LEAF, REAL, Type
from optgen.schedule.check import check_kernel, check_launch
from optgen.schedule.kernel import Kernel, Launch, Operand, kernel_of
from optgen.schedule.stages import Step, steps
from optgen.schedule.views import FLAT, Layout, View
from tests.schedule import rules

G = cast(node("load", Type(GRAD, LEAF), attr="g"), REAL)
TOTAL = Builder(0).reduce("sum", G, LEAF)
IN_G = Operand("g", Type(GRAD, LEAF), "in", "leaf")


def kernels(program, resident=False):
    return [kernel_of(step)[0] for step in steps(program, Dtypes(), resident)]


def sweep(*outputs, operands, kind="sweep"):
    return Kernel(kind, FLAT, operands, (), Program("body", outputs))


def test_operands_say_how_they_are_used():
    (kernel,) = kernels(rules.adamw())
    found = {x.name: (x.access, x.purpose) for x in kernel.operands}
    in_place = ("in-out", "leaf")
    assert found == {"g": ("in", "leaf"), "p": in_place, "mu": in_place, "nu": in_place}
    assert list(found)[:2] == ["g", "p"]
    assert set(kernel.scalars) >= {"b1", "one_minus_b1", "weight_decay", "minus_lr"}


def test_a_sweep_says_which_reductions_it_leaves_partial():
    first, second = kernels(rules.adamw(clip=True))
    (total,) = first.partial
    assert (total.name, total.purpose, total.combine) == ("total", "contribution", "sum")
    assert second.partial == ()
    maxima = kernels(rules.sm3(2))[0].partial
    assert [(x.type, x.combine) for x in maxima] == [
        (Type(REAL, (0,)), "max"),
        (Type(REAL, (1,)), "max"),
    ]


def test_kinds():
    def kinds(*args):
        return [kernel.kind for kernel in kernels(*args)]

    assert kinds(rules.adafactor(2, 0, 1)) == ["sweep", "settle", "sweep", "sweep"]
    assert kinds(rules.adafactor(2, 0, 1), True) == ["resident"]
    assert kinds(rules.adamw(clip=True), True) == ["sweep", "sweep"]
    assert kinds(rules.sm3(4)) == ["xla", "xla"]


def test_what_is_left_to_xla_says_why_and_keeps_its_own_axes():
    kernel, _ = kernels(rules.sm3(4))
    assert kernel.view is None
    assert "4 groups of axes" in kernel.why_xla
    assert kernel.body.rank == 4
    check_kernel(kernel)


def test_temporaries_and_statistics_end_with_the_step():
    first, _, last = kernels(rules.lamb(clip_after=True))
    purposes = {x.name: x.purpose for x in first.operands}
    assert purposes["kept_1"] == "temporary"
    assert purposes["sum_1"] == "statistic"
    assert next(x for x in last.operands if x.name == "kept_1").access == "in"


@pytest.mark.parametrize(
    ("kernel", "fault"),
    [
        (
            sweep(effect("store", "total", TOTAL), operands=(IN_G,)),
            "its operands ['g'] are not what its body mentions",
        ),
        (
            sweep(
                effect("store", "total", TOTAL),
                operands=(IN_G, Operand("total", TOTAL.type, "out", "statistic")),
            ),
            "would be written by one tile while others read it",
        ),
        (
            sweep(
                effect("store", "total", TOTAL),
                operands=(IN_G, Operand("total", TOTAL.type, "partial", "statistic")),
            ),
            "operand 'total' says how parts are combined if and only if it has parts",
        ),
        (
            sweep(
                effect("store", "total", Builder(0).elementwise("sqrt", TOTAL)),
                operands=(IN_G, Operand("total", TOTAL.type, "partial", "statistic", "sum")),
            ),
            "uses a reduction that is still partial",
        ),
        (
            sweep(
                effect("store", "g", cast(G, GRAD)),
                operands=(IN_G,),
            ),
            "operand 'g' is in, and its body uses it otherwise",
        ),
        (
            sweep(
                effect("store", "copy", G),
                operands=(IN_G, Operand("copy", Type(GRAD, LEAF), "out", "leaf")),
            ),
            "operand 'copy' is grad[*], and its body uses it as another type",
        ),
        (
            sweep(
                effect("store", "copy", G),
                operands=(IN_G, Operand("copy", G.type, "out", "leaf")),
                kind="settle",
            ),
            "it settles small values only",
        ),
        (
            sweep(
                effect("store", "total", TOTAL),
                operands=(IN_G, Operand("total", TOTAL.type, "partial", "statistic", "sum")),
                kind="resident",
            ),
            "only a sweep leaves a reduction partial",
        ),
        (
            replace(sweep(operands=()), view=View(("rows", "columns"))),
            "its body has rank None, its view 2",
        ),
        (replace(sweep(operands=()), scalars=("lr",)), "its scalars are not those of its body"),
        (replace(sweep(operands=()), view=None), "a kernel has a view unless it is left to xla"),
    ],
)
def test_faults_of_a_kernel(kernel, fault):
    with pytest.raises(PlanError) as raised:
        check_kernel(kernel)
    assert fault in str(raised.value)


def test_all_faults_are_told_together():
    kernel = replace(sweep(operands=()), scalars=("lr",), view=None)
    with pytest.raises(PlanError, match="(?s)scalars.*view"):
        check_kernel(kernel)


def test_a_body_with_what_is_no_kernels_business():
    rate = node("hyper", rules.REAL_SCALAR, attr="lr")
    kernel = sweep(effect("emit", "rate", rate), operands=())
    with pytest.raises(IRError, match="is not legal at this stage"):
        check_kernel(kernel)


def test_layouts_fit_the_view():
    kernel, _ = kernel_of(steps(rules.adamw(), Dtypes())[0])
    check_launch(Launch(0, kernel, Dtypes(), (0,), (Layout((3,), (0,)),)))
    with pytest.raises(PlanError, match="does not fit a flat view"):
        check_launch(Launch(0, kernel, Dtypes(), (0,), (Layout((3, 4), (0, 1)),)))
    with pytest.raises(PlanError, match="a launch has leaves, and a layout for each"):
        check_launch(Launch(0, kernel, Dtypes(), (0, 1), (Layout((3,), (0,)),)))


def test_a_small_reduction_in_a_sweep_is_refused():
    row = cast(node("load", Type("float32", (0,)), attr="row"), REAL)
    mean = Builder(2).reduce("sum", row, (0,))
    body = effect("store", "p", cast(Builder(2).elementwise("mul", G, mean), "param"))
    kernel, _ = kernel_of(Step(0, Program("body", (body,), 2)))
    assert kernel.kind == "resident"
    with pytest.raises(PlanError, match="reduces what every tile would have to compute"):
        check_kernel(replace(kernel, kind="sweep"))
