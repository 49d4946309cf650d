"""Traces and compilations: counted, not timed."""

import collections
import contextlib

import jax
import jax.numpy as jnp
import optax
import pytest

import optgen
from optgen import dsl

TRACE = "/jax/core/compile/jaxpr_trace_duration"
COMPILE = "/jax/core/compile/backend_compile_duration"


@contextlib.contextmanager
def counting():
    """Counts what JAX traces and compiles, by event and by the function's name."""
    seen = collections.Counter()

    def listen(event, duration, fun_name="", **_):
        if event in (TRACE, COMPILE):
            seen[event, fun_name] += 1

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield seen
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def tree():
    return {"w": jnp.ones((3, 5)), "b": jnp.ones(4), "scalar": jnp.float32(1.0)}


def use(tx, params=None):
    """Everything that an optimizer does, once."""
    params = tree() if params is None else params
    state = tx.init(params)
    updates, state = tx.update(params, state, params)
    return jax.block_until_ready(tx.step(params, state, grads=updates))


def other_values(rule):
    """For each run-time hyperparameter of a rule, all of them with that one changed."""
    values = {
        h.name: 0.01 if h.name == "learning_rate" else 0.5 if h.default is None else h.default
        for h in rule.hyperparameters
        if h.kind == "scalar"
    }
    return values, [values | {name: 0.7 * value + 0.01} for name, value in values.items()]


@pytest.mark.parametrize("name", optgen.zoo.STOCK)
def test_a_new_value_of_any_hyperparameter_compiles_nothing(name):
    rule = optgen.zoo.STOCK[name]
    values, others = other_values(rule)
    use(rule(**values))
    with counting() as seen:
        for other in others:
            use(rule(**other))
    assert not seen


def test_what_is_counted_is_compiled_once():
    @dsl.rule
    def fresh(g, p, *, learning_rate):
        trace = dsl.state("trace")
        trace.next = dsl.tanh(g)
        return -learning_rate * trace.next

    with counting() as seen:
        use(fresh(0.1, target="xla"))
    assert seen[COMPILE, "jit(optgen_fresh_update)"] == 1
    assert seen[COMPILE, "jit(optgen_fresh_step)"] == 1
    assert seen[COMPILE, "jit(optgen_fresh_init)"] == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda k: lambda count: 0.1 * k / (1.0 + count),
        lambda k: optax.cosine_decay_schedule(0.1 * k, 10),
        lambda k: jnp.float32(0.1 * k),
    ],
    ids=["function", "optax", "array"],
)
def test_a_new_schedule_compiles_nothing(make):
    chained = dsl.chain(optgen.clip_by_global_norm, optgen.adamw)
    use(chained(1.0, 0.1, b1=make(1), weight_decay=make(2)))
    with counting() as seen:
        use(chained(1.0, 0.1, b1=make(3), weight_decay=make(4)))
    assert not seen


def test_a_schedule_instead_of_a_number_compiles_no_step():
    use(optgen.lamb(0.1, weight_decay=0.1))
    with counting() as seen:
        use(optgen.lamb(optax.linear_schedule(0.1, 0.0, 9), weight_decay=jnp.float32(0.2)))
    assert not [fun_name for _, fun_name in seen if "optgen" in fun_name or "leaf" in fun_name]


def test_a_schedule_that_moves_compiles_nothing():
    tx, params = optgen.adamw(optax.cosine_decay_schedule(0.1, 10)), tree()
    params, state = tx.step(params, tx.init(params), grads=params)
    with counting() as seen:
        for _ in range(3):
            params, state = tx.step(params, state, grads=params)
    assert not seen


def test_hyperparameters_as_arguments_of_a_jitted_step():
    traced = []

    @jax.jit
    def step(params, state, grads, learning_rate, decay):
        traced.append(1)
        tx = optgen.adamw(learning_rate, weight_decay=decay, b2=1 - decay)
        return tx.step(params, state, grads=grads)

    params = tree()
    state = optgen.adamw(0.1).init(params)
    params, state = step(params, state, params, 0.1, 0.2)
    with counting() as seen:
        params, state = step(params, state, params, 0.3, 0.4)
        params, state = step(params, state, params, 0.5, 0.6)
    assert not seen
    assert len(traced) == 1


