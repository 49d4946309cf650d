"""Programs as jaxprs have them: tens of thousands of operations deep, or shared again and again."""

from optgen.ir.build import Builder, broadcast, cast, const, effect
from optgen.ir.node import node
from optgen.ir.program import Program
from optgen.ir.types import GRAD, LEAF, REAL, Type

BUILD = Builder(0)
G = cast(node("load", Type(GRAD, LEAF), (), "g"), REAL)


def update_of(value) -> Program:
    return Program("large", (effect("store", "update", value),))


def chain(length: int = 20_000) -> Program:
    """``-(|…|)``: no value is shared, and no pass makes it shorter."""
    value = G
    for place in range(length):
        value = BUILD.elementwise(("neg", "abs")[place % 2], value)
    return update_of(value)


def doubling(depth: int = 60) -> Program:
    """``x + x`` again and again: written out it would have 2**60 terms."""
    value = G
    for _ in range(depth):
        value = BUILD.elementwise("add", value, value)
    return update_of(value)


def scalar_chain(length: int = 20_000) -> Program:
    """A chain of scalars, of hyperparameters and of the step, that is the same for every leaf."""
    value = node("hyper", Type(REAL, ()), (), "rate")
    for place in range(length):
        other = node("step", Type(REAL, ())) if place % 100 == 0 else const(0.5)
        value = BUILD.elementwise(("mul", "add")[place % 2], value, other)
    return update_of(BUILD.elementwise("mul", broadcast(value, LEAF), G))
