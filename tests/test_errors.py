"""Bad input: each case is one mistake, and what the message must say about it.

A malformed rule is reported at the line that carries the comment `# culprit`.
"""

import inspect
import pickle
import types
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optgen
from optgen import dsl
from optgen.errors import (
    HyperparameterError,
    ParseError,
    RuleError,
    TargetError,
    TreeError,
    UsageError,
)
from optgen.ir.text import parse

PARAMS = {"w": jnp.ones((3, 2)), "b": jnp.ones(2)}


class Case(NamedTuple):
    """One mistake.

    Attributes:
      run: makes it.
      kind: the error that it raises.
      words: what the message must hold: the culprit, and the remedy.
    """

    run: Callable[[], object]
    kind: type[Exception]
    words: tuple[str, ...]


RULES: list[Case] = []
CALLS: list[Case] = []


def malformed(*words: str):
    """A function that defines a bad rule and returns it; one of its lines is the culprit."""
    return _collect(RULES, RuleError, words)


def refused(kind: type[Exception], *words: str):
    """A function that calls something of optgen's wrongly."""
    return _collect(CALLS, kind, words)


def _collect(cases, kind, words):
    def decorator(function):
        cases.append(Case(function, kind, words))
        return function

    return decorator


def culprit(function) -> int:
    """The line, counted from 1, that carries the comment."""
    lines, first = inspect.getsourcelines(function)
    (found,) = [n for n, line in enumerate(lines) if line.rstrip().endswith("# culprit")]
    return first + found


def by_name(case: Case) -> str:
    return case.run.__name__


# Rules that are malformed.


@malformed("slot 'mu' is never assigned", "mu.next = …", "dsl.constant_state")
def slot_never_assigned():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        mu = dsl.state("mu")  # culprit
        return -learning_rate * (g + mu)

    return rule


@malformed("mu.next is assigned twice", "assign each slot once")
def slot_assigned_twice():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        mu = dsl.state("mu")
        mu.next = g
        mu.next = 0.9 * mu + g  # culprit
        return -learning_rate * mu.next

    return rule


@malformed("mu.next is read before it is assigned", "assign mu.next = … first")
def next_read_too_early():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        mu = dsl.state("mu")
        update = -learning_rate * mu.next  # culprit
        mu.next = g
        return update

    return rule


@malformed("mu.next is read before it is assigned", "mu alone is the old value")
def next_augmented():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        mu = dsl.state("mu")
        mu.next += g  # culprit
        return -learning_rate * mu.next

    return rule


@malformed("'count' is reserved", "call the slot something else")
def slot_with_a_reserved_name():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        count = dsl.state("count")  # culprit
        count.next = count + 1
        return -learning_rate * g

    return rule


@malformed("slot 'momentum' has the name of the hyperparameter 'momentum'", "something else")
def slot_with_the_name_of_a_hyperparameter():
    @dsl.rule
    def rule(g, p, *, learning_rate, momentum=0.9):
        trace = dsl.state("momentum")  # culprit
        trace.next = momentum * trace + g
        return -learning_rate * trace.next

    return rule


@malformed("'grad' is reserved", "call the slot something else")
def slot_with_a_name_that_emitted_code_uses():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        before = dsl.state("grad")  # culprit
        before.next = g
        return -learning_rate * (g - before)

    return rule


@malformed("'lambda' is reserved", "call the slot something else")
def slot_with_the_name_of_a_keyword():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        weight = dsl.state("lambda")  # culprit
        weight.next = g
        return -learning_rate * weight.next

    return rule


@malformed("must be a Python name", "'first moment'")
def slot_with_a_name_that_is_none():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        mu = dsl.state("first moment")  # culprit
        mu.next = g
        return -learning_rate * mu.next

    return rule


@malformed("slot 'mu' is declared twice", "give the second another name")
def slot_declared_twice():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        mu = dsl.state("mu")
        mu.next = g
        nu = dsl.state("mu")  # culprit
        nu.next = g * g
        return -learning_rate * mu.next

    return rule


@malformed("constant slot 'anchor' cannot be assigned", "dsl.state")
def constant_slot_assigned():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        anchor = dsl.constant_state("anchor", init=p)
        anchor.next = p  # culprit
        return -learning_rate * (g + p - anchor)

    return rule


