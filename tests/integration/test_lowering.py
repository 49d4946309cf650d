"""The place that a computation is lowered for decides what runs: meshes, batches, exports."""

import subprocess
import sys

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

import optgen
from optgen.errors import TargetError, TreeError
from optgen.runtime.execution import cpu, targets, tpu, triton
from optgen.runtime.execution.platforms import LeafPrograms
from optgen.zoo import STOCK
from tests.integration.training import assert_close, loss, parameters

ALIASES = sorted(name for name in STOCK if hasattr(optax, name))
KERNELS = "optgen_cpu"

pytestmark = [
    pytest.mark.skipif(bool(cpu.unavailable()), reason=str(cpu.unavailable())),
    pytest.mark.filterwarnings("ignore:optgen.s cpu kernels cannot serve"),
]


@pytest.fixture(autouse=True)
def auto(monkeypatch):
    monkeypatch.setenv("OPTGEN_TARGET", "auto")


def make(name, library=optgen, **options):
    own = {"sgd": {"momentum": 0.9}, "adafactor": {"min_dim_size_to_factor": 2}}
    return getattr(library, name)(0.02, **own.get(name, {}), **options)


def step_of(tx):
    """A step that takes its gradients by position, as `update` takes the parameters."""
    return lambda params, state, grads: tx.step(params, state, grads=grads)


def types(function, *arguments):
    return [aval.str_short(True) for aval in jax.make_jaxpr(function)(*arguments).out_avals]


def lowered(function, *arguments):
    return jax.jit(function).lower(*arguments).as_text()


# Types of results, which are known before anything is lowered.


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("name", ALIASES)
def test_kernels_have_the_types_of_jnp(name, dtype):
    params = jax.tree.map(lambda p: p.astype(dtype), parameters())
    grads = parameters()
    kernels, portable = make(name, target="cpu"), make(name, target="xla")
    state = portable.init(params)
    updates = [types(tx.update, grads, state, params) for tx in (kernels, portable)]
    steps = [types(step_of(tx), params, state, grads) for tx in (kernels, portable)]
    assert updates[0] == updates[1]
    assert steps[0] == steps[1]


@pytest.mark.parametrize("axis", [jax.sharding.AxisType.Explicit, jax.sharding.AxisType.Auto])
@pytest.mark.parametrize("way", [lambda f: f, jax.jit], ids=["eager", "jitted"])
@pytest.mark.parametrize("name", ALIASES)
def test_kernels_run_on_a_mesh_of_one_device(name, way, axis):
    mesh = jax.make_mesh((1,), ("x",), axis_types=(axis,))
    specs = {"dense": {"kernel": P(None, "x"), "bias": P("x")}, "scale": P()}
    shardings = jax.tree.map(lambda spec: NamedSharding(mesh, spec), specs)
    tx, reference = make(name), make(name, optax)
    with jax.set_mesh(mesh):
        params = jax.device_put(parameters(), shardings)
        grads = jax.jit(jax.grad(loss))(params)
        state = way(tx.init)(params)
        updates, after = way(tx.update)(grads, state, params)
        expected, _ = jax.jit(reference.update)(grads, reference.init(params), params)
        stepped, again = way(step_of(tx))(params, state, grads)
        assert KERNELS in lowered(step_of(tx), params, state, grads)
    assert_close(updates, expected)
    assert_close(stepped, optax.apply_updates(params, expected))
    for new in (after, again):
        assert jax.tree.map(jax.typeof, new) == jax.tree.map(jax.typeof, state)
    for tree in (updates, stepped):
        assert jax.tree.map(jax.typeof, tree) == jax.tree.map(jax.typeof, params)


# Batches.


def batch_of_models():
    batch = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf, -leaf]), parameters())
    return batch, jax.vmap(jax.grad(loss))(batch)


def batch_step(tx):
    return jax.vmap(lambda params, grads: tx.step(params, tx.init(params), grads=grads)[0])


@pytest.mark.parametrize("name", ["adamw", "lamb", "adafactor"])
@pytest.mark.parametrize("target", ["auto", "cpu"])
def test_a_batch_of_models_is_jnp_unless_kernels_are_asked_for(name, target):
    arguments, tx = batch_of_models(), make(name, target=target)
    text = lowered(batch_step(tx), *arguments)
    assert (KERNELS in text) == (target == "cpu")
    assert ("stablehlo.while" in text) == (target == "cpu")
    reference = make(name, optax)

    def by_optax(params, grads):
        updates, _ = reference.update(grads, reference.init(params), params)
        return optax.apply_updates(params, updates)

    assert_close(jax.jit(batch_step(tx))(*arguments), jax.vmap(by_optax)(*arguments))


@pytest.mark.parametrize("target", ["auto", "cpu"])
def test_a_batch_along_other_axes_and_a_batch_of_batches(target):
    params = jnp.arange(1.0, 25.0).reshape(2, 3, 4)
    tx, reference = make("lamb", target=target), make("lamb", optax)

    def updates(tx, params, grads):
        return tx.update(grads, tx.init(params), params)[0]

    def of_batches(tx):
        rows = jax.vmap(lambda p, g: updates(tx, p, g), in_axes=(1, None), out_axes=1)
        return jax.vmap(rows, in_axes=(2, 1), out_axes=2)(params, params[:, 0])

    np.testing.assert_allclose(of_batches(tx), of_batches(reference), rtol=1e-5)


