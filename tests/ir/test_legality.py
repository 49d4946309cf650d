import pytest

from optgen.errors import IRError
from optgen.ir.build import const, effect
from optgen.ir.legality import KERNEL, MATH, check
from optgen.ir.node import node
from optgen.ir.ops import OPS
from optgen.ir.program import Program
from optgen.ir.text import parse
from optgen.ir.types import LEAF, REAL_SCALAR, Type

LEAF_REAL = Type("real", LEAF)

INPUTS = """
  %x = load "x" : real[*]
  %r = load "r" : real[0]
  %s = hyper "s" : real[]
  %h = load "h" : float16[*]
  %b = isfinite %x : bool[*]
"""

# For each row of the table: what breaks it, and what is said of it.
BROKEN = {
    '%y = load "y" : bool[*]': "loads a storage dtype",
    '%y = hyper "y" : real[*]': "is a real scalar",
    "%y = step : float32[]": "is a real scalar",
    "%y = extent<0,1> : real[]": "counts axes that the leaf does not have, or all of them",
    "%y = extent<2> : real[]": "counts axes that the leaf does not have",
    "%y = add %x, %h : real[*]": "takes real and gives real (cast them)",
    "%y = add %x, %s : real[*]": "takes arguments that vary along its own axes (broadcast them)",
    "%y = lt %x, %x : real[*]": "takes real and gives bool (cast them)",
    "%y = isfinite %b : bool[*]": "takes real and gives bool (cast them)",
    "%y = and %b, %x : bool[*]": "takes bool and gives bool (cast them)",
    "%y = where %x, %x, %x : real[*]": "takes a bool and two values of its own dtype",
    "%y = where %b, %x, %r : real[*]": "takes arguments that vary along its own axes",
    "%y = cast %x : real[*]": "changes the dtype",
    "%y = cast %x : float16[0]": "keeps the axes",
    "%y = broadcast %s : float16[*]": "keeps the dtype",
    "%y = broadcast %x : real[0]": "adds axes to real[*]",
    "%y = sum<0> %h : real[1]": "takes real and gives real",
    "%y = sum<1> %r : real[0]": "reduces axes that its argument real[0] varies along",
    "%y = sum<2> %x : real[*]": "reduces axes that its argument real[*] varies along",
    "%y = sum<1> %x : real[1]": "varies along what is left of its argument's axes",
    '%y = tree_sum "k" %x : real[*]': "takes and gives a real scalar",
    'store "y" %b : bool[*]': "stores a storage dtype",
    'store "y" %x : param[*]': "has its argument's type",
    'emit "y" %x : real[*]': "takes a real scalar",
    "%y = cast %x : int8[*]": "has the unknown dtype 'int8'",
    "%y = cast %x : float16[5]": "names axes that a leaf of rank 2 does not have, or all of them",
    "%y = cast %x : float16[1,0]": "names axes that a leaf of rank 2 does not have, or all of them",
}


@pytest.mark.parametrize("line", BROKEN)
def test_what_breaks_the_table_is_named(line):
    if line.startswith("%y"):
        dtype_and_axes = line.rpartition(": ")[2]
        line += f'\n  store "y" %y : {dtype_and_axes}'
    program = parse(f"program broken rank 2 {{{INPUTS}  {line}\n}}")
    with pytest.raises(IRError) as error:
        check(program)
    assert str(error.value).startswith("program 'broken' is not legal:\n  <")
    assert BROKEN[line.partition("\n")[0]] in str(error.value)


def broken_by_hand():
    x = node("load", LEAF_REAL, (), "x")
    one = const(1.0)
    store = effect("store", "x", x)
    return {
        "is no operation": node("frobnicate", LEAF_REAL, (x,)),
        "takes 2 arguments, not 1": node("add", LEAF_REAL, (x,)),
        "has a float for its attribute": node("const", REAL_SCALAR, (), "one"),
        "has a key for its attribute": node("tree_sum", REAL_SCALAR, (one,), 3),
        "has a name for its attribute": node("store", LEAF_REAL, (x,)),
        "is an output, and no effect": x,
        "takes an effect for a value": node("neg", LEAF_REAL, (store,)),
    }


@pytest.mark.parametrize("message", broken_by_hand())
def test_what_has_no_textual_form_is_named_too(message):
    culprit = broken_by_hand()[message]
    with pytest.raises(IRError, match=message):
        check(Program("broken", (culprit,)))


def test_all_faults_are_reported_together():
    source = 'program two { %s = hyper "s" : real[]\n store "a" %s : bool[] emit "b" %s : grad[] }'
    with pytest.raises(IRError) as error:
        check(parse(source))
    assert str(error.value).count("\n") == 2


def test_what_is_written_twice_is_named():
    source = 'program twice { %s = hyper "s" : real[] emit "a" %s : real[] store "a" %s : real[] }'
    with pytest.raises(IRError, match="'a' is written twice"):
        check(parse(source))


def test_kernel_bodies_leave_out_what_is_the_same_for_every_leaf():
    program = parse('program k { %s = hyper "s" : real[] emit "a" %s : real[] }')
    with pytest.raises(IRError, match="<hyper 's' : real\\[\\]> is not legal at this stage"):
        check(program, KERNEL)
    assert check(program, MATH) is program
    assert set(MATH) == set(OPS)
