"""Random leaf programs: elementwise arithmetic, reductions along any axes, slots of any shape."""

from hypothesis import strategies as st

from optgen.ir.build import Builder, broadcast, cast, effect
from optgen.ir.program import Program
from optgen.ir.types import LEAF, REAL, SCALAR, contains
from optgen.schedule import LeafProgram
from tests.schedule.rules import Rule, scalar

BINARY = ("add", "sub", "mul", "maximum")
SLOTS = {"a": ("param", LEAF), "b": ("bfloat16", LEAF), "row": ("float32", (0,))} | {
    "one": ("bfloat16", SCALAR)
}
SHAPE = (3, 5)


@st.composite
def leaf_programs(draw, size=8, slots=tuple(SLOTS), phases=2, roundings=1, reductions=1):
    """A program for matrices, of one phase or two."""
    rule = Rule(rank=2)
    pool = [rule.load("g", "grad"), rule.load("p")]
    pool += [rule.load(name, *SLOTS[name]) for name in slots]
    partials = []
    for phase in range(draw(st.integers(1, phases))):
        if phase:
            x = draw(st.sampled_from(pool[-4:]))
            total = Builder(2).reduce("sum", x, LEAF)
            partials.append(Program("partial", (effect("emit", "total", total),), 2))
            pool.append(scalar("clip"))
        for _ in range(draw(st.integers(1, size))):
            pool.append(draw(_values(rule, pool, roundings, reductions)))
    for name in slots:
        dtype, axes = SLOTS[name]
        rule.store(name, _fitting(draw, rule, pool, axes), dtype, axes)
    rule.store("p", _fitting(draw, rule, pool, LEAF))
    return LeafProgram(Program("random", tuple(rule.stores), 2), tuple(partials))


@st.composite
def _values(draw, rule, pool, roundings, reductions):
    recent = st.one_of(st.sampled_from(pool[-3:]), st.sampled_from(pool))
    kinds = ["binary"] * 4 + ["unary"] + ["round"] * roundings + ["reduce"] * reductions
    kind = draw(st.sampled_from(kinds))
    x = draw(recent)
    if kind == "binary":
        return rule(draw(st.sampled_from(BINARY)), x, draw(recent))
    if kind == "unary":
        return rule("tanh", x)
    if kind == "round":
        return cast(cast(x, "bfloat16"), REAL)
    axes = draw(st.sampled_from([LEAF, (0,), (1,)]))
    return rule.reduce(draw(st.sampled_from(["sum", "max"])), x, axes)


def _fitting(draw, rule, pool, axes):
    """One of the last values that a slot with these axes can hold, or the largest of one."""
    x = draw(st.sampled_from(pool[-5:]))
    if not contains(axes, x.type.axes):
        others = {SCALAR: LEAF, (0,): (1,)}[axes]
        x = rule.reduce("max", broadcast(x, LEAF), others)
    return x


@st.composite
def chained_programs(draw, stages=3):
    """Each of several reductions, one of them perhaps over the tree, is of what the last scaled."""
    rule = Rule(rank=2)
    loads = [rule.load("g", "grad"), rule.load("p"), rule.load("a"), rule.load("b", "bfloat16")]
    x, values, partials = loads[0], [], []
    over_the_tree = draw(st.integers(0, 2 * stages))
    for stage in range(draw(st.integers(1, stages))):
        for load in draw(st.lists(st.sampled_from(loads), min_size=0, max_size=4, unique=True)):
            x = rule(draw(st.sampled_from(BINARY)), x, load)
        values.append(x)
        total = rule.reduce("sum", draw(st.sampled_from([x, *loads])))
        if stage == over_the_tree:
            partials.append(rule.partial("total", total))
            total = scalar("clip")
        x = rule("mul", x, total)
        values.append(x)
    rule.store("a", draw(st.sampled_from([*values, *loads])))
    rule.store("b", draw(st.sampled_from([*values, *loads])), "bfloat16")
    rule.store("p", x)
    return rule.program("chained", *partials)
