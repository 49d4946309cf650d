"""TPU kernels as libtpu compiles them, for every generation and without a TPU."""

import os
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import pytest

from optgen.config import CHIPS_DIR
from optgen.runtime.execution.tpu.chip import GENERATIONS
from optgen.tools import chips
from optgen.tools.workloads import models
from optgen.zoo import STOCK
from tests.targets import CHAIN, make
from tests.test_fuzz import random_rule
from tests.test_tpu_target import small_slots

pytestmark = pytest.mark.skipif(
    chips.unavailable("v5e") is not None, reason=str(chips.unavailable("v5e"))
)


@pytest.fixture(autouse=True)
def generation(monkeypatch):
    monkeypatch.setenv("OPTGEN_TPU", "v5e")
    monkeypatch.delenv("OPTGEN_INTERPRET", raising=False)


def compiled(chip, tx, params):
    """A step, donated."""
    state = jax.eval_shape(tx.init, params)

    def step(params, state, grads):
        return tx.step(params, state, grads=grads)

    return chips.compile_for(chip, step, params, state, params, donate_argnums=(0, 1))


def tree(shapes, dtype):
    return {name: jax.ShapeDtypeStruct(shape, jnp.dtype(dtype)) for name, shape in shapes.items()}


SHAPES = {
    "large": (4096, 4096),
    "matrix": (1024, 768),
    "narrow": (4096, 64),
    "conv": (3, 3, 128, 256),
    "first": (7, 7, 3, 64),
    "stack": (4, 256, 384),
    "vector": (768,),
    "odd": (1001,),
}


@pytest.mark.slow
@pytest.mark.parametrize("chip", GENERATIONS)
@pytest.mark.parametrize("name", [*sorted(STOCK), CHAIN])
def test_steps_are_in_place_without_copies(name, chip, monkeypatch):
    monkeypatch.setenv("OPTGEN_TPU", chip)
    some = {name: SHAPES[name] for name in ("matrix", "vector", "odd")}
    params = {"single": tree(SHAPES, "float32"), "half": tree(some, "bfloat16")}
    tx = make(name, "tpu")
    module = compiled(chip, tx, params)  # which fails where a kernel asks for too much VMEM
    assert "tpu_custom_call" in module.custom_calls
    kept = jax.tree.leaves((params, jax.eval_shape(tx.init, params)))
    assert len({alias.output for alias in module.aliases}) == len(kept)
    # XLA fetches what its own small kernels read while others run: statistics of rows, and scalars.
    assert [k for k in module.copies if k.bytes > (65536 if k.overlapped else 64)] == []
    assert module.memory.temporary < 0.01 * sum(x.size * x.dtype.itemsize for x in kept)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_mosaic_takes_random_rules(seed):
    shapes = {"vector": (300,), "matrix": (600, 640), "cube": (4, 130, 150), "stack": (8, 256, 300)}
    module = compiled("v5e", random_rule(seed)(target="tpu"), tree(shapes, "float32"))
    assert "tpu_custom_call" in module.custom_calls


@pytest.mark.parametrize("chip", GENERATIONS)
def test_mosaic_takes_small_slots_in_bfloat16(chip, monkeypatch):
    monkeypatch.setenv("OPTGEN_TPU", chip)
    shapes = {"large": (600, 640), "cube": (4, 130, 150), "small": (40, 40), "odd": (3, 7)}
    module = compiled(chip, small_slots(0.1, target="tpu"), tree(shapes, "bfloat16"))
    assert "tpu_custom_call" in module.custom_calls


LARGE = {"w": jax.ShapeDtypeStruct((4096, 4096), jnp.float32)}


@pytest.mark.parametrize(
    ("name", "bytes_"), [("adamw", 28.01), (CHAIN, 32.01), ("lamb", 40.1), ("adafactor", 24.1)]
)
def test_bytes_of_one_matrix_that_does_not_fit_in_vmem(name, bytes_):
    module = compiled("v5e", make(name, "tpu"), LARGE)
    assert module.bytes / LARGE["w"].size <= bytes_


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kernels", "bytes_"),
    [("adamw", 70, 28.5), (CHAIN, 140, 32.5), ("lamb", 140, 34), ("adafactor", 140, 17)],
)
def test_gpt2_small(name, kernels, bytes_):
    params = jax.tree.map(
        lambda shape: jax.ShapeDtypeStruct(shape, jnp.float32),
        models.gpt2_small(),
        is_leaf=lambda x: isinstance(x, tuple),
    )
    module = compiled("v5e", make(name, "tpu"), params)
    assert module.launches + module.transfers <= kernels
    assert module.bytes / sum(x.size for x in jax.tree.leaves(params)) <= bytes_


@pytest.mark.parametrize("name", ["lamb", "adafactor"])
@pytest.mark.parametrize("chip", ["v4", "v5e"])
@pytest.mark.parametrize("shape", [(1024, 768), (4096, 4096), (4, 512, 640)], ids=str)
def test_what_is_planned_is_what_runs(name, chip, shape, monkeypatch):
    monkeypatch.setenv("OPTGEN_TPU", chip)
    params, tx = {"w": jax.ShapeDtypeStruct(shape, jnp.float32)}, make(name, "tpu")
    planned = tx.plan(params, chip)
    module = compiled(chip, tx, params)
    sweeps = [launch for launch in planned.launches if not launch.by_xla]
    assert len(module.custom_calls["tpu_custom_call"]) == len(sweeps)
    assert module.bytes / params["w"].size == pytest.approx(planned.bytes_per_parameter, abs=0.05)


def test_one_export_carries_the_kernels_of_every_platform():
    script = """
        import jax, jax.numpy as jnp, optgen
        from jax import export
        from optgen.runtime.execution import triton

        params = {"w": jnp.ones((256, 256)), "b": jnp.ones(256)}
        tx = optgen.lamb(1e-2)
        arrays, tree = jax.tree.flatten((params, tx.init(params), params))

        def step(*arrays):
            params, state, grads = jax.tree.unflatten(tree, arrays)
            return jax.tree.leaves(tx.step(params, state, grads=grads))

        exported = export.export(
            jax.jit(step),
            platforms=("cpu", "cuda", "tpu"),
            disabled_checks=[
                export.DisabledSafetyCheck.custom_call(name)
                for name in ("triton_kernel_call", "optgen_cpu")
            ],
        )(*arrays)
        text = exported.mlir_module()
        found = [n in text for n in ("optgen_cpu", "triton_kernel_call", "tpu_custom_call")]
        got = export.deserialize(exported.serialize()).call(*arrays)
        tx = optgen.lamb(1e-2, target="xla")
        # One process compiles and loads the kernels of a CPU; another has only what is exported.
        assert found == [False, triton.unavailable() is None, True], found
        print(all(jnp.allclose(a, b, rtol=1e-5) for a, b in zip(got, step(*arrays))))
    """
    environment = {
        **os.environ,
        "OPTGEN_TARGET": "auto",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": CHIPS_DIR.get(),  # where JAX's CUDA plugin may be
    }
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    assert done.stdout == "True\n", done.stderr
