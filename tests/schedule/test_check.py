"""The legality of kernel sequences: every line of its table, by a sequence that breaks it."""

from dataclasses import replace

import pytest

from optgen.errors import IRError, PlanError
from optgen.ir.build import Builder, broadcast, cast, effect
from optgen.ir.evaluate import Dtypes
from optgen.ir.node import node
from optgen.ir.program import Program
from optgen.ir.types import GRAD, LEAF, PARAM, REAL, SCALAR, Type
from optgen.runtime.vocabulary.sequence import Buffer, Combine, Item, KernelSequence
from optgen.schedule import Schedule, schedule
from optgen.schedule.check import check_schedule
from tests.schedule import rules
from tests.schedule.planning import viewed

DTYPES = ("float32", "float32", "float32")
G = cast(node("load", Type(GRAD, LEAF), attr="g"), REAL)
ROW = cast(node("load", Type("float32", (0,)), attr="row"), REAL)
TOTAL = Builder(0).reduce("sum", G, LEAF)
ROW_SUM = Builder(2).reduce("sum", ROW, LEAF)
G_BUFFER = Buffer("g", "float32")
ROW_BUFFER = Buffer("row", "float32", (0,))
STATISTIC = Buffer("total", "float32", (), "statistic", "sum", LEAF)
CONTRIBUTION = replace(STATISTIC, lifetime="contribution")
TILES, TREE = Combine("tiles", 0, ("total",)), Combine("tree", 0, ("total",))


def body(*outputs, rank=None):
    return Program("body", outputs, rank)


TOTAL_BODY = body(effect("store", "total", TOTAL))
EMIT_BODY = body(effect("emit", "total", TOTAL))
TOTAL_ITEM = Item("sweep", "statistics", reads=("g",), writes=("total",), flat=True)
USE = cast(Builder(0).elementwise("mul", G, node("load", Type(REAL, SCALAR), attr="total")), GRAD)
USE_BODY = body(effect("store", "g", USE))
USE_ITEM = Item("sweep", "use", reads=("total",), updates=("g",), flat=True)


def sequence(buffers, items, bodies, dimensions=0):
    made = KernelSequence(0, "step", DTYPES, tuple(buffers), tuple(items), dimensions)
    return Schedule(made, tuple(bodies))


def statistics(*items, buffer=STATISTIC, bodies=(TOTAL_BODY,)):
    return sequence((G_BUFFER, buffer), items, bodies)


def of_rows(kind, output, *, buffers=(), item=None):
    """One kernel over rows and columns."""
    made = item or Item(kind, "kernel", reads=("row",), writes=(output.attr,))
    return sequence((ROW_BUFFER, *buffers), (made,), (body(output, rank=2),), dimensions=2)


def test_what_these_tests_break_is_legal():
    check_schedule(statistics(TOTAL_ITEM, TILES, USE_ITEM, bodies=(TOTAL_BODY, USE_BODY)))
    check_schedule(statistics(TOTAL_ITEM, TILES, TREE, buffer=CONTRIBUTION, bodies=(EMIT_BODY,)))
    check_schedule(sequence((), (Item("xla", "leaf", reason="too many groups"),), ()))


def store(name, value, dtype="float32", axes=None):
    value = value if axes is None else broadcast(value, axes)
    return effect("store", name, cast(value, dtype))


