"""Random legal programs, and what to evaluate them on: for hypothesis."""

import numpy as np
from hypothesis import strategies as st

from optgen.ir.build import Builder, broadcast, cast, const, effect
from optgen.ir.evaluate import Dtypes, Inputs
from optgen.ir.node import node
from optgen.ir.ops import OPS, is_elementwise
from optgen.ir.program import Program
from optgen.ir.types import GRAD, LEAF, PARAM, REAL, REAL_SCALAR, Type

ELEMENTWISE = tuple(op for op in OPS if is_elementwise(op))
ARITHMETIC = ("add", "sub", "mul", "div", "neg", "abs", "sqrt", "maximum", "minimum", "lt", "where")
"""Operations that IEEE 754 defines to the last bit."""

SPECIAL = (0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 3.0, -2.5, np.inf, -np.inf, np.nan)
EXTREME = (1.1754944e-38, -1.1754944e-38, 1e-45, -1e-45, 1.1754942e-38, 3.4028235e38, -3.4028235e38)
HYPERS = {"lr": 0.1, "b1": 0.9}
TREE = {"norm": 2.5}
SHAPES = {0: (), 1: (5,), 2: (3, 4), 3: (2, 3, 2)}


def axes_of(rank):
    """Axes, in canonical form, along which a value of a leaf of this rank may vary."""
    subsets = [()] if not rank else [(a,) for a in range(rank)] * (rank > 1) + [()]
    return st.sampled_from([LEAF, *subsets])


@st.composite
def programs(draw, ops=ELEMENTWISE, size=20, reductions=True):
    """A legal program of about ``size`` operations on arrays, row statistics and scalars."""
    rank = draw(st.sampled_from([None, 0, 1, 2, 3]))
    build = Builder(rank or 0)
    loads = {"g": Type(GRAD, LEAF), "p": Type(PARAM, LEAF), "mu": Type("bfloat16", LEAF)}
    loads["row"] = Type("float32", draw(axes_of(rank)))
    slots = {name: node("load", type, (), name) for name, type in loads.items()}
    pool = [*slots.values(), node("step", REAL_SCALAR), node("extent", REAL_SCALAR, (), LEAF)]
    pool += [node("hyper", REAL_SCALAR, (), name) for name in HYPERS]
    pool += [node("tree_load", REAL_SCALAR, (), name) for name in TREE]
    numbers = st.one_of(st.sampled_from(SPECIAL), st.floats(width=32))
    pool += [const(draw(numbers)) for _ in range(3)]
    kinds = ["elementwise"] * 6 + ["cast"] + ["reduce", "tree"] * reductions
    for _ in range(draw(st.integers(size // 2, size))):
        kind = draw(st.sampled_from(kinds))
        if kind == "elementwise":
            op = draw(st.sampled_from(ops))
            pool.append(build.elementwise(op, *(_recent(draw, pool) for _ in range(OPS[op].arity))))
        elif kind == "cast":
            x = cast(_recent(draw, pool), REAL)
            pool.append(cast(x, draw(st.sampled_from([PARAM, GRAD, "bfloat16"]))))
        else:
            op = draw(st.sampled_from(["sum", "max", "min"]))
            x = build.reduce(op, _recent(draw, pool), draw(axes_of(rank)))
            if kind == "tree" and x.type == REAL_SCALAR:
                tree = "tree_sum" if op == "sum" else "tree_max"
                x = node(tree, REAL_SCALAR, (x,), f"number {len(pool)}")
            pool.append(x)
    return Program(
        draw(st.sampled_from(["adamw", "a b", 'quoted "name"', "inf", "rank"])),
        tuple(_effects(draw, pool, slots)),
        rank,
        {x: draw(_NAMES) for x in draw(st.lists(st.sampled_from(pool), max_size=4))},
    )


_NAMES = st.sampled_from(["mu_next", "nu", "nu", "7", "nan", "μ", "two words", 'a "quote"', "as"])


def _recent(draw, pool):
    """One of the pool, more often than not one of the last: otherwise nothing grows deep."""
    return draw(st.one_of(st.sampled_from(pool[-4:]), st.sampled_from(pool)))


def _effects(draw, pool, slots):
    for name, slot in slots.items():
        fit = [x for x in pool if set(x.type.axes) <= set(slot.type.axes) or slot.type.axes == LEAF]
        x = broadcast(draw(st.sampled_from(fit[-3:])), slot.type.axes)
        if x.type.dtype != slot.type.dtype:
            x = cast(cast(x, REAL), slot.type.dtype)
        yield effect("store", name, x)
    scalars = [x for x in pool if x.type == REAL_SCALAR]
    yield effect("tree_store", "norm", draw(st.sampled_from(scalars[-3:])))
    yield effect("emit", "partial", draw(st.sampled_from(scalars[-3:])))


def inputs(program, seed, dtypes=Dtypes()):  # noqa: B008  (frozen)
    """Random and special values for what ``programs()`` reads."""
    rng = np.random.default_rng(seed)
    shape = SHAPES[2 if program.rank is None else program.rank]

    def array(axes):
        extents = shape if axes == LEAF else (1,) * len(shape) if axes else ()
        extents = tuple(
            n if axes == LEAF or i in axes else one
            for i, (n, one) in enumerate(zip(shape, extents, strict=False))
        )
        return np.where(
            rng.random(extents) < 0.3, rng.choice(SPECIAL, extents), rng.normal(size=extents)
        )

    loads = {n.attr: array(n.type.axes) for n in program.find("load")}
    return Inputs(loads, HYPERS, {}, TREE, step=3.0, shape=shape, dtypes=dtypes)


def same_bits(a, b):
    """True where two arrays are equal bit for bit, all NaNs being one."""
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    nans = np.isnan(a) & np.isnan(b)
    return bool(np.all(nans | ((a == b) & (np.signbit(a) == np.signbit(b)))))
