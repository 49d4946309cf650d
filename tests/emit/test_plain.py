import subprocess
import sys

import pytest

from optgen import dsl
from optgen.emit.plain import plain
from tests.emit.rules import adafactor, adamw, clip, kahan, lamb, program

RECURRENCES = {
    "adamw": (
        adamw(1e-3),
        [
            "mu' = b1*mu + (1 - b1)*g",
            "mu_hat = mu'/(1 - b1**t)",
            "nu' = b2*nu + (1 - b2)*g**2",
            "nu_hat = nu'/(1 - b2**t)",
            "update = mu_hat/(sqrt(nu_hat) + eps) + weight_decay*p",
            "p' = p - learning_rate*update",
        ],
    ),
    "kahan": (
        kahan(1e-3),
        [
            "y = -learning_rate*(g + weight_decay*p) - compensation",
            "s = cast(p + y, p.dtype)",
            "compensation' = (s - p) - y",
            "p' = p + (s - p)",
        ],
    ),
    "adafactor": (
        adafactor(1e-3),
        [
            "decay = 1 - t**-decay_rate",
            "sqr = g**2 + eps",
            "v_row' = decay*v_row + (1 - decay)*mean(sqr, axis=1)",
            "v_col' = decay*v_col + (1 - decay)*mean(sqr, axis=0)",
            "x = g*rsqrt(v_row'/mean(v_row'))*rsqrt(v_col')",
            "u = x/maximum(1, sqrt(mean(x**2))/clipping_threshold)",
            "p' = p - learning_rate*u",
        ],
    ),
    "clip and adamw": (
        dsl.chain(clip(1.0), adamw(1e-3)),
        [
            "norm = global_norm(g)",
            "clip = g*where(norm < max_norm, 1, max_norm/norm)",
            "mu' = b1*mu + (1 - b1)*clip",
        ],
    ),
}


@pytest.mark.parametrize("name", RECURRENCES)
def test_a_rule_reads_like_its_recurrence(name):
    optimizer, lines = RECURRENCES[name]
    assert plain(program(optimizer))[: len(lines)] == lines


def test_a_norm_is_called_so():
    assert "trust_ratio = where(norm(p) > 0, norm(p)/norm(u), 1)" in plain(program(lamb(1e-3)))


@pytest.mark.parametrize(
    ("write", "text"),
    [
        (lambda a, b: a - (b - 1.0), "a - (b - 1)"),
        (lambda a, b: a / (b / 2.0), "a/(b/2)"),
        (lambda a, b: (a / b) / 2.0, "a/b/2"),
        (lambda a, b: a * (b * 2.0), "a*(b*2)"),
        (lambda a, b: (-a) ** 0.5, "(-a)**0.5"),
        (lambda a, b: -(a**0.5), "-a**0.5"),
        (lambda a, b: -(a + b), "-(a + b)"),
        (lambda a, b: a + -(b * 2.0), "a - b*2"),
        (lambda a, b: (a + b) - b, "(a + b) - b"),
        (lambda a, b: (a > b) * 1e-30, "(a > b)*1e-30"),
        (lambda a, b: ((a < b) | ~(a == 0.0)) + 0.0, "((a < b) | ~(a == 0)) + 0"),
        (lambda a, b: ((a < b) > 0.5) + a, "((a < b) > 0.5) + a"),
    ],
)
def test_operators_group_as_the_program_does(write, text):
    @dsl.rule
    def rule(g, p, *, learning_rate):
        a, b = dsl.state("a"), dsl.state("b")
        a.next, b.next = write(a, b), p
        return -learning_rate * g

    assert plain(program(rule(1.0)))[0] == f"a' = {text}"


def test_a_name_that_is_used_twice_is_told_apart():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        mu, nu = dsl.state("mu"), dsl.state("nu")
        learning_rate = learning_rate * 2.0 + 1.0
        mu.next = nu.next = g * learning_rate
        return -learning_rate * g

    lines = plain(program(rule(1.0)))
    assert lines == [
        "learning_rate_2 = learning_rate*2 + 1",
        "mu' = g*learning_rate_2",
        "nu' = mu'",
        "p' = p - learning_rate_2*g",
    ]


def test_reading_a_rule_as_text_imports_no_sympy():
    code = "import sys, optgen.emit.plain, optgen.emit.latex; print('sympy' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