@malformed("a symbol has no 'nxt' to assign", ".next")
def slot_with_a_typo_in_next():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        mu = dsl.state("mu")
        mu.nxt = g  # culprit
        return -learning_rate * mu.next

    return rule


@malformed("a symbol has no 'next' to assign", "dsl.state")
def next_of_no_slot():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        g.next = 0.9 * g  # culprit
        return -learning_rate * g

    return rule


@malformed("varies along every axis of the leaf", "but the slot varies along axis 0", "reduce")
def slot_assigned_a_larger_value():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        if p.ndim < 2:
            return -learning_rate * g
        row = dsl.state("row", like=dsl.mean(g, axis=1))
        row.next = g * g  # culprit
        return -learning_rate * g / dsl.sqrt(row.next)

    return rule


@malformed("'row' varies along axis 0, but its init varies along every axis", "reduce the init")
def init_larger_than_the_slot():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        if p.ndim < 2:
            return -learning_rate * g
        row = dsl.state("row", like=dsl.mean(g, axis=1), init=p)  # culprit
        row.next = dsl.mean(g, axis=1)
        return -learning_rate * g

    return rule


@malformed("the init of slot 'mu' reads the gradient", "before the first step")
def init_reading_the_gradient():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        mu = dsl.state("mu", init=g)  # culprit
        mu.next = 0.9 * mu + g
        return -learning_rate * mu.next

    return rule


@malformed("no dtype that a slot or a cast can have", "int32", "bfloat16")
def slot_of_integers():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        seen = dsl.state("seen", dtype="int32")  # culprit
        seen.next = seen + 1
        return -learning_rate * g

    return rule


@malformed("no dtype that a slot or a cast can have", "'bf16'", "bfloat16")
def cast_to_an_unknown_dtype():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        return -learning_rate * dsl.cast(g, "bf16")  # culprit

    return rule


@malformed("like= takes a symbol", "dsl.mean(g, axis=0)")
def slot_like_a_shape():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        mu = dsl.state("mu", like=(3, 2))  # culprit
        mu.next = g
        return -learning_rate * g

    return rule


@malformed("scale.next, a tree_state", "the same for every leaf", "dsl.tree_sum")
def tree_slot_assigned_a_leaf_value():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        scale = dsl.tree_state("scale", init=1.0)
        scale.next = g * g  # culprit
        return -learning_rate * g / scale.next

    return rule


@malformed("scale.next, a tree_state", "the same for every leaf", "dsl.tree_sum")
def tree_slot_assigned_a_statistic_of_one_leaf():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        scale = dsl.tree_state("scale", init=1.0)
        scale.next = dsl.norm(g)  # culprit
        return -learning_rate * g / scale.next

    return rule


@malformed("the init of scale, a tree_state", "the same for every leaf", "dsl.tree_sum")
def tree_slot_that_begins_with_a_statistic_of_one_leaf():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        scale = dsl.tree_state("scale", init=dsl.norm(p))  # culprit
        scale.next = 2 * scale
        return -learning_rate * g / scale.next

    return rule


@malformed("tree_state 'seen'", "its .next is not the same for every leaf", "p.size")
def tree_slot_on_which_leaves_disagree():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        seen = dsl.tree_state("seen")  # culprit
        seen.next = seen + p.size
        return -learning_rate * g

    return rule


@malformed("neither true nor false", "dsl.where", "&")
def python_if_on_a_symbol():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        if dsl.norm(g) > 1.0:  # culprit
            g = g / dsl.norm(g)
        return -learning_rate * g

    return rule


@malformed("neither true nor false", "dsl.maximum")
def python_max_of_symbols():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        return -learning_rate * max(g, p)  # culprit

    return rule


@malformed("belongs to another rule", "nothing symbolic in globals")
def symbol_kept_in_a_global():
    kept = []

    @dsl.rule
    def rule(g, p, *, learning_rate):
        kept.append(g)
        return -learning_rate * (kept[0] + g)  # culprit

    return rule


@malformed("nothing is returned", "the parameter's shape")
def nothing_returned():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        update = -learning_rate * g  # noqa: F841
        # falls off its end, at the line of the last statement
        print(end="")  # culprit

    return rule


@malformed("varies along no axis (a scalar)", "the parameter's shape")
def a_scalar_returned():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        return -learning_rate * dsl.mean(g)  # culprit

    return rule