ITEMS = [
    (
        statistics(replace(TOTAL_ITEM, reads=()), TILES),
        "statistics: its operands ['total'] are not what its body mentions",
    ),
    (
        statistics(replace(TOTAL_ITEM, reads=("total",), writes=("g",))),
        "statistics: it has 'g' to write, and its body uses it otherwise",
    ),
    (
        statistics(TOTAL_ITEM, TILES, buffer=replace(STATISTIC, dtype="bfloat16")),
        "statistics: 'total' is stored as bfloat16, and as something else in its body",
    ),
    (
        statistics(TOTAL_ITEM, TILES, buffer=replace(STATISTIC, axes=(0,))),
        "statistics: 'total' varies along (0,), and along something else in its body",
    ),
    (
        statistics(TOTAL_ITEM, TILES, buffer=replace(STATISTIC, combine="max")),
        "statistics: 'total' is in other parts than its body leaves",
    ),
    (
        statistics(TOTAL_ITEM, TILES, buffer=replace(STATISTIC, over=(0,))),
        "statistics: 'total' is in other parts than its body leaves",
    ),
    (
        statistics(TOTAL_ITEM, TILES, TREE, buffer=CONTRIBUTION),
        "statistics: 'total' is a contribution for one of the kernel and its body only",
    ),
    (
        statistics(TOTAL_ITEM, TILES, bodies=(EMIT_BODY,)),
        "statistics: 'total' is a contribution for one of the kernel and its body only",
    ),
    (
        statistics(replace(TOTAL_ITEM, scalars=("lr",)), TILES),
        "statistics: its scalars are not those of its body",
    ),
    (
        statistics(replace(TOTAL_ITEM, flat=False), TILES),
        "statistics: a body that names no dimension, and no other, sees the leaf as a vector",
    ),
    (
        statistics(replace(TOTAL_ITEM, flat=False), TILES, bodies=(replace(TOTAL_BODY, rank=3),)),
        "statistics: its body has 3 dimensions, and the sequence 0",
    ),
    (
        statistics(replace(TOTAL_ITEM, writes=("other",))),
        "statistics has no buffer 'other'",
    ),
    (statistics(TOTAL_ITEM, TILES, bodies=()), "it has 1 kernels and 0 bodies"),
    (
        sequence((G_BUFFER, STATISTIC, STATISTIC), (TOTAL_ITEM, TILES), (TOTAL_BODY,)),
        "there are two buffers 'total'",
    ),
]

ROOT = Buffer("root", "float32", (), "statistic")
SCALED = Buffer("scaled", "float32", LEAF, "temporary")
SWEEPS = [
    (
        sequence(
            (G_BUFFER, ROOT),
            (Item("sweep", "kernel", reads=("g",), writes=("root",), flat=True),),
            (body(effect("store", "root", Builder(0).elementwise("sqrt", TOTAL))),),
        ),
        "uses a reduction that is still in parts",
    ),
    (
        statistics(TOTAL_ITEM, buffer=replace(STATISTIC, combine=None, over=())),
        "would be written by one tile while others read it",
    ),
    (
        of_rows(
            "sweep",
            store("scaled", ROW_SUM, axes=LEAF),
            buffers=(SCALED,),
        ),
        "reduces what every tile would have to compute",
    ),
    (
        of_rows("sweep", store("root", ROW_SUM), buffers=(ROOT,)),
        "reduces what every tile would have to compute",
    ),
    (
        statistics(replace(TOTAL_ITEM, independent=(0,)), TILES),
        "independent dimensions are those of a finalize",
    ),
]

SUM_OF_ROWS = Buffer("total", "float32", (), "statistic", "sum", (0,))
FINALIZE = Item("finalize", "kernel", reads=("row",), writes=("total",), independent=LEAF)
FINALIZES = [
    (statistics(replace(TOTAL_ITEM, kind="finalize"), TILES), "it finalizes small values only"),
    (
        of_rows(
            "finalize",
            effect("store", "total", ROW_SUM),
            buffers=(SUM_OF_ROWS,),
            item=replace(FINALIZE, independent=(0,)),
        ),
        "its independent dimensions are not (0,)",
    ),
    (
        of_rows(
            "finalize",
            effect("store", "total", ROW_SUM),
            buffers=(replace(SUM_OF_ROWS, lifetime="leaf"),),
            item=FINALIZE,
        ),
        "'total' outlives the kernels that combine parts, and would be left in them",
    ),
    (
        of_rows(
            "finalize",
            effect("store", "total", ROW_SUM),
            buffers=(replace(SUM_OF_ROWS, combine=None, over=(), lifetime="leaf"),),
            item=FINALIZE,
        ),
        "its independent dimensions are not *",
    ),
]

