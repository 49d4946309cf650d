"""Calls of Triton kernels: jax_triton's two conventions, lowering for CUDA, and export."""

import os
import re
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

import optgen
from optgen.errors import UsageError
from optgen.runtime.execution.triton import bridge, unavailable

PARAMS = {
    "w": jax.ShapeDtypeStruct((33, 7), jnp.float32),
    "b": jax.ShapeDtypeStruct((65,), jnp.bfloat16),
}


@pytest.fixture(autouse=True)
def lowered_afresh(monkeypatch, tmp_path):
    """Nothing that was compiled before is at hand, and nothing is interpreted."""
    monkeypatch.setenv("OPTGEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("OPTGEN_INTERPRET", "0")
    if (reason := unavailable()) is not None:
        pytest.skip(reason)


def traced(tx):
    """A donated step."""
    state = jax.eval_shape(tx.init, PARAMS)

    def step(params, state, grads):
        return tx.step(params, state, grads=grads)

    return jax.jit(step, donate_argnums=(0, 1)).trace(PARAMS, state, PARAMS)


def test_a_step_is_lowered_for_cuda_on_any_machine():
    """Leaves of two dtypes are in one launch."""
    text = traced(optgen.adamw(1e-3, target="triton")).lower(lowering_platforms=("cuda",)).as_text()
    calls = re.findall(r"stablehlo\.custom_call @triton_kernel_call.*", text)
    assert len(calls) == 1
    # p, mu and nu of two leaves are updated where they are.
    assert calls[0].count("output_operand_alias<") == 6


def test_a_step_is_exported_for_several_platforms(monkeypatch):
    monkeypatch.setenv("OPTGEN_TARGET", "auto")
    tx = optgen.adamw(1e-3)
    leaves, tree = jax.tree.flatten((PARAMS, jax.eval_shape(tx.init, PARAMS), PARAMS))
    step = jax.jit(lambda *xs: jax.tree.leaves(tx.update(*jax.tree.unflatten(tree, xs))))
    calls = ("triton_kernel_call", "triton_kernel_call_ffi", "optgen_cpu")
    checks = [jax.export.DisabledSafetyCheck.custom_call(name) for name in calls]
    exported = jax.export.export(step, platforms=("cpu", "cuda"), disabled_checks=checks)(*leaves)
    again = jax.export.deserialize(exported.serialize())
    assert again.platforms == ("cpu", "cuda")
    assert len(again.out_avals) == len(leaves) - len(PARAMS)


class Called(Exception):
    """Carries what a fake jax_triton was given."""


def of_0_3(*args, kernel, out_shape, grid, name, input_output_aliases, **options):
    raise Called(args, kernel, out_shape, grid, name, input_output_aliases, options)


def of_0_4(*args, kernel, out_type, grid, name, input_output_aliases, **options):
    raise Called(args, kernel, out_type, grid, name, input_output_aliases, options)


@pytest.mark.parametrize("release", [of_0_3, of_0_4])
@pytest.mark.parametrize("built_from_source", [False, True])
def test_kernels_take_the_pointers_that_each_release_gives_them(
    release, built_from_source, monkeypatch
):
    """0.3 appends a pointer for each output, 0.4 only for those that are in no input's place."""
    monkeypatch.setattr(bridge, "jax_triton", lambda: SimpleNamespace(triton_call=release))
    version = "0.3.1" if release is of_0_3 else "0.4.1"
    monkeypatch.setattr(bridge, "version_of", lambda _: None if built_from_source else version)
    # LAMB's first launch keeps float32 moments, and leaves statistics besides.
    tx = optgen.lamb(1e-3, target="triton")
    params = {name: jax.ShapeDtypeStruct(x.shape, "float32") for name, x in PARAMS.items()}
    state = jax.eval_shape(tx.init, params)
    update = jax.jit(tx.update).trace(params, state, params)
    with pytest.raises(Called) as caught:
        update.lower(lowering_platforms=("cuda",))
    inputs, kernel, outputs, grid, name, aliases, chosen = caught.value.args
    # scalars; g, p, mu and nu of two leaves; mu, nu and two statistics of all leaves come out
    assert (len(inputs), len(outputs)) == (1 + 2 * 4, 2 * 2 + 2)
    fresh = [i for i in range(len(outputs)) if i not in aliases.values()]
    assert len(aliases) == 4
    assert len(kernel.arg_names) == len(inputs) + len(outputs if release is of_0_3 else fresh)
    for given, made in aliases.items():
        assert (inputs[given].shape, inputs[given].dtype) == (
            outputs[made].shape,
            outputs[made].dtype,
        )
    assert name == kernel.__name__
    assert grid[0] > 1
    assert chosen["compute_capability"] == 90


def test_the_environment_says_what_is_compiled_for_where_there_is_no_gpu(monkeypatch):
    if jax.default_backend() == "gpu":
        pytest.skip("there is one")
    assert bridge.compute_capability() == 90
    monkeypatch.setenv("OPTGEN_COMPUTE_CAPABILITY", "10.0")
    assert bridge.compute_capability() == 100


@pytest.mark.parametrize("text", ["90", "sm_90", "9.0a", "7.5", "9"])
def test_what_is_no_compute_capability_is_refused(text, monkeypatch):
    monkeypatch.setenv("OPTGEN_COMPUTE_CAPABILITY", text)
    with pytest.raises(UsageError, match=f"'{text}' is no .* as in 9.0.*OPTGEN_COMPUTE_CAPABILITY"):
        bridge.compute_capability()


def kept(tmp_path):
    return [
        jax.export.deserialize(bytearray(path.read_bytes()))
        for path in (tmp_path / "triton").glob("*.jax")
    ]


def test_a_launch_is_kept_and_read_back_without_triton(tmp_path, monkeypatch):
    def lowered():
        step = traced(optgen.adamw(1e-3, target="triton"))
        return step.lower(lowering_platforms=("cuda",)).as_text()

    first = lowered()
    assert len(kept(tmp_path)) == 1
    monkeypatch.setattr(bridge, "jax_triton", lambda: pytest.fail("it is imported again"))
    jax.clear_caches()
    assert lowered().count("custom_call @triton_kernel_call") == first.count(
        "custom_call @triton_kernel_call"
    )


def test_a_launch_that_is_kept_under_a_mesh_serves_without_one(tmp_path):
    """JAX refuses what was exported for other devices than those of its caller."""
    program = """
        import jax, jax.numpy as jnp
        import optgen

        tx, params = optgen.adamw(1e-3, target="triton"), {"w": jnp.ones((8, 128))}
        state = tx.init(params)
        step = jax.jit(lambda p, s: tx.step(p, s, grads=p))
        with jax.set_mesh(jax.make_mesh((4,), ("x",))):
            step.trace(params, state).lower(lowering_platforms=("cuda",))
    """
    flags = "--xla_force_host_platform_device_count=4"
    environment = {**os.environ, "XLA_FLAGS": flags, "OPTGEN_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", textwrap.dedent(program)]
    subprocess.run(command, env=environment, check=True, timeout=300)
    assert [launch.nr_devices for launch in kept(tmp_path)] == [1]


def test_a_cache_that_cannot_be_trusted_is_told_and_done_without(tmp_path):
    tmp_path.chmod(0o777)
    with pytest.warns(UserWarning, match="compiled again in each process.*other users"):
        test_a_step_is_lowered_for_cuda_on_any_machine()
    assert not (tmp_path / "triton").exists() or not kept(tmp_path)