@malformed("tuple is returned", "return an update")
def a_tuple_returned():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        return -learning_rate * g, p  # culprit

    return rule


@malformed("Rule is returned", "return an update", "dsl.chain")
def a_rule_returned():
    @dsl.rule
    def rule(*, learning_rate):
        return plain  # culprit

    return rule


@malformed("generator is returned", "return an update")
def a_generator_returned():
    @dsl.rule  # culprit
    def rule(g, p, *, learning_rate):
        yield g

    return rule


@malformed("functions of NumPy and jax.numpy", "of the same name from optgen.dsl")
def a_function_of_jax():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        return -learning_rate * jnp.tanh(g)  # culprit

    return rule


@malformed("functions of NumPy and jax.numpy", "of the same name from optgen.dsl")
def a_function_of_numpy():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        return -learning_rate * g / np.sqrt(g * g)  # culprit

    return rule


@malformed("no Python number", "the functions of optgen.dsl")
def a_function_of_math():
    import math

    @dsl.rule
    def rule(g, p, *, learning_rate):
        return -math.sqrt(learning_rate) * g  # culprit

    return rule


@malformed("NameError", "'b3' is not defined")
def an_undefined_name():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        return -learning_rate * b3 * g  # noqa: F821  # culprit

    return rule


@malformed("no attribute 'sqroot'", "Did you mean", "sqrt")
def a_function_that_dsl_lacks():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        return -learning_rate * dsl.sqroot(g)  # culprit

    return rule


@malformed("symbol has no attribute 'mean'", "dsl.mean(x)")
def a_method_of_arrays():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        return -learning_rate * (g - g.mean())  # culprit

    return rule


@malformed("dsl.where takes (condition, a, b)", "2")
def too_few_arguments():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        return -learning_rate * dsl.where(g > 0, g)  # culprit

    return rule


@malformed("axis 2 does not exist", "p.ndim")
def axis_out_of_range():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        return -learning_rate * g / dsl.norm(g, axis=2)  # culprit

    return rule


@malformed("axis takes an int or a tuple of ints", "'rows'")
def axis_of_the_wrong_kind():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        return -learning_rate * g / dsl.norm(g, axis="rows")  # culprit

    return rule


@malformed("axis takes an int or a tuple of ints", "1.0")
def axis_as_a_float():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        return -learning_rate * g / dsl.norm(g, axis=1.0)  # culprit

    return rule


@malformed("a symbol cannot be indexed", "the whole leaf")
def a_symbol_indexed():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        return -learning_rate * g[0]  # culprit

    return rule


@malformed("a symbol cannot be indexed", "the whole leaf")
def a_symbol_assigned_to_in_part():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        g[0] = 0.0  # culprit
        return -learning_rate * g

    return rule


@malformed("operator @", "later version")
def a_matrix_product():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        return -learning_rate * (g @ g)  # culprit

    return rule


@malformed("only g and p have a dtype")
def the_dtype_of_a_value_in_between():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        return -learning_rate * dsl.cast(g, (g * g).dtype)  # culprit

    return rule


@malformed("'float31'", "float32")
def a_dtype_compared_with_nonsense():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        if p.dtype == "float31":  # culprit
            return -learning_rate * g
        return learning_rate * g

    return rule


@malformed("None is used as a number", "is None")
def none_in_arithmetic():
    @dsl.rule
    def rule(g, p, *, learning_rate, clip=None):
        return -learning_rate * dsl.clip(g, -clip, clip)  # culprit

    return rule


@malformed("None is used as a number", "is None")
def none_on_the_right_of_a_product():
    @dsl.rule
    def rule(g, p, *, learning_rate, momentum=None):
        return -learning_rate * (g * momentum)  # culprit

    return rule


@malformed("an array of shape (2,)", "dsl.state")
def an_array_in_the_rule():
    scale = jnp.array([1.0, 2.0])

    @dsl.rule
    def rule(g, p, *, learning_rate):
        return -learning_rate * g * scale  # culprit

    return rule


@malformed("str 'fast' is neither a number nor a symbol")
def a_string_in_arithmetic():
    @dsl.rule
    def rule(g, p, *, learning_rate, speed="fast"):
        return -learning_rate * g * speed  # culprit

    return rule


