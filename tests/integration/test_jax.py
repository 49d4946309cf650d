"""An optimizer of optgen under JAX's transformations."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optgen
from tests.integration.training import assert_close, loss, parameters, train

pytestmark = [
    pytest.mark.usefixtures("each_target"),
    pytest.mark.filterwarnings("error:optgen's CPU kernels cannot serve"),
]

STATELY = ("adamw", "lion", "lamb", "adafactor", "sgd")


def optimizer(name, library=optgen):
    settings = {"sgd": {"momentum": 0.9}, "adafactor": {"min_dim_size_to_factor": 2}}
    return getattr(library, name)(0.02, **settings.get(name, {}))


def fused(tx):
    def step(params, state, grads):
        return tx.step(params, state, grads=grads)

    return step


def by_protocol(tx):
    def step(params, state, grads):
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    return step


def donating(way, tx):
    """The compiled step, and arguments of which it may destroy the first two."""
    params = jax.tree.map(jnp.array, parameters())
    arguments = params, jax.tree.map(jnp.array, tx.init(params)), jax.grad(loss)(params)
    return jax.jit(way(tx), donate_argnums=(0, 1)).lower(*arguments).compile(), arguments


def copies(compiled):
    return len(re.findall(r"= \S+ copy\(", compiled.as_text()))


@pytest.mark.parametrize("way", [fused, by_protocol])
@pytest.mark.parametrize("name", STATELY)
def test_donated_buffers_are_updated_in_place(name, way):
    compiled, (params, state, grads) = donating(way, optimizer(name))
    donated = jax.tree.leaves((params, state))
    before = [leaf.unsafe_buffer_pointer() for leaf in donated]
    assert compiled.memory_analysis().alias_size_in_bytes == sum(x.nbytes for x in donated)

    after = jax.tree.leaves(compiled(params, state, grads))
    assert all(leaf.is_deleted() for leaf in donated)
    assert [leaf.unsafe_buffer_pointer() for leaf in after] == before


@pytest.mark.parametrize("name", STATELY)
def test_no_buffer_is_copied_that_is_updated_in_place(name, each_target):
    # Lion reads its momentum twice, and XLA copies it: once for each leaf, in optax's step too.
    excused = name == "lion" and each_target == "xla"
    compiled, _ = donating(fused, optimizer(name))
    assert copies(compiled) <= (len(jax.tree.leaves(parameters())) if excused else 0)
    if excused:
        assert copies(compiled) <= copies(donating(by_protocol, optimizer(name, optax))[0])


@pytest.mark.parametrize("name", STATELY)
def test_eager_jitted_and_scanned_steps_agree(name):
    tx, params = optimizer(name), parameters()
    grads = jax.grad(loss)(params)

    def body(carry, _):
        return tx.step(carry[0], carry[1], grads=grads), None

    scanned, _ = jax.jit(lambda p: jax.lax.scan(body, (p, tx.init(p)), length=3)[0])(params)
    eager = jitted = params
    eager_state = jitted_state = tx.init(params)
    for _ in range(3):
        eager, eager_state = tx.step(eager, eager_state, grads=grads)
        jitted, jitted_state = jax.jit(tx.step)(jitted, jitted_state, grads=grads)
    assert_close(jitted, eager, rtol=1e-6)
    assert_close(jitted_state, eager_state, rtol=1e-6)
    assert_close(scanned, eager, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "target"), [("lamb", "xla"), ("lamb", "auto"), ("adafactor", "xla")]
)
def test_a_batch_of_models_under_vmap(name, target, monkeypatch):
    monkeypatch.setenv("OPTGEN_TARGET", target)
    tx, params = optimizer(name), parameters()
    batch = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf, -leaf]), params)
    grads = jax.vmap(jax.grad(loss))(batch)
    state = jax.vmap(tx.init)(batch)
    updates, state = jax.vmap(tx.update)(grads, state, batch)
    stepped, _ = jax.vmap(fused(tx))(batch, jax.vmap(tx.init)(batch), grads)
    assert state.count.tolist() == [1, 1, 1]
    for i in range(3):
        one, grad = (jax.tree.map(lambda leaf, i=i: leaf[i], tree) for tree in (batch, grads))
        expected, _ = tx.update(grad, tx.init(one), one)
        assert_close(jax.tree.map(lambda leaf, i=i: leaf[i], updates), expected)
        expected, _ = tx.step(one, tx.init(one), grads=grad)
        assert_close(jax.tree.map(lambda leaf, i=i: leaf[i], stepped), expected)


def test_vmap_over_a_hyperparameter():
    params, grads = jnp.ones(3), jnp.ones(3)

    def after(learning_rate):
        tx = optgen.sgd(learning_rate)
        return tx.step(params, tx.init(params), grads=grads)[0]

    rates = jnp.float32([0.0, 0.5, 1.0])
    np.testing.assert_array_equal(jax.vmap(after)(rates), 1 - rates[:, None] * jnp.ones(3))


@pytest.mark.parametrize(
    ("name", "ours"),
    [("adamw", by_protocol), ("lars", fused), ("adafactor", fused)],
)
def test_the_gradient_through_updates_is_that_of_optax(name, ours):
    def objective(library, way, learning_rate, params):
        settings = {"eps_root": 1e-8} if name == "adamw" else {}
        tx = getattr(library, name)(learning_rate, **settings)

        def body(carry, x):
            params, state = carry
            return way(tx)(params, state, jax.grad(loss)(params, x)), None

        (params, _), _ = jax.lax.scan(body, (params, tx.init(params)), jnp.arange(1.0, 4.0))
        return loss(params)

    def meta_gradient(library, way):
        grad = jax.grad(lambda *arguments: objective(library, way, *arguments), (0, 1))
        return jax.jit(grad)(0.05, parameters())

    expected = meta_gradient(optax, by_protocol)
    assert all(jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(expected))
    assert_close(meta_gradient(optgen, ours), expected, rtol=1e-4)


@pytest.mark.parametrize("name", STATELY)
def test_eval_shape_tells_the_shapes_of_everything(name):
    tx, params = optimizer(name), parameters()
    shapes = jax.eval_shape(tx.init, params)
    state = tx.init(params)

    def described(tree):
        return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)

    assert described(shapes) == described(state)
    for method in (lambda params, state, grads: tx.update(grads, state, params), fused(tx)):
        found = jax.eval_shape(method, params, shapes, params)
        assert described(found) == described((params, state))


def test_init_is_compiled_or_not_the_same():
    tx, params = optgen.adagrad(0.1, initial_accumulator_value=0.3), parameters()
    assert_close(jax.jit(tx.init)(params), tx.init(params), rtol=0)
    assert_close(tx.init(params).sum_of_squares, jax.tree.map(lambda p: 0 * p + 0.3, params))


def test_sharded_leaves_stay_sharded():
    mesh = jax.make_mesh((1,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    sharding = jax.sharding.NamedSharding(mesh, jax.P("data"))
    params = jax.device_put(jnp.ones((4, 2)), sharding)
    tx = optgen.adamw(0.1)
    state = jax.jit(tx.init)(params)
    params, state = jax.jit(tx.step)(params, state, grads=params)
    assert params.sharding.is_equivalent_to(sharding, 2)


def test_trains():
    losses = [float(loss(train(optgen.adamw(0.1), steps)[0])) for steps in (0, 20)]
    assert losses[1] < losses[0] / 4
