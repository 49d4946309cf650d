"""Tests on eight devices, which ``test_devices.py`` runs in a process that has them."""

import contextlib
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, NamedSharding, SingleDeviceSharding
from jax.sharding import PartitionSpec as P

import optgen
from optgen import dsl
from optgen.errors import TargetError
from optgen.runtime.execution import targets, tpu, triton
from optgen.zoo import STOCK
from tests import tpu_machine, triton_machine
from tests.integration.training import assert_close

ALIASES = sorted(name for name in STOCK if hasattr(optax, name))
SPECS = {"kernel": P("x", "y"), "bias": P("y"), "scale": P()}
KERNELS = "optgen_cpu"

pytestmark = [
    pytest.mark.skipif(jax.device_count() != 8, reason="run by test_devices.py"),
    pytest.mark.filterwarnings("ignore:optgen's cpu kernels cannot serve"),
]


def step_of(tx):
    """A step that takes its gradients by position, as `update` takes the parameters."""
    return lambda params, state, grads: tx.step(params, state, grads=grads)


@pytest.fixture(autouse=True)
def auto(monkeypatch):
    monkeypatch.setenv("OPTGEN_TARGET", "auto")


@pytest.fixture(params=[AxisType.Auto, AxisType.Explicit], ids=["auto", "explicit"])
def mesh(request):
    return jax.make_mesh((4, 2), ("x", "y"), axis_types=(request.param,) * 2)


@pytest.fixture(params=[False, True], ids=["outside", "inside"])
def around(request, mesh):
    """Makes the mesh that of the context, or not."""
    with jax.set_mesh(mesh) if request.param else contextlib.nullcontext():
        yield


def tree(scale=1.0):
    rng = np.random.default_rng(0)
    return {
        "kernel": jnp.asarray(scale * rng.normal(size=(16, 8)), jnp.float32),
        "bias": jnp.linspace(0.1, 1.0, 4, dtype=jnp.float32),
        "scale": jnp.float32(1.5),
    }


@dsl.rule
def anchored(g, p, *, pull):
    """Gradient descent that pulls the parameters back to where they began."""
    return -g - pull * (p - dsl.constant_state("anchor", init=p))


def placed(mesh, specs=SPECS):
    shardings = {name: NamedSharding(mesh, spec) for name, spec in specs.items()}
    return jax.device_put(tree(), shardings)


def make(name, library=optgen, **options):
    own = {
        "sgd": {"momentum": 0.9},
        "adafactor": {"min_dim_size_to_factor": 2},
        "rmsprop": {"initial_scale": 1.0},
        "adamw": {"weight_decay": 0.1},
    }
    return getattr(library, name)(0.02, **own.get(name, {}), **options)


def by_optax(name, params, steps=1):
    """The parameters after some steps with themselves as gradients, on one device."""
    tx = make(name, optax)
    params, grads, state = tree(), tree(), tx.init(tree())
    for _ in range(steps):
        updates, state = tx.update(grads, state, params)
        params = optax.apply_updates(params, updates)
    return params


def text(function, *arguments):
    return jax.jit(function).lower(*arguments).compile().as_text()


def assert_sharded_alike(params, slots):
    """Each slot lies as its parameter does, along the axes that it has."""
    for name, p in params.items():
        for slot in jax.tree.leaves([slot[name] for slot in slots.values()]):
            spec = [*p.sharding.spec, *[None] * p.ndim][: p.ndim]
            own = [a if n == m else None for a, n, m in zip(spec, slot.shape, p.shape, strict=True)]
            wanted = NamedSharding(p.sharding.mesh, P(*own))
            assert slot.sharding.is_equivalent_to(wanted, slot.ndim), (name, slot.sharding, wanted)
            assert jax.typeof(slot).sharding == jax.typeof(jnp.zeros_like(slot)).sharding


# The first state.


@pytest.mark.usefixtures("around")
@pytest.mark.parametrize("way", [lambda f: f, jax.jit], ids=["eager", "jitted"])
@pytest.mark.parametrize("name", ALIASES)
def test_slots_lie_where_their_parameters_do(name, way, mesh):
    params = placed(mesh)
    state = way(make(name).init)(params)
    assert_sharded_alike(params, state.slots)