@malformed("an array of shape (2,)", "dsl.state")
def an_array_on_the_left():
    scale = np.array([1.0, 2.0])

    @dsl.rule
    def rule(g, p, *, learning_rate):
        return -learning_rate * (scale * g)  # culprit

    return rule


@malformed("ZeroDivisionError")
def a_division_by_zero_in_python():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        return -learning_rate * g * (1 / (p.ndim - p.ndim))  # culprit

    return rule


@malformed("KeyError: 3", "rule")
def whatever_else_python_raises():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        return -learning_rate * g * {1: 1.0}[p.ndim + 2]  # culprit

    return rule


@malformed("given a schedule inside a rule", "pass the schedule there")
def a_schedule_inside_a_rule():
    @dsl.rule
    def inner(g, p, *, rate):
        return -rate * g

    @dsl.rule
    def rule(*, learning_rate):
        schedule = optax.constant_schedule(0.1)
        return dsl.chain(inner(schedule))  # culprit

    return rule


@malformed("dsl.factored_axes takes a shape", "pass p.shape")
def factored_axes_of_a_symbol():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        axes = dsl.factored_axes(p, 128)  # culprit
        return -learning_rate * g * (axes is None)

    return rule


@malformed("has no hyperparameter 'rat'", "rate")
def a_typo_in_a_call_inside_a_rule():
    @dsl.rule
    def inner(g, p, *, rate):
        return -rate * g

    @dsl.rule
    def rule(*, learning_rate):
        return inner(rat=learning_rate)  # culprit

    return rule


# A rule that is wrong as it stands is refused when it is decorated.


@malformed("*args is not allowed", "name them all")
def arguments_that_are_not_named():
    @dsl.rule  # culprit
    def rule(g, p, *args):
        return g

    return rule


@malformed("**options is not allowed", "name them all")
def options_that_are_not_named():
    @dsl.rule  # culprit
    def rule(g, p, **options):
        return g

    return rule


@malformed("takes (g, p, *, hyperparameters)", "after a *")
def hyperparameters_before_the_star():
    @dsl.rule  # culprit
    def rule(g, p, learning_rate):
        return -learning_rate * g

    return rule


@malformed("'target' is reserved")
def a_hyperparameter_called_target():
    @dsl.rule  # culprit
    def rule(g, p, *, target):
        return -target * g

    return rule


@pytest.mark.parametrize("case", RULES, ids=by_name)
def test_a_malformed_rule_is_reported_at_its_line(case):
    with pytest.raises(case.kind) as caught:
        case.run()(learning_rate=0.1).init(PARAMS)
    error, message = caught.value, str(caught.value)
    assert (error.filename, error.lineno) == (__file__, culprit(case.run)), message
    assert message.startswith(f"{__file__}:{error.lineno}: in rule ")
    assert not [word for word in case.words if word not in message], message


@malformed("'step' is reserved", "choose another")
def a_hyperparameter_with_a_name_that_emitted_code_uses():
    @dsl.rule  # culprit
    def rule(g, p, *, step):
        return -step * g / dsl.step()

    return rule


# Calls that are wrong.


@dsl.rule
def plain(g, p, *, learning_rate, momentum=None, nesterov: bool = False, order: int = 2):
    """Gradient descent."""
    if momentum is None:
        return -learning_rate * g
    trace = dsl.state("trace")
    trace.next = momentum * trace + g
    return -learning_rate * (momentum * trace.next + g if nesterov else trace.next)


@dsl.rule
def decayed(g, p, *, learning_rate, weight_decay=0.1, mask: dsl.Mask = None):
    """Gradient descent that reads the parameters."""
    return -learning_rate * (g + weight_decay * p * (mask is not False))


@dsl.rule
def adaptive(g, p, *, learning_rate):
    """A rule with slots of other names than `plain`."""
    nu = dsl.state("nu")
    nu.next = nu + g * g
    return -learning_rate * g / dsl.sqrt(nu.next)


@dsl.rule
def rounded(g, p, *, learning_rate, storage: dsl.DType = None):
    """A rule with a dtype among its hyperparameters."""
    mu = dsl.state("mu", dtype=storage)
    mu.next = g
    return -learning_rate * mu.next


def updated(tx, grads=PARAMS, params=PARAMS, state=None):
    return tx.update(grads, tx.init(PARAMS) if state is None else state, params)


