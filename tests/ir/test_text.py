import math

import pytest
from hypothesis import given, settings

from optgen.errors import ParseError
from optgen.ir.build import const, effect
from optgen.ir.legality import check
from optgen.ir.program import Program
from optgen.ir.text import parse, text
from tests.strategies import programs

ADAM = """\
program adam rank 2 {
  %0 = load "g" : grad[*]
  %g = cast %0 : real[*]
  %1 = const 0.1 : real[]
  %2 = broadcast %1 : real[*]
  %mu_next = mul %g, %2 : real[*]
  store "mu" %mu_next : real[*]
  %3 = sum<0> %mu_next : real[1] as "column sums"
  store "sums" %3 : real[1]
}"""


def named(program):
    present = set(program.nodes())
    return {n: name for n, name in program.names.items() if n in present}


@given(programs())
@settings(max_examples=100)
def test_every_program_round_trips(program):
    again = parse(text(program))
    assert again == program
    assert again.name == program.name
    assert named(again) == named(program)
    assert text(again) == text(program)
    check(again)


def test_the_form_that_readers_see():
    program = parse("# a comment\n" + ADAM.replace("\n", "  # and another\n"))
    mu, sums = program.outputs
    assert named(program)[mu.args[0]] == "mu_next"
    assert text(program) == ADAM
    assert named(program)[sums.args[0]] == "column sums"


def test_a_name_that_looks_like_a_number_is_still_a_name():
    one = const(1.0)
    program = Program("numbers", (effect("emit", "x", one),), names={one: "0"})
    assert '%0 = const 1.0 : real[] as "0"' in text(program)
    assert named(parse(text(program))) == {one: "0"}


@pytest.mark.parametrize("value", [0.1, 1e-8, -0.0, 5e-324, 1e308, math.inf, -math.inf, math.nan])
def test_every_number_round_trips(value):
    program = Program("numbers", (effect("emit", "x", const(value)),))
    assert parse(text(program)).output("x").args[0] is const(value)


@pytest.mark.parametrize(
    ("wrong", "instead", "message"),
    [
        ("program", "prog", "line 1, column 1: expected 'program', found 'prog'"),
        ("rank 2", "rank two", "line 1, column 19: expected an axis or a rank: 0, 1, …, found 'tw"),
        ("mul", "mull", "line 6, column 14: expected an operation, found 'mull'"),
        ("%g, %2", "%g", "line 6, column 21: expected ',', found ':'"),
        ("%g, %2", "%g, %h", "line 6, column 22: expected a value that is defined above, found '%"),
        ("%g, %2", "%g, %2, %g", "line 6, column 24: expected ':', found ','"),
        ("%g = cast", "%0 = cast", "line 3, column 3: expected a name that is not taken yet, fou"),
        ("const 0.1", "const x", "line 4, column 14: expected a number, found 'x'"),
        ('load "g"', "load g", "line 2, column 13: expected a name in quotes, found 'g'"),
        (": grad[*]", ": grad", "line 3, column 3: expected '[', found '%g'"),
        (": grad[*]", ": [*]", "line 2, column 19: expected a type such as real[*], found '['"),
        ("sum<0>", "sum", "line 8, column 12: expected '<', found '%mu_next'"),
        ('store "mu"', '%5 = store "mu"', "line 7, column 8: expected an operation with a value"),
        ("%1 = const", "const", "line 4, column 3: expected a name for the value, such as '%x = '"),
        ("\n}", "\n", "line 10, column 1: expected '%name = …', an effect, or '}', found the end"),
        ("\n}", "\n} }", "line 10, column 3: expected nothing after the program, found '}'"),
        ('"mu"', '"mu', "line 7, column 9: expected a name in quotes, found '\"'"),
        ('"mu"', r'"\q"', "line 7, column 9: expected a name in quotes, written as in JSON"),
    ],
)
def test_errors_say_where_and_what_was_expected(wrong, instead, message):
    with pytest.raises(ParseError) as error:
        parse(ADAM.replace(wrong, instead, 1))
    assert str(error.value).startswith(message)
