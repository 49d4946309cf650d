"""Random rules, built of the DSL's functions: every target against the NumPy evaluator.

Leaves are float64, so that what rounding may do stays small beside what a wrong program does.
"""

import random

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from optgen import dsl
from optgen.ir.evaluate import Dtypes, Inputs, evaluate_tree
from optgen.runtime.execution import cpu
from tests.triton_machine import MACHINES, machine

SHAPES = {"vector": (5,), "matrix": (3, 4), "other": (2, 6), "cube": (2, 3, 2), "empty": (0,)}
UNARY = {
    "neg": lambda x: -x,
    "square": dsl.square,
    "tanh": dsl.tanh,
    "sin": dsl.sin,
    "cos": dsl.cos,
    "abs": dsl.abs,
    "sign": dsl.sign,
    "root": lambda x: dsl.sqrt(dsl.abs(x) + 0.5),
    "rsqrt": lambda x: dsl.rsqrt(dsl.abs(x) + 0.5),
    "cbrt": lambda x: dsl.cbrt(dsl.abs(x) + 0.5),
    "log": lambda x: dsl.log(dsl.abs(x) + 0.5),
    "log1p": lambda x: dsl.log1p(dsl.abs(x)),
    "exp": lambda x: dsl.exp(dsl.tanh(x)),
    "expm1": lambda x: dsl.expm1(dsl.tanh(x)),
    "floor": lambda x: dsl.floor(x * 4.0 + 0.1234567),
    "finite": lambda x: dsl.isfinite(x) * x,
    "inverse": lambda x: 1.0 / (dsl.abs(x) + 0.5),
    "cube": lambda x: dsl.tanh(x) ** 3,
    "half": lambda x: (dsl.abs(x) + 0.5) ** 0.7,
    "mean": dsl.mean,
    "sum": lambda x: dsl.sum(dsl.tanh(x)),
    "max": dsl.max,
    "min": dsl.min,
    "norm": dsl.norm,
    "rms": dsl.rms,
    "last_mean": lambda x: dsl.mean(x, axis=-1),
    "first_sum": lambda x: dsl.sum(dsl.tanh(x), axis=0),
    "last_max": lambda x: dsl.max(x, axis=-1),
    "tree_sum": lambda x: dsl.tree_sum(dsl.tanh(x)),
    "tree_max": lambda x: dsl.tree_max(dsl.abs(x)),
    "global_norm": dsl.global_norm,
}
BINARY = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: dsl.tanh(x) * y,
    "div": lambda x, y: x / (dsl.abs(y) + 0.5),
    "maximum": dsl.maximum,
    "minimum": dsl.minimum,
    "where": lambda x, y: dsl.where((x > 0.1) | ~(y < 0.3), x, y),
    "both": lambda x, y: ((x > 0.1) & (y <= 0.4)) * x + (x != y) * 0.25,
    "atan2": lambda x, y: dsl.atan2(x, dsl.abs(y) + 0.5),
    "clip": lambda x, y: dsl.clip(x, -dsl.abs(y), dsl.abs(y)),
}
OPERATIONS = st.one_of(
    st.tuples(st.sampled_from(sorted(UNARY)), st.integers(0, 5)),
    st.tuples(st.sampled_from(sorted(BINARY)), st.integers(0, 5), st.integers(0, 5)),
)


def make_rule(recipe, next_slot):
    """A rule that follows a list of operations on what it has computed so far."""

    @dsl.rule
    def random_rule(g, p, *, rate=0.3, decay=0.7):
        slot = dsl.state("slot", init=0.25)
        seen = dsl.tree_state("seen", init=0.5)
        values = [g, p, slot, rate * dsl.step(), decay * seen, g * decay]
        for operation, *places in recipe:
            arguments = [values[-1 - place % len(values)] for place in places]
            function = UNARY.get(operation) or BINARY[operation]
            values.append(function(*arguments))
        slot.next = decay * slot + values[-1 - next_slot] * (1 - decay)
        seen.next = 0.5 * seen + dsl.tree_max(dsl.tanh(values[-1])) + rate
        return -rate * values[-1] + 0.0 * g

    return random_rule


def random_rule(seed):
    """A rule of the list that a seed draws; none jumps where the last bits of a float decide."""
    draw = random.Random(seed)
    steady, recipe = sorted(set(UNARY) - {"floor"}), []
    for _ in range(draw.randint(2, 8)):
        pool, arity = (steady, 1) if draw.random() < 0.65 else (sorted(BINARY), 2)
        recipe.append((draw.choice(pool), *(draw.randint(0, 5) for _ in range(arity))))
    return make_rule(recipe, draw.randint(0, 3))


RECIPES = st.lists(OPERATIONS, min_size=1, max_size=10)
CHOICES = (RECIPES, st.integers(0, 3), st.integers(0, 1 << 30))


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(*CHOICES)
def test_random_rules_mean_the_same_in_jax_and_in_numpy(recipe, next_slot, seed):
    compare(make_rule(recipe, next_slot)(target="xla"), seed)


@pytest.mark.skipif(cpu.unavailable() is not None, reason="no CPU kernels here")
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(*CHOICES)
def test_random_rules_mean_the_same_in_cpp_and_in_numpy(recipe, next_slot, seed):
    compare(make_rule(recipe, next_slot)(target="cpu"), seed)


@pytest.mark.slow
@pytest.mark.parametrize("kind", MACHINES)
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(*CHOICES)
@example(recipe=[("max", 0)], next_slot=0, seed=0)  # a scalar that only the last statement names
@example(recipe=[("both", 0, 1)], next_slot=0, seed=0)  # a boolean that is a scalar
def test_random_rules_mean_the_same_in_triton_and_in_numpy(kind, recipe, next_slot, seed):
    with machine(kind):
        compare(make_rule(recipe, next_slot)(target="triton"), seed)


def compare(tx, seed):
    """Two steps of a random tree, against the evaluator."""
    rng = np.random.default_rng(seed)

    def tree():
        return {name: rng.normal(size=shape) for name, shape in SHAPES.items()}

    with jax.enable_x64(True):
        params = jax.tree.map(jax.numpy.asarray, tree())
        state = tx.init(params)
        for count in range(2):
            grads = jax.tree.map(jax.numpy.asarray, tree())
            expected = evaluated(tx, grads, state, params, count)
            updates, state = tx.update(grads, state, params)
            for i, name in enumerate(sorted(SHAPES)):
                close(updates[name], expected[i]["update"], f"update of {name}")
                close(state.slot[name], expected[i]["slot"], f"slot of {name}")
            close(state.seen, expected[-1]["seen"], "seen")


def evaluated(tx, grads, state, params, count):
    """Results of the traced programs by the evaluator, before any pass."""
    inputs = [
        Inputs(
            loads={"g": grads[name], "p": params[name], "slot": state.slot[name]},
            hyper=tx.hyperparameters(count),
            tree={"seen": state.seen},
            step=count + 1.0,
            shape=SHAPES[name],
            dtypes=Dtypes("float64", "float64", "float64"),
        )
        for name in sorted(SHAPES)
    ]
    return evaluate_tree(list(zip(tx.programs(params), inputs, strict=True)))


def close(got, expected, what):
    np.testing.assert_allclose(
        np.asarray(got), np.asarray(expected), rtol=1e-9, atol=1e-9, err_msg=what
    )