@refused(TreeError, "params at ['w'] holds integers", "gradient of float32", "optax.masked")
def a_gradient_of_integers():
    params = {"w": jnp.ones(3, int)}
    plain(0.1).step(params, plain(0.1).init(params), grads={"w": jnp.ones(3)})


@refused(TreeError, "params at ['w'] holds integers", "gradient of int32", "pass None")
def a_gradient_of_integers_that_is_not_zero():
    params = {"w": jnp.ones(3, int)}
    plain(0.1).step(params, plain(0.1).init(params), grads=params)


@refused(TreeError, "params at ['w']", "key<fry>", "pass None")
def random_keys_for_parameters():
    plain(0.1).init({"w": jax.random.key(0)})


@refused(TreeError, "params at ['w']", "complex64", "optax.contrib.split_real_and_imaginary")
def complex_parameters():
    plain(0.1).init({"w": jnp.ones(3, jnp.complex64)})


@refused(TreeError, "params at ['w']", "float8_e4m3fn", "tell apart", "wider copy")
def eight_bit_parameters():
    plain(0.1).init({"w": jnp.ones(3, jnp.float8_e4m3fn)})


@refused(TreeError, "params at ['activation']", "function", "set them to None")
def a_function_among_the_parameters():
    plain(0.1).init({"w": jnp.ones(3), "activation": lambda x: x})


@refused(TreeError, "params at ['w']", "str", "set them to None")
def a_string_among_the_parameters():
    plain(0.1).init({"w": "weights"})


@refused(TreeError, "grads at ['w']", "int32")
def integer_gradients():
    updated(plain(0.1), {"w": jnp.ones((3, 2), int), "b": jnp.ones(2)})


@refused(TreeError, "grads at ['b']", "(3,)", "(2,)", "leaf by leaf")
def gradients_of_another_shape():
    updated(plain(0.1), {"w": jnp.ones((3, 2)), "b": jnp.ones(3)})


@refused(TreeError, "different structures", "grads lacks ['b']", "jax.grad")
def gradients_that_lack_a_leaf():
    updated(plain(0.1), {"w": jnp.ones((3, 2))})


@refused(TreeError, "different structures", "grads lacks ['b']", "has [0] besides", "1 more")
def gradients_in_a_list():
    updated(plain(0.1), [jnp.ones((3, 2)), jnp.ones(2)])


@refused(TreeError, "different structures", "has .count besides", "jax.grad")
def the_state_for_the_gradients():
    tx = adaptive(0.1)
    tx.update(tx.init(PARAMS), PARAMS, PARAMS)


@refused(TreeError, "decayed reads the parameters", "update(grads, state, params)")
def no_parameters_for_a_rule_that_reads_them():
    updated(decayed(0.1), params=None)


@refused(TreeError, "plain.step takes two trees by position", "tx.step(params, state, grads=grads)")
def a_step_in_the_order_of_an_update():
    tx = plain(0.1)
    tx.step(PARAMS, tx.init(PARAMS), PARAMS)


@refused(TreeError, "plain.step needs the gradients", "tx.step(params, state, grads=grads)")
def a_step_without_gradients():
    tx = plain(0.1)
    tx.step(PARAMS, tx.init(PARAMS))


@refused(TreeError, "step updates the parameters", "tx.step(params, state, grads=grads)")
def no_parameters_for_a_step():
    tx = plain(0.1)
    tx.step(None, tx.init(PARAMS), grads=PARAMS)


@refused(TreeError, "grads is None", "jax.grad")
def no_gradients():
    updated(plain(0.1), None)


@refused(TreeError, "the slots nu", "plain keeps trace", "init(params)")
def the_state_of_another_rule():
    updated(plain(0.1, 0.9), state=adaptive(0.1).init(PARAMS))


@refused(TreeError, "the state is", "not a state of plain", "init")
def the_state_of_optax():
    updated(plain(0.1, 0.9), state=optax.adam(0.1).init(PARAMS))


@refused(TreeError, "the state is", "dict", "init")
def the_parameters_for_the_state():
    tx = plain(0.1, 0.9)
    tx.update(PARAMS, PARAMS, PARAMS)


@refused(TreeError, "state.trace at ['b']", "(5,)", "(2,)", "init(params)")
def the_state_of_parameters_of_other_shapes():
    tx = plain(0.1, 0.9)
    updated(tx, state=tx.init({"w": jnp.ones((3, 2)), "b": jnp.ones(5)}))


