"""The textual form of kernel sequences: it round-trips, and says where it is malformed."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import optgen
from optgen.compile import dtypes_of, lower
from optgen.errors import ParseError
from optgen.ir.evaluate import Dtypes
from optgen.runtime.vocabulary.sequence import Buffer, Combine, Item, KernelSequence
from optgen.schedule import Schedule, schedule
from optgen.schedule.check import check_schedule
from optgen.schedule.sequence import unscheduled
from optgen.schedule.text import parse, parse_all, text, text_all
from optgen.zoo import STOCK
from tests.schedule import rules
from tests.schedule.planning import viewed
from tests.schedule.strategies import chained_programs, leaf_programs

DTYPES = [Dtypes(), Dtypes("bfloat16", "bfloat16", "float32"), Dtypes("float64", real="float64")]

SUMS = """\
sequence variant 3 update bfloat16 float32 float32 dimensions 2 {
  buffer g : float32[*] leaf
  buffer row : float32[0] leaf
  buffer g_row_sums : float32[0] statistic sum<*>
  sweep statistics phase 0 reads g writes g_row_sums
    program sums rank 2 {
      %0 = load "g" : grad[*]
      %1 = cast %0 : real[*]
      %2 = sum<1> %1 : real[0]
      store "g_row_sums" %2 : real[0]
    }
  combine tiles phase 0 g_row_sums
  finalize finalize phase 1 independent<*> reads g_row_sums writes row scalars decay
    program sums rank 2 {
      %0 = load "g_row_sums" : real[0]
      %1 = scalar "decay" : real[]
      %2 = broadcast %1 : real[0]
      %3 = mul %0, %2 : real[0]
      store "row" %3 : real[0]
    }
}"""
LINES = SUMS.splitlines()


def round_trips(made):
    again = parse(text(made))
    assert again == made
    assert again.sequence.dimensions == made.sequence.dimensions
    assert text(again) == text(made)
    assert [body.rank for body in again.bodies] == [body.rank for body in made.bodies]
    assert [body.name for body in again.bodies] == [body.name for body in made.bodies]


def test_a_sequence_in_its_textual_form():
    made = parse(SUMS)
    assert text(made) == SUMS
    sequence = made.sequence
    assert (sequence.variant, sequence.mode, sequence.dimensions) == (3, "update", 2)
    assert sequence.dtypes == ("bfloat16", "float32", "float32")
    assert sequence.buffers[2] == Buffer("g_row_sums", "float32", (0,), "statistic", "sum", "*")
    sweep, combine, finalize = sequence.items
    assert sweep == Item("sweep", "statistics", reads=("g",), writes=("g_row_sums",))
    assert combine == Combine("tiles", 0, ("g_row_sums",))
    assert finalize == Item(
        "finalize",
        "finalize",
        1,
        reads=("g_row_sums",),
        writes=("row",),
        scalars=("decay",),
        independent="*",
    )
    check_schedule(made)


@settings(max_examples=100)
@given(st.one_of(leaf_programs(), chained_programs()), st.sampled_from(DTYPES), st.integers(0, 12))
def test_random_sequences_round_trip(program, dtypes, variant):
    round_trips(schedule(viewed(program)[0], variant, "step", dtypes))


@pytest.mark.parametrize(
    "program",
    [
        rules.adafactor(4, 1, 3, clip=True),
        rules.adafactor(2, 0, 1),
        rules.sm3(3),
        rules.lamb(clip_after=True),
        rules.small_reductions(),
        rules.novograd(),
    ],
    ids=lambda p: p.name,
)
def test_sequences_of_rules_round_trip(program):
    round_trips(schedule(viewed(program)[0], 0, "step", Dtypes()))


@pytest.mark.parametrize("mode", ["step", "update"])
@pytest.mark.parametrize("name", STOCK)
def test_stock_rules_round_trip(name, mode):
    shapes = [(), (7,), (256, 512), (2, 256, 512), (3, 3, 256, 128)]
    tree = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    tree.append(jax.ShapeDtypeStruct((4, 5), jnp.bfloat16))
    tx = optgen.chain(optgen.clip_by_global_norm(1.0), STOCK[name](1e-3))
    specs = tx.trees.specs(tree)
    lowered, _ = lower(tx.instance.composition, specs)
    made = [
        schedule(lowered.program(place, mode), place, mode, dtypes_of(spec, variant))
        for place, variant in enumerate(lowered.variants)
        for spec in specs
    ]
    for one in made:
        round_trips(one)
    distinct = list(dict.fromkeys(map(text, made)))
    assert [text(s) for s in parse_all(text_all(made))] == distinct


@pytest.mark.parametrize("reason", ["plain", 'a "quoted" # one', "two\nlines", "because\\", "×"])
def test_what_is_left_to_xla_round_trips(reason):
    sequence = unscheduled(1, "step", Dtypes(), "leaf", reason)
    made = Schedule(sequence, ())
    assert parse(text(made)) == made
    assert parse(text(made)).sequence.reason == reason


AXES = st.one_of(st.just("*"), st.lists(st.integers(0, 3), max_size=3).map(tuple))
NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True)
LISTS = st.lists(NAMES, max_size=3).map(tuple)
BUFFERS = st.builds(
    Buffer,
    NAMES,
    st.sampled_from(["float32", "bfloat16"]),
    AXES,
    st.sampled_from(["leaf", "temporary", "statistic", "contribution"]),
)
IN_PARTS = st.builds(
    lambda buffer, combine, over: replace(buffer, combine=combine, over=over),
    BUFFERS,
    st.sampled_from(["sum", "max", "min"]),
    AXES,
)
ITEMS = st.builds(
    Item,
    st.just("xla"),
    NAMES,
    st.integers(0, 9),
    LISTS,
    LISTS,
    LISTS,
    LISTS,
    st.booleans(),
    AXES,
    st.text(min_size=1),
)
COMBINES = st.builds(
    Combine,
    st.sampled_from(["tiles", "tree"]),
    st.integers(0, 9),
    st.lists(NAMES, min_size=1, max_size=3).map(tuple),
)
SEQUENCES = st.builds(
    KernelSequence,
    st.integers(0, 99),
    st.sampled_from(["step", "update"]),
    st.tuples(*[st.sampled_from(["float32", "float16"])] * 3),
    st.lists(st.one_of(BUFFERS, IN_PARTS), max_size=4).map(tuple),
    st.lists(st.one_of(ITEMS, COMBINES), max_size=4).map(tuple),
    st.integers(0, 4),
)


@settings(max_examples=200)
@given(SEQUENCES)
def test_whatever_a_sequence_says_is_in_its_text(sequence):
    """Legal or not, with names that are words of the language too."""
    round_trips(Schedule(sequence, ()))


def test_comments_and_empty_lines():
    spaced = [part for line in LINES for part in (f"{line}   # and why", "", "  # more")]
    assert parse("\n".join(spaced)) == parse(SUMS)


def test_a_sequence_without_bodies_is_printed_too():
    made = replace(parse(SUMS), bodies=())
    assert "program" not in text(made)


def without(line):
    return "\n".join(LINES[: line - 1] + LINES[line:])


def changed(line, old, new):
    assert old in LINES[line - 1]
    return "\n".join([*LINES[: line - 1], LINES[line - 1].replace(old, new), *LINES[line:]])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "expected one sequence, found 0"),
        (SUMS + "\n" + SUMS, "expected one sequence, found 2"),
        ("nonsense", "line 1: expected 'sequence variant N MODE DTYPE DTYPE DTYPE {'"),
        (changed(1, "update", "apply"), "line 1: expected 'sequence variant N MODE"),
        (changed(1, "float32 float32", "float32"), "line 1: expected 'sequence variant N MODE"),
        (changed(2, "leaf", "forever"), "line 2: expected a buffer, an item or '}'"),
        (changed(3, "[0]", "[0"), "line 3: expected a buffer, an item or '}'"),
        (changed(3, "[0]", "[0,*]"), "line 3: expected a buffer, an item or '}'"),
        (changed(4, "sum<*>", "mean<*>"), "line 4: expected a buffer, an item or '}'"),
        (changed(5, "sweep", "pass"), "line 5: expected a buffer, an item or '}'"),
        (changed(5, "phase 0", "phase"), "line 5: expected a buffer, an item or '}'"),
        (changed(5, "reads g ", "reads "), "line 5: expected a buffer, an item or '}'"),
        (changed(12, "tiles", "shards"), "line 12: expected a buffer, an item or '}'"),
        (changed(12, " g_row_sums", ""), "line 12: expected a buffer, an item or '}'"),
        (without(6), "line 6: expected the item's program"),
        ("\n".join(LINES[:5]), "line 5: expected the item's program"),
        ("\n".join(LINES[:9]), "line 9: expected the end of the program"),
        (changed(9, "sum<1>", "mean<1>"), "line 9, column 12: expected an operation"),
        (changed(17, "%1", "%9"), "line 17, column 22: expected a value that is defined above"),
        ("\n".join(LINES[:-1]), f"line {len(LINES) - 1}: expected '}}'"),
    ],
)
def test_malformed_text(source, message):
    with pytest.raises(ParseError) as raised:
        parse(source)
    assert message in str(raised.value)
