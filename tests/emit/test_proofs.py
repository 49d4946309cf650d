import time

import pytest

from optgen import dsl
from optgen.emit.proofs import claims, properties, scale_invariance, step_bound
from tests.emit.rules import adafactor, adamw, clip, dog, kahan, lamb, lion, program, traced
from tests.large import chain, doubling


@dsl.rule
def sgd(g, p, *, learning_rate, weight_decay=0.0):
    return -learning_rate * (g + weight_decay * p)


@dsl.rule
def plain_sgd(g, p, *, learning_rate):
    return -learning_rate * g


@dsl.rule
def adagrad(g, p, *, learning_rate, start: int = 0, eps=1e-7):
    total = dsl.state("total", init=float(start))
    total.next = total + g**2
    return -learning_rate * dsl.where(total.next > 0, g / dsl.sqrt(total.next + eps), 0.0)


@dsl.rule
def clipped(g, p, *, learning_rate, limit=1.0):
    return -learning_rate * dsl.clip(g, -limit, limit)


@dsl.rule
def saturated(g, p, *, learning_rate):
    return -learning_rate * dsl.tanh(g)


@pytest.mark.parametrize(
    ("optimizer", "holds"),
    [
        (adamw(1e-3), True),
        (lion(1e-3), True),
        (lamb(1e-3), True),
        (adafactor(1e-3), True),
        (dog(), True),
        (adagrad(1e-3), True),
        (adagrad(1e-3, start=1), None),  # what it starts with does not scale
        (plain_sgd(1e-3), False),
        (sgd(1e-3), None),  # of two terms only one scales
        (clipped(1e-3), None),
        (saturated(1e-3), None),
        (kahan(1e-3), None),  # a rounding scales by powers of two alone
        (dsl.chain(clip(1.0), adamw(1e-3)), None),
    ],
)
def test_scale_invariance(optimizer, holds):
    assert scale_invariance(*traced(optimizer)).holds is holds


def test_epsilons_are_said_to_be_zero():
    assert scale_invariance(*traced(adamw(1e-3))).assuming == "eps = 0"
    assert scale_invariance(*traced(lion(1e-3))).assuming == ""


@pytest.mark.parametrize(
    ("optimizer", "statement"),
    [
        (lion(1e-3), "|update| <= learning_rate*(1 + weight_decay*|p|)"),
        (clipped(1e-3), "|update| <= learning_rate*limit"),
        (saturated(1e-3), "|update| <= learning_rate"),
    ],
)
def test_step_bounds(optimizer, statement):
    claim = step_bound(program(optimizer))
    assert (claim.statement, claim.holds) == (statement, True)


@pytest.mark.parametrize("optimizer", [adamw(1e-3), plain_sgd(1e-3), lamb(1e-3), kahan(1e-3)])
def test_no_bound_is_guessed(optimizer):
    assert step_bound(program(optimizer)) is None


def test_only_what_is_known_is_claimed():
    assert claims(*traced(kahan(1e-3))) == []
    assert [claim.holds for claim in claims(*traced(lion(1e-3)))] == [True, True]
    assert [claim.holds for claim in claims(*traced(plain_sgd(1e-3)))] == [False]


def test_properties_are_sentences():
    assert properties(*traced(lion(1e-3))) == (
        "invariant to the scale of the gradient",
        "the step is bounded by learning_rate*(1 + weight_decay*|p|), whatever the gradient is",
    )
    assert properties(program(adamw(1e-3))) == (
        "invariant to the scale of the gradient (where eps = 0, slots start at 0)",
    )
    assert properties(*traced(plain_sgd(1e-3))) == ("proportional to the scale of the gradient",)
    assert properties(*traced(kahan(1e-3))) == ()


@pytest.mark.parametrize("shape", ["chain", "doubling"])
def test_large_programs_take_linear_time(shape):
    one = {"chain": chain, "doubling": doubling}[shape]()
    started = time.perf_counter()
    assert properties(one) == ("proportional to the scale of the gradient",)
    assert time.perf_counter() - started < 5
