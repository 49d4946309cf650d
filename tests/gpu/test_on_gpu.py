"""On a GPU: a step in place, trajectories beside optax's, and NVIDIA's own checks of memory.

What the kernels compute is in `tests/test_triton_target.py`, which runs here too with `-m gpu`.
"""

import os
import shutil
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import optax
import pytest

import optgen
from optgen.runtime.execution.triton import unavailable
from optgen.tools import workloads
from tests.targets import CHAIN, close, make
from tests.zoo import cases, trajectories

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def on_a_gpu(monkeypatch):
    monkeypatch.setenv("OPTGEN_INTERPRET", "0")
    if jax.default_backend() != "gpu":
        pytest.skip(f"JAX's platform is {jax.default_backend()}")
    if (reason := unavailable()) is not None:
        pytest.skip(reason)


@pytest.mark.parametrize("case", cases.STOCK, ids=str)
def test_an_optimizer_follows_optax_for_200_steps(case):
    ours = getattr(optgen, case.rule)(**case.settings, target="triton")
    theirs = trajectories.widened(getattr(optax, case.rule)(**case.settings))
    each = [(theirs, trajectories.updating), (ours, trajectories.stepping)]
    reference, found = trajectories.run(each, 200, "float32")
    far = trajectories.distances(found.params, reference.params)
    assert max(far.values()) <= 2e-5, far


@pytest.mark.parametrize("name", ["adamw", "lamb", "adafactor", CHAIN])
def test_a_step_of_gpt2_agrees_with_xla_and_is_the_same_each_time(name):
    """Real sizes, as launches are cut by default: 124 million parameters in 148 leaves."""
    params = workloads.materialise(workloads.tree("gpt2-small"))
    grads = workloads.gradients(workloads.tree("gpt2-small"))
    triton, xla = (make(name, target) for target in ("triton", "xla"))
    state = triton.init(params)
    first, second = (triton.step(params, state, grads=grads) for _ in range(2))
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        assert bool(jnp.array_equal(a, b))
    close(first, xla.step(params, xla.init(params), grads=grads), 1e-5)


def test_a_donated_step_needs_no_memory_of_its_own():
    """Parameters and moments are where they were, and the peak is theirs and the gradients'."""
    params = {"w": jnp.zeros((1 << 14, 1 << 14)), "b": jnp.zeros(1 << 14)}
    tx = make("adamw", "triton")
    state, grads = tx.init(params), jax.tree.map(jnp.ones_like, params)
    step = jax.jit(lambda p, s, g: tx.step(p, s, grads=g), donate_argnums=(0, 1))
    needed = step.lower(params, state, grads).compile().memory_analysis()
    kept = sum(x.nbytes for x in jax.tree.leaves((params, state)))
    assert needed.alias_size_in_bytes >= 0.99 * kept
    assert needed.temp_size_in_bytes <= 0.01 * kept
    before = {x.unsafe_buffer_pointer() for x in jax.tree.leaves((params, state.mu, state.nu))}
    params, state = step(params, state, grads)
    after = {x.unsafe_buffer_pointer() for x in jax.tree.leaves((params, state.mu, state.nu))}
    assert after == before


PROGRAM = """
    import jax, jax.numpy as jnp, optgen

    shapes = {"wide": (129, 515), "tall": (515, 129), "cube": (3, 130, 140), "tail": (4099,)}
    params = {name: jnp.ones(shape) for name, shape in shapes.items()}
    for make in (optgen.adamw, optgen.lamb, optgen.adafactor):
        tx = optgen.chain(optgen.clip_by_global_norm(1.0), make(1e-2), target="triton")
        state = tx.init(params)
        for _ in range(2):
            params, state = jax.jit(tx.step)(params, state, grads=params)
    jax.block_until_ready(params)
"""


@pytest.mark.parametrize("tool", ["memcheck", "racecheck"])
def test_the_sanitizer_finds_nothing(tool):
    sanitizer = shutil.which("compute-sanitizer")
    if sanitizer is None:
        pytest.skip("compute-sanitizer is not on the path: it comes with NVIDIA's CUDA toolkit")
    environment = {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    command = [sanitizer, "--tool", tool, "--error-exitcode", "9"]
    done = subprocess.run(
        [*command, sys.executable, "-c", textwrap.dedent(PROGRAM)],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