@pytest.mark.parametrize("name", ["adamw", "rmsprop", "adafactor"])
def test_slots_of_parameters_on_one_device_are_on_that_device(name):
    there = SingleDeviceSharding(jax.devices()[3])
    params = jax.device_put(tree(), there)
    for init in (make(name).init, jax.jit(make(name).init)):
        assert {slot.sharding for slot in jax.tree.leaves(init(params).slots)} == {there}


@pytest.mark.parametrize("name", ALIASES)
def test_slots_of_parameters_on_different_devices_are_where_each_is(name, mesh):
    everywhere = NamedSharding(mesh, P())
    places = [SingleDeviceSharding(jax.devices()[0]), SingleDeviceSharding(jax.devices()[1])]
    params = [jax.device_put(jnp.ones((4, 3)), place) for place in [*places, everywhere, *places]]
    params.append(jnp.ones((4, 3)))
    state = make(name).init(params)
    for column in state.slots.values():
        for slot, p in zip(column, params, strict=True):
            assert slot is None or slot.sharding.is_equivalent_to(p.sharding, slot.ndim)


def test_slots_that_start_from_values_are_where_each_parameter_is():
    places = [SingleDeviceSharding(device) for device in jax.devices()[:2]]
    params = [jax.device_put(jnp.full(3, 1.0 + i), places[i % 2]) for i in range(5)]
    state = anchored(0.1).init(params)
    for anchor, p in zip(state.anchor, params, strict=True):
        assert anchor.sharding == p.sharding
        np.testing.assert_array_equal(anchor, p)


def test_slots_stay_in_the_memory_and_on_the_mesh_of_their_own_parameter(mesh):
    offloaded = NamedSharding(mesh, P("x"), memory_kind="pinned_host")
    other = jax.make_mesh((8,), ("z",), axis_types=mesh.axis_types[:1])
    params = {
        "w": jax.device_put(jnp.ones((8, 4)), offloaded),
        "b": jax.device_put(jnp.ones(16), NamedSharding(other, P("z"))),
    }
    mu = make("adamw").init(params).mu
    assert {name: x.sharding for name, x in mu.items()} == {
        name: x.sharding for name, x in params.items()
    }


def test_parameters_of_one_shape_keep_shardings_of_their_own(mesh):
    specs = {"kernel": P("x", "y"), "transposed": P("y", "x"), "whole": P(), "rows": P("x")}
    params = {
        name: jax.device_put(jnp.ones((8, 8)), NamedSharding(mesh, spec))
        for name, spec in specs.items()
    }
    for tx in (make("adamw"), make("adafactor")):
        state = jax.jit(tx.init)(params)
        assert_sharded_alike(params, state.slots)
        assert "all-gather" not in text(step_of(tx), params, state, params)
        _, state = jax.jit(step_of(tx))(params, state, params)
        assert_sharded_alike(params, state.slots)


def test_nothing_is_gathered_or_read_for_the_first_state(mesh):
    with jax.set_mesh(mesh):
        compiled = text(make("adafactor").init, placed(mesh))
    assert "all-gather" not in compiled
    assert "all-reduce" not in compiled
    assert "reduce(" not in compiled


def test_a_batch_of_models_is_sharded_like_its_parameters(mesh):
    stacked = jnp.ones((8, 16, 8))
    params = jax.device_put({"w": stacked}, NamedSharding(mesh, P("x", None, "y")))
    with jax.set_mesh(mesh):
        state = jax.jit(jax.vmap(make("adamw").init))(params)
    assert state.mu["w"].sharding.is_equivalent_to(params["w"].sharding, 3)


@pytest.mark.parametrize("sharded", [False, True])
def test_the_state_of_abstract_parameters(sharded, mesh):
    sharding = NamedSharding(mesh, P("x", "y")) if sharded else None
    params = jax.ShapeDtypeStruct((16, 8), jnp.float32, sharding=sharding)
    state = make("adamw").init(params)
    assert state.mu.shape == (16, 8)
    if sharded:
        assert state.mu.sharding.is_equivalent_to(sharding, 2)