LEFT = Item("xla", "leaf", reason="too many groups")
LEFT_TO_XLA = [
    (statistics(LEFT, TOTAL_ITEM, TILES), "leaf: what is left to xla stands alone"),
    (sequence((), (LEFT,), (TOTAL_BODY,)), "it has 0 kernels and 1 bodies"),
    (
        sequence((), (replace(LEFT, reason=""),), ()),
        "leaf: it is left to xla, and nothing says why",
    ),
]

EMITTED = {"buffer": CONTRIBUTION, "bodies": (EMIT_BODY,)}
ORDERS = [
    (statistics(TOTAL_ITEM), "the parts of 'total' are never combined"),
    (statistics(TOTAL_ITEM, TILES, TILES), "'total' is combined and is not in parts"),
    (
        statistics(TOTAL_ITEM, TILES, Combine("tiles", 0, ("other",))),
        "there is no buffer 'other' to combine",
    ),
    (
        statistics(TOTAL_ITEM, USE_ITEM, TILES, bodies=(TOTAL_BODY, USE_BODY)),
        "use reads 'total' before its parts are combined",
    ),
    (statistics(TOTAL_ITEM, TREE, TILES, **EMITTED), "over the tree before its tiles are"),
    (
        statistics(TOTAL_ITEM, TILES, TREE),
        "'total' is combined over the tree, and no leaf contributes it",
    ),
    (
        statistics(TOTAL_ITEM, TILES, **EMITTED),
        "phase 0 ends, and 'total' is not combined over the tree",
    ),
    (
        statistics(TOTAL_ITEM, TILES, replace(TREE, phase=1), **EMITTED),
        "phase 0 ends, and 'total' is not combined over the tree",
    ),
    (
        statistics(replace(TOTAL_ITEM, phase=1), TILES),
        "phase 0 comes after phase 1",
    ),
]


@pytest.mark.parametrize(
    ("broken", "fault"),
    [*ITEMS, *SWEEPS, *FINALIZES, *LEFT_TO_XLA, *ORDERS],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_faults(broken, fault):
    with pytest.raises(PlanError) as raised:
        check_schedule(broken)
    assert fault in str(raised.value)


def test_all_faults_are_told_together():
    broken = statistics(replace(TOTAL_ITEM, scalars=("lr",), flat=False))
    with pytest.raises(PlanError, match="(?s)never combined.*scalars.*vector"):
        check_schedule(broken)


def test_a_body_with_what_is_no_kernels_business():
    rate = node("hyper", rules.REAL_SCALAR, attr="lr")
    item = Item("finalize", "kernel", writes=("rate",), flat=True)
    buffer = Buffer("rate", "float32", (), "contribution")
    with pytest.raises(IRError, match="is not legal at this stage"):
        check_schedule(sequence((buffer,), (item,), (body(effect("emit", "rate", rate)),)))


@pytest.mark.parametrize("place", range(4))
def test_items_that_are_left_out_or_repeated_are_missed(place):
    made = schedule(viewed(rules.adafactor(2, 0, 1))[0], 0, "step", Dtypes())
    check_schedule(made)
    items = made.sequence.items
    combines = [i for i, item in enumerate(items) if isinstance(item, Combine)]
    if place < len(combines):
        cut = (*items[: combines[place]], *items[combines[place] + 1 :])
        with pytest.raises(PlanError, match="are never combined"):
            check_schedule(replace(made, sequence=replace(made.sequence, items=cut)))
    swapped = (items[place + 1], items[place], *items[place + 2 :])
    with pytest.raises(PlanError):
        check_schedule(
            replace(made, sequence=replace(made.sequence, items=(*items[:place], *swapped)))
        )


def test_a_parameter_in_other_dtypes():
    p = cast(node("load", Type(PARAM, LEAF), attr="p"), REAL)
    item = Item("sweep", "step", updates=("p",), flat=True)
    copied = (body(effect("store", "p", cast(p, PARAM))),)
    buffers = (Buffer("p", "bfloat16"),)
    made = sequence(buffers, (item,), copied)
    in_bfloat16 = replace(made.sequence, dtypes=("bfloat16", "float32", "float32"))
    check_schedule(replace(made, sequence=in_bfloat16))
    with pytest.raises(PlanError, match="'p' is stored as bfloat16"):
        check_schedule(made)