@refused(TreeError, "state.trace lacks ['b']", "has ['kernel'] besides", "init(params)")
def the_state_of_another_tree():
    tx = plain(0.1, 0.9)
    updated(tx, state=tx.init({"kernel": jnp.ones((3, 2))}))


@refused(HyperparameterError, "'learning_rate'", "an array of shape (3,)", "one real number")
def a_schedule_that_returns_a_vector():
    updated(plain(lambda count: jnp.ones(3) * count))


@refused(HyperparameterError, "'learning_rate'", "complex", "real")
def a_schedule_that_returns_a_complex_number():
    updated(plain(lambda count: jnp.complex64(1j)))


@refused(HyperparameterError, "'learning_rate'", "NoneType None", "one real number")
def a_schedule_that_returns_nothing():
    updated(plain(lambda count: None))


@refused(HyperparameterError, "'learning_rate'", "ZeroDivisionError", "int32 count")
def a_schedule_that_raises():
    updated(plain(lambda count: 1 / 0))


@refused(HyperparameterError, "'learning_rate'", "Under jax.jit", "jnp.where")
def a_schedule_that_branches_under_jit():
    tx = plain(lambda count: 0.1 if count < 10 else 0.01)
    jax.jit(tx.update)(PARAMS, tx.init(PARAMS), PARAMS)


@refused(HyperparameterError, "'learning_rate'", "takes 0 positional arguments", "count")
def a_schedule_without_arguments():
    updated(plain(lambda: 0.1))


@refused(HyperparameterError, "plain() has no hyperparameter 'lr'", "learning_rate, momentum")
def an_unknown_hyperparameter():
    plain(lr=0.1)


@refused(HyperparameterError, "plain() needs 'learning_rate'")
def a_missing_hyperparameter():
    plain()


@refused(HyperparameterError, "'learning_rate' by position and by name")
def a_hyperparameter_given_twice():
    plain(0.1, learning_rate=0.1)


@refused(HyperparameterError, "at most 4 hyperparameters, and 5")
def too_many_hyperparameters():
    plain(0.1, 0.9, True, 2, 3)


@refused(HyperparameterError, "plain(nesterov=", "static", "True or False", "static_args")
def a_static_hyperparameter_given_an_array():
    plain(0.1, nesterov=jnp.asarray(True))


@refused(HyperparameterError, "plain(order=2.5)", "takes an int")
def a_static_hyperparameter_given_a_float():
    plain(0.1, order=2.5)


@refused(HyperparameterError, "plain(learning_rate='fast')", "a real number, an optax schedule")
def a_string_for_a_number():
    plain("fast")


@refused(HyperparameterError, "plain(learning_rate=", "shape (2,)", "scalar")
def a_vector_for_a_number():
    plain(jnp.ones(2))


@refused(HyperparameterError, "plain(learning_rate=", "shape (1,)", "pass x.reshape(())")
def a_vector_of_one_number():
    plain(jnp.ones(1))


@refused(HyperparameterError, "plain(learning_rate=", "a real number", "dtype key<fry>")
def a_random_key_for_a_number():
    plain(jax.random.key(0))


@refused(HyperparameterError, "plain(learning_rate=", "dtype float32", "jnp.asarray(x)")
def a_variable_of_another_library():
    plain(types.SimpleNamespace(shape=(), dtype="float32", value=0.1))


@refused(HyperparameterError, "plain(learning_rate=", "real number")
def a_complex_number_for_a_real_one():
    plain(1j)


@refused(HyperparameterError, "plain(learning_rate=True)", "real number")
def a_bool_for_a_number():
    plain(True)


@refused(RuleError, "in rule 'plain'", "None is used as a number", "is None")
def none_where_the_rule_multiplies_with_it():
    updated(plain(None))


@refused(HyperparameterError, "rounded(storage=", "a floating-point dtype", "jnp.bfloat16")
def an_integer_dtype():
    rounded(0.1, storage=jnp.int8)


@refused(HyperparameterError, "rules and optimizers of optgen", "optax.chain")
def a_chain_with_a_part_of_optax():
    optgen.chain(plain(0.1), optax.adam(0.1))


@refused(HyperparameterError, "rules and optimizers of optgen", "function")
def a_chain_with_a_function():
    optgen.chain(plain(0.1), lambda g: g)