def test_checkpoints_are_restored_where_the_parameters_are(mesh, tmp_path):
    checkpoints = pytest.importorskip("orbax.checkpoint")
    params, tx = placed(mesh), make("adafactor")
    with jax.set_mesh(mesh):
        _, state = jax.jit(step_of(tx))(params, tx.init(params), params)
        with checkpoints.StandardCheckpointer() as checkpointer:
            checkpointer.save(tmp_path / "state", state)
            checkpointer.wait_until_finished()
            restored = checkpointer.restore(tmp_path / "state", jax.jit(tx.init)(params))
    assert_sharded_alike(params, restored.slots)
    assert_close(restored, state, rtol=0)


# Jitted, sharded steps.


@pytest.mark.usefixtures("around")
@pytest.mark.parametrize("name", ALIASES)
def test_a_sharded_step_keeps_its_shardings_and_optax_numbers(name, mesh):
    params, tx = placed(mesh), make(name)
    state = tx.init(params)

    def steps(params, state):
        def body(carry, _):
            return tx.step(carry[0], carry[1], grads=params), None

        return jax.lax.scan(body, (params, state), length=3)[0]

    for after, new in (steps(params, state), jax.jit(steps)(params, state)):
        assert_close(after, by_optax(name, params, 3))
        for leaf, old in zip(after.values(), params.values(), strict=True):
            assert leaf.sharding.is_equivalent_to(old.sharding, old.ndim)
            assert jax.typeof(leaf) == jax.typeof(old)
        assert_sharded_alike(params, new.slots)
    updates, new = jax.jit(tx.update)(params, state, params)
    assert_sharded_alike(params, {"updates": updates, **new.slots})
    assert "all-gather" not in text(step_of(tx), params, state, params)


def test_a_sharded_step_says_once_that_xla_serves_it_and_what_to_write(mesh):
    targets.say_once.cache_clear()
    params, tx = placed(mesh), make("adamw")
    with jax.set_mesh(mesh), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        state = tx.init(params)
        for function in (step_of(tx), tx.update):
            assert KERNELS not in text(function, params, state, params)
    (message,) = [str(w.message) for w in caught if "optgen" in str(w.message)]
    assert "lowered for several devices at once" in message
    assert "call update or step inside jax.shard_map, with in_specs and out_specs" in message


@pytest.mark.parametrize("way", [lambda f: f, jax.jit], ids=["eager", "jitted"])
def test_kernels_that_are_asked_for_refuse_a_sharded_step(way, mesh):
    params, tx = placed(mesh), make("lamb", target="cpu")
    with jax.set_mesh(mesh):
        state = tx.init(params)
        for method in (step_of(tx), tx.update):
            with pytest.raises(TargetError, match="inside jax.shard_map, with.*target='auto'"):
                way(method)(params, state, params)


@pytest.mark.parametrize("target", ["auto", "cpu"])
def test_kernels_serve_what_is_whole_on_each_device_of_an_explicit_mesh(target):
    mesh = jax.make_mesh((4, 2), ("x", "y"))
    params = placed(mesh, dict.fromkeys(SPECS, P()))
    with jax.set_mesh(mesh):
        tx = make("lamb", target=target)
        state = tx.init(params)
        compiled = text(step_of(tx), params, state, params)
        after, state = jax.jit(step_of(tx))(params, state, params)
    assert KERNELS in compiled
    assert "all-gather" not in compiled
    assert_close(after, by_optax("lamb", params))
    assert jax.tree.map(jax.typeof, after) == jax.tree.map(jax.typeof, params)


# One device of several, and manual axes: there kernels run.


@pytest.mark.parametrize("target", ["auto", "cpu"])
def test_kernels_run_on_one_device_of_several(target):
    params = jax.device_put(tree(), jax.devices()[3])
    tx = make("lamb", target=target)
    state = tx.init(params)
    assert KERNELS in text(step_of(tx), params, state, params)
    after, _ = jax.jit(step_of(tx))(params, state, params)
    assert {leaf.sharding for leaf in after.values()} == {SingleDeviceSharding(jax.devices()[3])}
    assert_close(after, by_optax("lamb", params))