def test_without_jit_at_all_kernels_run():
    params, tx = parameters(), make("adamw", target="cpu")
    expected = tx.update(params, tx.init(params), params)
    with jax.disable_jit():
        updates = tx.update(params, tx.init(params), params)
    assert_close(updates, expected, rtol=1e-6)


def test_without_jit_kernels_are_lowered_once(monkeypatch):
    places = []
    at = LeafPrograms.at

    def count(programs, place):
        places.append(place)
        return at(programs, place)

    monkeypatch.setattr(LeafPrograms, "at", count)
    params, tx = parameters(), make("lamb", target="cpu")
    state = tx.init(params)
    jax.clear_caches()
    with jax.disable_jit():
        for _ in range(3):
            params, state = tx.step(params, state, grads=params)
    assert len(places) == 1


# Abstract parameters.


def test_abstract_parameters_have_a_state():
    shapes = jax.eval_shape(parameters)
    assert_close(make("adagrad").init(shapes), make("adagrad").init(parameters()), rtol=0)


def test_a_state_that_starts_from_values_asks_for_arrays():
    from optgen import dsl

    @dsl.rule
    def anchored(g, p):
        anchor = dsl.constant_state("anchor", init=p)
        return anchor - p - g

    shapes = jax.eval_shape(parameters)
    with pytest.raises(TreeError, match="is abstract, and its state starts from its values: pass"):
        anchored().init(shapes)
    assert jax.eval_shape(anchored().init, shapes).anchor["scale"].shape == ()


# Exported computations.


def exported_step(tx, platforms, checks=()):
    params = {"w": jnp.ones((256, 130)), "b": jnp.ones(7)}
    leaves, tree = jax.tree.flatten((params, tx.init(params), params))

    def step(*leaves):
        params, state, grads = jax.tree.unflatten(tree, leaves)
        return jax.tree.leaves(tx.step(params, state, grads=grads))

    disabled = [jax.export.DisabledSafetyCheck.custom_call(name) for name in checks]
    return jax.export.export(jax.jit(step), platforms=platforms, disabled_checks=disabled)(*leaves)


CALL = """
import sys
import jax.export
import jax.numpy as jnp
exported = jax.export.deserialize(bytearray(open(sys.argv[1], "rb").read()))
print(float(exported.call(*[jnp.ones(a.shape, a.dtype) for a in exported.in_avals])[0][0]))
"""


def test_a_step_that_is_exported_for_the_cpu_runs_without_optgen(tmp_path):
    pytest.importorskip("flatbuffers")
    exported = exported_step(optgen.sgd(0.25), ("cpu",))
    assert KERNELS not in exported.mlir_module()
    path = tmp_path / "step"
    path.write_bytes(exported.serialize())
    done = subprocess.run([sys.executable, "-c", CALL, path], capture_output=True, text=True)
    assert done.stdout.strip() == "0.75", done.stderr


CALL_WITH_STATE = """
import sys
import jax.export
import jax.numpy as jnp
from optgen import State
exported = jax.export.deserialize(bytearray(open(sys.argv[1], "rb").read()))
ones = {"w": jnp.ones((4, 3)), "b": jnp.ones(7)}
params, state = exported.call(ones, State(jnp.int32(0), trace=ones), ones)
print(float(params["w"][0, 0]), float(state.trace["b"][0]), int(state.count), state._fields)
"""


def test_a_step_is_exported_and_serialized_with_its_state(tmp_path):
    pytest.importorskip("flatbuffers")
    params, tx = {"w": jnp.ones((4, 3)), "b": jnp.ones(7)}, optgen.sgd(0.25, momentum=0.5)
    step = jax.jit(step_of(tx))
    exported = jax.export.export(step, platforms=("cpu",))(params, tx.init(params), params)
    path = tmp_path / "step"
    path.write_bytes(exported.serialize())
    done = subprocess.run(
        [sys.executable, "-c", CALL_WITH_STATE, path], capture_output=True, text=True
    )
    assert done.stdout.strip() == "0.625 1.5 1 ('count', 'trace')", done.stderr


def test_an_export_says_once_that_it_has_no_kernels_for_the_cpu():
    targets.say_once.cache_clear()
    never = "one that runs an exported computation never has them"
    with pytest.warns(UserWarning, match=never) as caught:
        exported_step(optgen.sgd(0.25), ("cpu",))
    assert {warning.filename for warning in caught if never in str(warning.message)} == {__file__}
    with pytest.raises(TargetError, match="exported computation never has them; with target='auto"):
        exported_step(optgen.sgd(0.25, target="cpu"), ("cpu",))


@pytest.mark.parametrize("name", ["adamw", "lamb", "adafactor"])
def test_a_step_that_is_exported_for_all_platforms_has_the_kernels_of_accelerators(name):
    pytest.importorskip("jax_cuda13_plugin")
    for target in (triton, tpu):
        if reason := target.unavailable():
            pytest.skip(reason)
    calls = ("triton_kernel_call", "triton_kernel_call_ffi", "tpu_custom_call")
    tx = make(name)
    exported = exported_step(tx, ("cpu", "cuda", "tpu"), calls)
    module = exported.mlir_module()
    assert "@triton_kernel_call" in module
    assert "@tpu_custom_call" in module
    assert KERNELS not in module
    leaves = [jnp.ones(aval.shape, aval.dtype) for aval in exported.in_avals]
    expected = exported_step(tx, ("cpu",)).call(*leaves)
    assert_close(exported.call(*leaves), expected, rtol=1e-6)
