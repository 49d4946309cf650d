import pytest

from optgen.ir.build import Builder, broadcast, const
from optgen.ir.node import node
from optgen.ir.pattern import Call, Rewrite, Rewriter, matches, parse_pattern
from optgen.ir.types import LEAF, REAL, REAL_SCALAR, Type

X, Y = (node("load", Type(REAL, LEAF), (), name) for name in "xy")
BUILD = Builder(2)


def test_patterns_are_written_as_they_are_read():
    expected = Call("add", ("x", Call("neg", (Call("mul", ("x", -1.0)),))))
    assert parse_pattern("add(x, neg(mul(x, -1.0)))") == expected


@pytest.mark.parametrize("source", ["frob(x)", "add(x)", "neg(x, y)", "x +", "neg(x) y", "add(x"])
def test_malformed_patterns_are_errors(source):
    with pytest.raises(ValueError, match=r"no operation|is no pattern|goes on after|ends too soon"):
        parse_pattern(source)


def test_a_pattern_that_matches_everything_is_an_error():
    with pytest.raises(ValueError, match="'x' would match everything"):
        Rewrite("x", "neg(neg(x))")


def test_a_name_is_the_same_value_wherever_it_occurs():
    pattern = parse_pattern("sub(x, x)")
    assert list(matches(pattern, BUILD.elementwise("sub", X, X), {})) == [{"x": X}]
    assert not list(matches(pattern, BUILD.elementwise("sub", X, Y), {}))


def test_commutative_operations_match_either_way():
    pattern = parse_pattern("mul(x, neg(y))")
    product = BUILD.elementwise("mul", BUILD.elementwise("neg", X), Y)
    assert list(matches(pattern, product, {})) == [{"x": Y, "y": X}]
    assert not list(matches(parse_pattern("sub(x, neg(y))"), product, {}))


def test_numbers_match_constants_and_their_broadcasts_by_bits():
    zero = broadcast(const(0.0), LEAF)
    assert Rewrite("add(x, 0.0)", "x").apply(BUILD.elementwise("add", X, zero)) is X
    assert Rewrite("add(x, -0.0)", "x").apply(BUILD.elementwise("add", X, zero)) is None
    assert Rewrite("neg(0.0)", "-0.0").apply(node("neg", REAL_SCALAR, (const(0.0),))) is const(-0.0)


def test_replacements_vary_along_the_axes_of_what_they_replace():
    row = BUILD.reduce("max", X, (1,))
    squared = Rewrite("pow(x, 2.0)", "mul(x, x)").apply(BUILD.elementwise("pow", row, const(2.0)))
    assert squared is BUILD.elementwise("mul", row, row)
    one = Rewrite("pow(x, 0.0)", "1.0").apply(BUILD.elementwise("pow", row, const(0.0)))
    assert one is broadcast(const(1.0), (0,))
    truth = Rewrite("not(lt(x, y))", "ge(x, y)").apply(
        BUILD.elementwise("not", BUILD.elementwise("lt", X, Y))
    )
    assert truth is BUILD.elementwise("ge", X, Y)


def test_broadcast_in_a_replacement_is_of_a_scalar():
    rewrite = Rewrite("div(x, broadcast(s))", "mul(x, broadcast(div(1.0, s)))")
    s = node("hyper", REAL_SCALAR, (), "s")
    result = rewrite.apply(BUILD.elementwise("div", X, s))
    assert result is BUILD.elementwise("mul", X, BUILD.elementwise("div", const(1.0), s))


def test_the_first_rewrite_that_fits_is_applied():
    rewriter = Rewriter(
        [
            Rewrite("neg(x)", "abs(x)", when=lambda n, bound: False),
            Rewrite("neg(neg(x))", "x"),
            Rewrite("neg(x)", "sub(-0.0, x)"),
        ]
    )
    negative = BUILD.elementwise("neg", X)
    assert rewriter(BUILD.elementwise("neg", negative)) is X
    assert rewriter(negative) is BUILD.elementwise("sub", const(-0.0), X)
    assert rewriter(X) is X
