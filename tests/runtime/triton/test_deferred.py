"""Triton is imported where something is lowered for CUDA, and nowhere else."""

import os
import subprocess
import sys
import textwrap

PROGRAM = """
    import sys
    import jax, jax.numpy as jnp, optgen
    from optgen.runtime.execution.triton import unavailable

    params = {"w": jnp.ones((4, 3)), "b": jnp.ones(3)}
    tx = optgen.chain(optgen.clip_by_global_norm(1.0), optgen.adamw(0.5))
    state = tx.init(params)
    step = jax.jit(tx.step)
    step(params, state, grads=params)
    jax.make_jaxpr(tx.step)(params, state, grads=params)
    jax.eval_shape(tx.step, params, state, grads=params)
    assert tx.source("triton", params).count("@triton.jit") > 1
    print([name for name in ("triton", "jax_triton", "torch") if name in sys.modules])
    if unavailable() is None:
        step.trace(params, state, grads=params).lower(lowering_platforms=("cuda",))
        print([name for name in ("triton", "jax_triton", "torch") if name in sys.modules])
"""


def test_nothing_of_triton_is_imported_for_a_step_on_the_cpu(tmp_path):
    environment = {**os.environ, "OPTGEN_TARGET": "auto", "JAX_PLATFORMS": "cpu"}
    environment |= {"CXX": "no-such-compiler", "OPTGEN_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(PROGRAM)],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    on_cpu, *lowered = done.stdout.splitlines()
    assert on_cpu == "[]"
    assert lowered in ([], ["['triton', 'jax_triton']"])
