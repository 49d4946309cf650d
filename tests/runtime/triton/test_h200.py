"""Whole steps as XLA compiles them for an H200: launches, bytes, and what is done in place."""

import time

import jax
import optax
import pytest

import optgen
from optgen.runtime.execution.triton import unavailable
from optgen.tools import chips, workloads
from tests.targets import CHAIN, make

pytestmark = pytest.mark.slow

# Launches, XLA's own kernels among them, and bytes for each parameter: what is to be shown on
# GPT-2 small, and what XLA alone makes of optax's step there.
BOUNDS = {
    "adamw": (3, 28.1),  # XLA: 150, 28
    "lion": (2, 20.1),  # 149, 20
    CHAIN: (5, 32.1),  # 350, 32
    "lamb": (5, 40.1),  # 945, 48
    "adafactor": (7, 24.2),  # 1391, 33
}
CASES = [
    *((name, "gpt2-small") for name in BOUNDS),
    *((name, "llama3-8b") for name in ("adamw", CHAIN, "adafactor")),
    *((name, "resnet50") for name in ("lamb", "adafactor")),
]
UNFACTORED = {("adafactor", "resnet50"): 0.1}
"""Bytes more for each parameter, where many leaves are too small to be factored."""


@pytest.fixture(autouse=True)
def compilers(monkeypatch):
    monkeypatch.setenv("OPTGEN_INTERPRET", "0")
    monkeypatch.setenv("OPTGEN_COMPUTE_CAPABILITY", "9.0")
    if reason := chips.unavailable("h200") or unavailable():
        pytest.skip(reason)


def compiled(tx, params):
    """A step with parameters and state donated."""
    state = jax.eval_shape(tx.init, params)

    def step(params, state, grads):
        return tx.step(params, state, grads=grads)

    return chips.compile_for("h200", step, params, state, params, donate_argnums=(0, 1))


def size(x):
    return x.size * x.dtype.itemsize


@pytest.mark.parametrize(("name", "tree"), CASES)
def test_a_step_is_a_handful_of_launches_in_place(name, tree):
    params = workloads.tree(tree)
    tx = make(name, "triton")
    module = compiled(tx, params)
    most, allowed = BOUNDS[name]
    assert module.launches <= most, [kernel.name for kernel in module.kernels]
    allowed += UNFACTORED.get((name, tree), 0)
    assert module.bytes / workloads.parameters(params) <= allowed

    # Every parameter and every slot comes out where it went in.
    kept = jax.tree.leaves((params, jax.eval_shape(tx.init, params)))
    assert {a.output: a.operand for a in module.aliases} == {(i,): i for i in range(len(kept))}
    assert module.memory.alias == sum(map(size, kept))
    aliased = sum(len(k.aliases) for k in module.kernels if k.target.startswith("triton_kernel"))
    assert aliased >= sum(size(x) >= 2**20 for x in kept)

    # Nothing large is copied on the way, and little is needed besides.
    assert all(copy.bytes < 2**16 for copy in module.copies), module.copies
    assert module.memory.temporary <= 0.012 * sum(map(size, jax.tree.leaves(params)))


def test_building_the_step_of_gpt2(capsys, monkeypatch, tmp_path):
    """The time is printed: on a machine that is shared no bound on it would hold."""
    monkeypatch.setenv("OPTGEN_CACHE_DIR", str(tmp_path))
    params = workloads.tree("gpt2-small")
    reference = optax.adamw(1e-2)

    def theirs(params, state, grads):
        updates, state = reference.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    begin = time.perf_counter()
    state = jax.eval_shape(reference.init, params)
    other = chips.compile_for("h200", theirs, params, state, params, donate_argnums=(0, 1))
    middle = time.perf_counter()
    module = compiled(optgen.adamw(1.25e-2, target="triton"), params)
    end = time.perf_counter()
    ours, xla = end - middle, middle - begin
    with capsys.disabled():
        print(f"\nAdamW on GPT-2 small, trace to machine code: {ours:.1f} s; optax's {xla:.1f} s")
    assert module.launches < other.launches