@refused(HyperparameterError, "both plain and decayed still want 'learning_rate'", "decayed(")
def a_chain_with_two_of_one_name():
    optgen.chain(plain, decayed)


@refused(HyperparameterError, "rules and optimizers of optgen", "str")
def a_chain_with_a_name():
    optgen.chain("adamw")


@refused(TreeError, "decayed(mask=…)", "does not fit the parameters", "prefix")
def a_mask_of_another_structure():
    decayed(0.1, mask={"kernel": True}).init(PARAMS)


@refused(TreeError, "decayed(mask=…)", "float 1.0", "True or False")
def a_mask_of_numbers():
    decayed(0.1, mask={"w": 1.0, "b": False}).init(PARAMS)


@refused(TreeError, "decayed(mask=…)", "Array", "True or False")
def a_mask_of_arrays():
    decayed(0.1, mask={"w": jnp.ones((3, 2), bool), "b": False}).init(PARAMS)


@refused(
    TreeError, "decayed(mask=…) is a function that failed", "AttributeError", "a tree of bools"
)
def a_mask_function_that_raises():
    decayed(0.1, mask=lambda params: params.weights).init(PARAMS)


@refused(TreeError, "decayed(mask=…)", "a traced value", "outside of jax.jit")
def a_mask_that_is_traced():
    jax.jit(lambda b: decayed(0.1, mask={"w": b, "b": False}).init(PARAMS))(True)


@refused(TreeError, "decayed(mask=…)", "str 'w'", "True or False")
def a_mask_of_a_string():
    decayed(0.1, mask="w").init(PARAMS)


@refused(HyperparameterError, "target='gpu'", "auto, xla, cpu, triton, tpu")
def an_unknown_target():
    plain(0.1, target="gpu")


@refused(TargetError, "target='tpu'", "lowered for another platform", "target='auto'")
def a_target_of_another_platform():
    optimizer = plain(0.1, target="tpu")
    optimizer.step(PARAMS, optimizer.init(PARAMS), grads=PARAMS)


@refused(TargetError, "the target to print", "'xla'")
def the_source_of_no_target():
    plain(0.1).source("auto", PARAMS)


@refused(TargetError, "'cuda'", "xla")
def the_source_of_an_unknown_target():
    plain(0.1).source("cuda", PARAMS)


@refused(RuleError, "works inside a rule only", "@dsl.rule")
def a_symbol_outside_of_a_rule():
    dsl.step()


@refused(RuleError, "works inside a rule only", "@dsl.rule")
def a_slot_outside_of_a_rule():
    dsl.state("mu")


@refused(RuleError, "a function with a name", "@dsl.rule", "not 3")
def a_rule_of_something_else():
    dsl.rule(3)


@refused(RuleError, "a function with a name", "@dsl.rule", "not a lambda")
def a_rule_without_a_name():
    dsl.rule(lambda g, p: -g)


@refused(AttributeError, "plain is a rule", "plain(learning_rate=…).init")
def a_rule_that_was_not_called():
    plain.init(PARAMS)


@refused(HyperparameterError, "plain(learning_rate={", "a real number, an optax schedule")
def a_rule_given_the_parameters():
    plain(PARAMS)


@refused(ParseError, "line 2", "an operation")
def a_program_that_does_not_parse():
    parse("program sgd {\n  %0 = : real[]\n}")


@refused(ParseError, "line 2", "%7", "defined above")
def a_program_that_uses_what_is_not_there():
    parse('program sgd {\n  store "update" %7 : real[*]\n}')


@refused(ParseError, "line 2", "'sqroot'")
def a_program_with_an_unknown_operation():
    parse("program sgd {\n  %0 = sqroot : real[]\n}")


@refused(UsageError, "unknown machine 'h900'", "h200")
def an_unknown_machine():
    plain(0.1).explain(PARAMS, "h900")


@pytest.mark.parametrize("case", CALLS, ids=by_name)
def test_a_wrong_call_is_refused_with_the_remedy(case):
    with pytest.raises(case.kind) as caught:
        case.run()
    message = str(caught.value)
    assert not [word for word in case.words if word not in message], message


def test_errors_survive_pickling():
    with pytest.raises(RuleError) as caught:
        slot_assigned_twice()(learning_rate=0.1).init(PARAMS)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.lineno) == (str(caught.value), caught.value.lineno)