def test_injected_hyperparameters_in_a_jitted_step():
    tx = optax.inject_hyperparams(optgen.adamw)(learning_rate=0.1, weight_decay=0.1)
    traced = []

    @jax.jit
    def step(params, state, grads):
        traced.append(1)
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    params = tree()
    params, state = step(params, tx.init(params), params)
    rates = [jnp.float32(0.2), jnp.float32(0.4)]
    with counting() as seen:
        for rate in rates:
            state.hyperparams["learning_rate"] = rate
            params, state = step(params, state, params)
    assert not seen
    assert len(traced) == 1


def test_optimizers_made_inside_a_scan_trace_the_rule_once():
    ask_for_slots(counted(0.1))

    def body(params, learning_rate):
        tx = counted(learning_rate)
        return tx.step(params, tx.init(params), grads=params)[0], None

    rates = jnp.linspace(0.1, 0.2, 5)
    jax.jit(lambda p: jax.lax.scan(body, p, rates))({"only": jnp.ones((11, 13))})
    assert len(traced) == 1


traced: list[int] = []


def ask_for_slots(tx):
    """Forgets the traces that tell the slots of a rule, once for all trees."""
    tx.init({})
    traced.clear()


@dsl.rule
def counted(g, p, *, learning_rate, decay=0.9):
    """Momentum that counts how often it is traced."""
    traced.append(1)
    momentum = dsl.state("momentum")
    momentum.next = decay * momentum + g
    norm = dsl.global_norm(momentum.next)
    return -learning_rate * momentum.next / (1 + norm)


SHAPES = [(64, 64), (64, 256), (64,), (256,), (3, 3, 8, 8)]


def test_one_trace_for_each_distinct_leaf_signature():
    ask_for_slots(counted(0.1))
    params = [jnp.ones(SHAPES[i % 5]) for i in range(300)]
    with counting() as seen:
        use(counted(0.1, target="xla"), params)
    assert len(traced) == 5
    # JAX too traces what was emitted for a leaf once for each shape, not once for each leaf.
    assert seen[TRACE, "leaf"] <= 2 * 5  # for `update`, and for `step`

    counted(0.1).source("xla", params)
    jax.jit(counted(0.3, decay=0.5).step)(params, counted(0.3).init(params), grads=params)
    use(counted(0.2), params)  # for the kernels of this machine, if it can compile them
    use(counted(0.2), params[:7])
    use(counted(0.2), {"a": params[3], "b": {"c": params[8]}})
    jax.eval_shape(counted(0.2).init, params)
    assert len(traced) == 5

    use(counted(0.2), [jnp.ones((64, 64), jnp.bfloat16)])
    assert len(traced) == 6


def test_masks_and_static_hyperparameters_trace_again():
    @dsl.rule
    def masked(g, p, *, learning_rate, mask: dsl.Mask = None, nesterov: bool = False):
        traced.append((mask, nesterov))
        return g if mask is False else -learning_rate * g

    params = {"a": jnp.ones(3), "b": jnp.ones(3)}
    ask_for_slots(masked(0.1))
    use(masked(0.1, {"a": True, "b": False}), params)
    use(masked(0.2, {"a": False, "b": True}), params)
    assert traced == [(True, False), (False, False)]
    ask_for_slots(masked(0.1, nesterov=True))
    use(masked(0.2, {"a": False, "b": True}, nesterov=True), params)
    assert sorted(traced) == [(False, True), (True, True)]


@pytest.mark.parametrize("target", ["xla", "cpu"])
def test_a_rule_whose_init_alone_was_changed_is_not_taken_for_the_old_one(target):
    def made(factor):
        @dsl.rule
        def kept(g, p, *, rate):
            slot = dsl.state("slot", init=factor * rate)
            slot.next = slot + g
            return -slot.next

        return kept(0.5, target=target)

    params = jnp.zeros(3)
    assert [float(made(factor).init(params).slot[0]) for factor in (2.0, 3.0)] == [1.0, 1.5]
