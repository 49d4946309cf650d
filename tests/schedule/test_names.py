"""Names of the buffers that the planner adds: the rule's words, and no clashes."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import optgen
from optgen.compile import lower
from optgen.ir.evaluate import Dtypes
from optgen.schedule import LeafProgram, schedule
from optgen.schedule.graph import is_effect, is_large, is_reduction
from optgen.schedule.names import buffer_names
from optgen.zoo import STOCK
from tests.schedule import rules
from tests.schedule.planning import viewed
from tests.schedule.rules import Rule
from tests.schedule.strategies import chained_programs, leaf_programs


def nodes(program):
    return list(dict.fromkeys(n for phase in program.phases for n in phase.nodes()))


def named(program, values):
    """The program, whose author called some of its values so."""
    return LeafProgram(replace(program.update, names=values), program.partials)


def names(program, values=None, temporaries=()):
    program = viewed(program if values is None else named(program, values))[0]
    return list(buffer_names(program, nodes(program), temporaries).values())


def test_reductions_are_called_by_what_they_are_of_and_keep():
    rule = Rule(3)
    g, p = rule.gradient(), rule.parameter()
    square = rule("mul", g, g)
    sums = [
        rule.reduce("sum", square, (2,)),
        rule.reduce("sum", p, (1,)),
        rule.reduce("max", rule("abs", g), (1, 2)),
        rule.reduce("min", p),
        rule.reduce("sum", rule("tanh", p)),
        rule.reduce("max", rule("tanh", p)),
        rule.reduce("sum", rule("exp", p)),
    ]
    for i, value in enumerate(sums):
        rule.store(f"slot_{i}", value, "float32", value.type.axes)
    assert names(rule.program("rule")) == [
        "g_square_row_sums",
        "p_column_sums",
        "g_size_batch_maxima",
        "p_min",
        "sum",
        "max",
        "p_exp_sum",
    ]


def test_authors_know_best():
    rule = Rule()
    g = rule.gradient()
    square, other = rule("mul", g, g), rule("exp", g)
    total, second = rule.reduce("sum", square), rule.reduce("sum", other)
    rule.result(rule("mul", rule("mul", g, total), second))
    program = rule.program("rule")
    assert names(program, {total: "energy"}) == ["energy", "g_exp_sum"]
    assert names(program, {square: "power", other: "power"}) == ["power_sum", "power_sum_2"]
    assert names(program, {total: "not a name", square: "1st"}) == ["g_square_sum", "g_exp_sum"]
    # Two values of one name: the second is called by what it is of.
    assert names(program, {total: "total", second: "total"}) == ["total", "g_exp_sum"]
    # What an author calls another value is not free.
    assert names(program, {square: "sum"}) == ["sum_sum", "g_exp_sum"]


@pytest.mark.parametrize("name", ["g", "p", "update", "trace", "momentum", "minus_lr"])
def test_no_array_of_the_leaf_and_no_scalar_is_called_again(name):
    rule = Rule()
    trace = rule("add", rule.gradient(), rule("mul", rules.scalar("momentum"), rule.load("trace")))
    rule.store("trace", trace)
    total = rule.reduce("sum", trace)
    rule.result(rule("mul", rules.scalar("minus_lr"), rule("mul", trace, total)))
    assert names(rule.program("rule"), {total: name}) == ["sum"]


def test_temporaries():
    program = rules.lamb(clip_after=True)
    update = next(n for n in nodes(program) if n.op == "mul" and is_large(n))
    assert names(program, temporaries=[update])[-1] == "temporary"
    assert names(program, {update: "direction"}, [update])[-1] == "direction"
    assert names(program, {update: "update"}, [update])[-1] == "temporary"


WORDS = st.sampled_from(
    ["", "", "", "g", "p", "sum", "max", "row", "clip", "a", "x", "temporary", "total"]
)


@settings(max_examples=60)
@given(st.data(), st.one_of(leaf_programs(), chained_programs()))
def test_names_are_unique_free_and_the_same_again(data, program):
    program, *_ = viewed(program)
    every = nodes(program)
    values = [n for n in every if not is_effect(n)]
    words = data.draw(st.lists(WORDS, min_size=len(values), max_size=len(values)))
    chosen = {n: word for n, word in zip(values, words, strict=True) if word}
    program = named(program, chosen)
    large = [n for n in values if is_large(n)]
    temporaries = data.draw(st.lists(st.sampled_from(large), max_size=2, unique=True))
    found = buffer_names(program, every, temporaries)
    assert set(found) == {*temporaries, *(n for n in every if is_reduction(n))}
    assert len(set(found.values())) == len(found)
    arrays = {n.attr for n in every if n.op in ("load", "scalar") or is_effect(n)}
    assert not set(found.values()) & {"g", "p", "update", *arrays}
    for n, name in found.items():
        assert name.isidentifier()
        others = {word for m, word in chosen.items() if m is not n and m not in found}
        assert name == chosen.get(n) or name not in others
    again = named(program, dict(reversed(chosen.items())))
    assert buffer_names(again, nodes(again), temporaries) == found


@pytest.mark.parametrize("mode", ["step", "update"])
@pytest.mark.parametrize("name", STOCK)
def test_buffers_of_stock_rules(name, mode):
    tree = [jax.ShapeDtypeStruct(s, jnp.float32) for s in [(7,), (256, 512), (2, 256, 512)]]
    tx = optgen.chain(optgen.clip_by_global_norm(1.0), STOCK[name](1e-3))
    specs = tx.trees.specs(tree)
    lowered, _ = lower(tx.instance.composition, specs)
    for place, variant in enumerate(lowered.variants):
        made = schedule(lowered.program(place, mode), place, mode, Dtypes())
        added = {x.name for x in made.sequence.buffers if x.lifetime in ("temporary", "statistic")}
        assert not added & {"g", "p", "update", *variant.slots, *lowered.hyperparameters}
        scalars = {name for kernel in made.sequence.kernels for name in kernel.scalars}
        assert not added & scalars
