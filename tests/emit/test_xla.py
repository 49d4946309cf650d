"""Emitted ``jnp`` source: what it says, and that it is formatted as a formatter leaves it."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

from optgen import dsl
from optgen.runtime.execution.load import load_emitted


def leaf(*shape, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(shape, dtype)


def body(source, name):
    """The statements of a function, without its docstring."""
    lines = source.split(f"def {name}(")[1].split("\n\n\n")[0].splitlines()
    return [line.strip() for line in lines[lines.index(next(x for x in lines if '"""' in x)) + 1 :]]


@dsl.rule
def adamw(g, p, *, learning_rate, b1=0.9, b2=0.999, eps=1e-8, weight_decay=1e-4):
    """AdamW (Loshchilov and Hutter, 2019, arXiv:1711.05101)."""
    t = dsl.step()
    mu, nu = dsl.state("mu"), dsl.state("nu")
    mu.next = b1 * mu + (1 - b1) * g
    nu.next = b2 * nu + (1 - b2) * g**2
    mu_hat = mu.next / (1 - b1**t)
    nu_hat = nu.next / (1 - b2**t)
    update = mu_hat / (dsl.sqrt(nu_hat) + eps) + weight_decay * p
    return -learning_rate * update


@dsl.rule
def everything(g, p, *, rate, limit=1.0):
    row = dsl.state("row", like=dsl.mean(g, axis=1), init=rate)
    row.next = dsl.max(dsl.abs(g), axis=1) + 0 * row
    seen = dsl.tree_state("seen", init=1.0)
    seen.next = seen + 1
    kept = dsl.cast(g, p.dtype)
    inside = (dsl.abs(kept) < limit) & dsl.isfinite(g) | (p > dsl.mean(p))
    scale = dsl.where(dsl.global_norm(g) > limit, limit / dsl.global_norm(g), 1.0)
    return -rate * dsl.where(inside, g * scale, dsl.rsqrt(1 + g**3)) * (g > 0) / row.next


def test_the_code_of_adamw_reads_like_the_rule():
    source = adamw(1e-3).source("xla", leaf(3))
    assert body(source, "leaf") == [
        "g = g.astype(real)",
        "mu_next = b1 * mu.astype(real) + one_minus_b1 * g",
        "mu_hat = mu_next / bias_correction_b1",
        "nu_next = b2 * nu.astype(real) + one_minus_b2 * (g * g)",
        "nu_hat = nu_next / bias_correction_b2",
        "update = mu_hat / (jnp.sqrt(nu_hat) + eps) + weight_decay * p.astype(real)",
        "return {",
        '"update": minus_learning_rate * update,',
        '"mu": mu_next.astype(param),',
        '"nu": nu_next.astype(param),',
        "}",
    ]


def test_the_head_holds_the_reference_and_the_equations():
    head = adamw(1e-3).source("xla", leaf(3)).split('"""')[1]
    assert head.startswith("AdamW (Loshchilov and Hutter, 2019, arXiv:1711.05101).")
    for equation in (
        "mu' = b1*mu + (1 - b1)*g",
        "nu' = b2*nu + (1 - b2)*g**2",
        "p' = p - learning_rate*update",
    ):
        assert f"    {equation}\n" in head


def test_what_the_hyperparameters_decide_is_computed_in_doubles():
    module = load_emitted("adamw", adamw(1e-3).source("xla", leaf(3)))
    assert module.update.constants(learning_rate=1e-3, b1=0.9, b2=0.999) == {
        "minus_learning_rate": -1e-3,
        "one_minus_b1": 1 - 0.9,
        "one_minus_b2": 1 - 0.999,
    }


@pytest.mark.parametrize("optimizer", [adamw(1e-3), everything(0.1)])
def test_the_source_is_formatted_and_clean(optimizer, tmp_path):
    params = {"w": leaf(3, 4), "v": leaf(2, 5)}
    path = tmp_path / "emitted.py"
    path.write_text(optimizer.source("xla", params))
    ruff = [sys.executable, "-m", "ruff"]
    config = ["--config", "pyproject.toml"]
    done = subprocess.run(
        [*ruff, "format", "--diff", *config, path], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    done = subprocess.run([*ruff, "check", *config, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_values_that_the_author_did_not_name_are_split_when_long():
    @dsl.rule
    def long(g, p, *, rate):
        x = g
        for _ in range(12):
            x = dsl.sqrt(dsl.abs(x * g + p) + rate)
        return x

    source = long(0.1).source("xla", leaf(3))
    assert max(map(len, source.splitlines())) <= 100


def test_leaves_of_one_program_share_a_function_and_others_get_their_own():
    @dsl.rule
    def by_rank(g, p, *, rate):
        return -rate * g if p.ndim < 2 else -rate * dsl.sign(g)

    source = by_rank(0.1).source(
        "xla", {"a": leaf(3), "b": leaf(3, 4), "c": leaf(5), "d": leaf(6, 6)}
    )
    assert "def ndim_1(" in source
    assert "def ndim_2(" in source
    assert source.count("Variant(\n") == 2


def test_a_rounding_inside_a_rule_survives_xla():
    @dsl.rule
    def kahan(g, p):
        return dsl.cast(g, jnp.bfloat16) - g

    tx = kahan()
    g = jnp.asarray([1.001, 2.003], jnp.float32)
    state = tx.init(g)
    expected = g.astype(jnp.bfloat16).astype(jnp.float32) - g
    got = jax.jit(tx.update)(g, state, g)[0]
    assert got.tolist() == expected.tolist()
    assert float(abs(got).max()) > 0