def in_shards(mesh, tx, check_vma=True):
    """Three steps inside ``jax.shard_map``; statistics are those of a shard."""

    def steps(params):
        def body(carry, _):
            return tx.step(carry[0], carry[1], grads=params), None

        return jax.lax.scan(body, (params, tx.init(params)), length=3)[0][0]

    return jax.shard_map(steps, mesh=mesh, in_specs=(SPECS,), out_specs=SPECS, check_vma=check_vma)


def optax_in_shards(mesh, name):
    def steps(params):
        tx, grads = make(name, optax), params
        state = tx.init(params)
        for _ in range(3):
            updates, state = tx.update(grads, state, params)
            params = optax.apply_updates(params, updates)
        return params

    return jax.shard_map(steps, mesh=mesh, in_specs=(SPECS,), out_specs=SPECS, check_vma=False)


@pytest.mark.parametrize("check_vma", [False, True])
@pytest.mark.parametrize("name", ["adamw", "lamb", "adafactor"])
def test_kernels_run_on_shards_inside_shard_map(name, check_vma, mesh):
    params = placed(mesh)
    step = in_shards(mesh, make(name), check_vma)
    compiled = text(step, params)
    assert KERNELS in compiled
    assert "all-gather" not in compiled
    after = jax.jit(step)(params)
    assert_close(after, jax.jit(optax_in_shards(mesh, name))(params))
    for leaf, old in zip(after.values(), params.values(), strict=True):
        assert leaf.sharding.is_equivalent_to(old.sharding, old.ndim)


@pytest.mark.parametrize("target", ["triton", "tpu"])
def test_interpreted_kernels_run_on_shards_inside_shard_map(target, mesh):
    machine = {"triton": triton_machine, "tpu": tpu_machine}[target].machine
    params = placed(mesh)
    with machine("interpreted"):
        after = jax.jit(in_shards(mesh, make("lamb", target=target)))(params)
    assert_close(after, jax.jit(optax_in_shards(mesh, "lamb"))(params))


@pytest.mark.parametrize(
    ("target", "call"), [(triton, "@triton_kernel_call"), (tpu, "@tpu_custom_call")]
)
def test_kernels_of_accelerators_are_lowered_for_shards(target, call, mesh):
    if target is triton:
        pytest.importorskip("jax_cuda13_plugin")
    if reason := target.unavailable():
        pytest.skip(reason)
    platforms = (target.TARGET.platform,)
    step = jax.jit(in_shards(mesh, make("lamb")))
    assert call in step.trace(placed(mesh)).lower(lowering_platforms=platforms).as_text()


def test_where_some_axes_are_manual_and_others_are_not_xla_serves():
    mesh = jax.make_mesh((4, 2), ("x", "y"), axis_types=(AxisType.Auto,) * 2)
    params, tx = placed(mesh)["kernel"], make("adamw")

    def step(params):
        return tx.step(params, tx.init(params), grads=params)[0]

    sharded = jax.shard_map(step, mesh=mesh, in_specs=P("x"), out_specs=P("x"), axis_names={"x"})
    assert KERNELS not in text(sharded, params)
    np.testing.assert_allclose(jax.jit(sharded)(params), step(tree()["kernel"]), rtol=1e-6)


def test_kernels_run_in_pmap():
    params = jnp.arange(1.0, 25.0).reshape(8, 3)
    tx = make("adamw")
    state = jax.pmap(tx.init)(params)
    step = jax.pmap(step_of(tx))
    assert KERNELS in step.lower(params, state, params).compile().as_text()
    after, state = step(params, state, params)
    reference = make("adamw", optax)
    updates, _ = reference.update(params, reference.init(params), params)
    np.testing.assert_allclose(after, params + updates, rtol=1e-6)
    assert state.count.tolist() == [1] * 8
