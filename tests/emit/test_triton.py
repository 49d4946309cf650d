"""Emitted Triton: what it says, and that it is formatted as a formatter leaves it."""

import ast
import re
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import pytest

import optgen
from optgen import dsl


def leaf(*shape, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(shape, dtype)


def function(source, name):
    """One function of the source, without its decorator."""
    tree = ast.parse(source)
    (found,) = (x for x in tree.body if isinstance(x, ast.FunctionDef) and x.name == name)
    return ast.get_source_segment(source, found)


@dsl.rule
def momentum(g, p, *, rate, decay=0.9):
    """Heavy-ball momentum (Polyak, 1964)."""
    velocity = dsl.state("velocity")
    velocity.next = decay * velocity + g
    return -rate * velocity.next


def test_the_tile_of_a_rule_reads_like_the_rule():
    source = momentum(0.1).source("triton", leaf(4))
    assert function(source, "leaf_step_tile") == textwrap.dedent('''\
        def leaf_step_tile(g_ptr, p_ptr, velocity_ptr, offsets, inside, minus_rate, decay):
            """Reads g, p, velocity; writes p, velocity."""
            p = tl.load(p_ptr + offsets, mask=inside)
            velocity = tl.load(velocity_ptr + offsets, mask=inside)
            g = tl.load(g_ptr + offsets, mask=inside)
            velocity_next = decay * velocity + g
            tl.store(p_ptr + offsets, p + minus_rate * velocity_next, mask=inside)
            tl.store(velocity_ptr + offsets, velocity_next, mask=inside)''')


def test_an_update_of_one_sweep_is_left_to_jnp():
    source = momentum(0.1).source("triton", leaf(4))
    assert definitions(source) == ["leaf_step_tile", "leaf_step"]


def test_the_head_holds_the_reference_and_the_equations():
    head = ast.get_docstring(ast.parse(momentum(0.1).source("triton", leaf(4))))
    assert head.startswith("Heavy-ball momentum (Polyak, 1964).")
    assert "    velocity' = decay*velocity + g\n" in head


def test_values_of_rows_are_computed_once_for_a_row():
    """Values of rows or columns alone are loaded outside of the loop over elements."""

    @dsl.rule
    def scaled(g, p, *, rate):
        return -rate * g * dsl.rsqrt(dsl.mean(g**2, axis=1)) / dsl.norm(p, axis=0)

    lines = scaled(0.1).source("triton", leaf(4, 8)).splitlines()
    roots = [line for line in lines if "tl.sqrt" in line]
    assert roots
    assert not any(re.search(r"\b[gp]\b", line) for line in roots)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_division_and_roots_are_rounded_as_ieee_says(dtype):
    """Triton's own `/` and `sqrt` are approximate in float32."""
    source = optgen.adamw(1e-3).source("triton", leaf(4, dtype=dtype))
    body = source[source.index("@triton.jit") :]
    assert "tl.div_rn(" in body
    assert "tl.sqrt_rn(" in body
    assert " / " not in body
    assert "tl.sqrt(" not in body


def test_addresses_are_64_bits_wide():
    for tx in (momentum(0.1), optgen.adafactor(1e-3)):
        source = tx.source("triton", leaf(256, 512))
        starts = re.findall(r"^ *start \+?= (.*)$", source, re.MULTILINE)
        assert starts
        assert all("tl.int64" in start for start in starts)


def test_what_is_stored_otherwise_is_decoded_and_encoded_where_it_is_read_and_written():
    source = momentum(0.1).source("triton", leaf(4, dtype=jnp.bfloat16))
    tile = function(source, "leaf_step_tile")
    assert "g = tl.load(g_ptr + offsets, mask=inside).to(tl.float32)" in tile
    assert "tl.store(p_ptr + offsets, (p + minus_rate * velocity_next).to(tl.bfloat16)" in tile
    assert ".to(" not in function(momentum(0.1).source("triton", leaf(4)), "leaf_step_tile")


def definitions(source):
    """The names of the functions, in order."""
    return [x.name for x in ast.parse(source).body if isinstance(x, ast.FunctionDef)]


def test_both_orientations_are_one_function_with_the_mathematics_once():
    shapes = {"wide": leaf(256, 512), "tall": leaf(512, 256), "kernel": leaf(3, 3, 256, 128)}
    source = optgen.adafactor(1e-3).source("triton", shapes)
    alone = optgen.adafactor(1e-3).source("triton", {"kernel": shapes["kernel"]})
    assert definitions(source) == definitions(alone)
    names = definitions(source)
    assert len(names) == len(set(names)) == 7
    step = function(source, "leaf_step")
    assert source.count("row_factor = tl.div_rn") == 2  # of a step, and before an update ends
    calls = re.findall(r"(leaf_row|leaf_column)\((?:[^()]|\n)*\b(inner|outer)\b", step)
    assert calls == [
        *[("leaf_row", "inner"), ("leaf_column", "inner")],
        *[("leaf_column", "outer"), ("leaf_row", "outer")],
    ]


@dsl.rule
def swapped(g, p, *, rate):
    """Slots of different shapes, each made of the other's old values along the first axis."""
    like = [dsl.mean(g, axis=axis) for axis in range(3)]
    a, b, c = (dsl.state(f"slot_{i}", like=mean, init=i) for i, mean in enumerate(like))
    old_b, old_c = dsl.mean(b, axis=2), dsl.mean(c, axis=1)
    a.next = 0.5 * a + dsl.mean(b, axis=0)
    b.next = 0.5 * b + old_c
    c.next = 0.5 * c + old_b
    return -rate * (g + a.next + b.next + c.next)


def test_what_has_no_kernels_says_why():
    tx, params = swapped(0.1), leaf(4, 5, 6)
    (reason,) = {launch.reason for launch in tx.plan(params, "h200").launches}
    assert reason == "small slots of different shapes are each made of the other's old values"
    assert definitions(tx.source("triton", params)) == []


@dsl.rule
def of_long_names(g, p, *, learning_rate_of_all, decay_of_moments=0.9):
    first = dsl.state("first_moment_of_gradients")
    rows = dsl.state("second_moment_of_rows", like=dsl.mean(g, axis=1))
    columns = dsl.state("second_moment_of_columns", like=dsl.mean(g, axis=0))
    first.next = decay_of_moments * first + g
    rows.next = decay_of_moments * rows + dsl.mean(g**2, axis=1)
    columns.next = decay_of_moments * columns + dsl.mean(g**2, axis=0)
    scale = dsl.sqrt(rows.next * columns.next / dsl.mean(rows.next)) + dsl.global_norm(g)
    return -learning_rate_of_all * first.next / (scale + dsl.norm(first.next))


@dsl.rule
def of_long_expressions(g, p, *, rate):
    x = g
    for _ in range(12):
        x = dsl.sqrt(dsl.abs(x * g + p) + rate) * (x > dsl.maximum(x, p)) - dsl.tanh(x)
    return x - dsl.mean(x)


@pytest.mark.parametrize(
    "rule", [of_long_names, of_long_expressions, optgen.adafactor], ids=lambda r: r.__name__
)
def test_the_source_is_formatted_and_clean(rule, tmp_path):
    path = tmp_path / "emitted.py"
    params = {"w": leaf(3, 4), "v": leaf(2, 5, dtype="bfloat16")}
    path.write_text(rule(0.1).source("triton", params))
    for command in (("format", "--diff"), ("check",)):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--config", "pyproject.toml", path],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout
