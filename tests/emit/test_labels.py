"""Names in emitted code are those of the equations at its top: both are evaluated, line by line."""

import ast
import re
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import optgen
from optgen import dsl
from optgen.compile import lower
from optgen.emit.plain import plain
from optgen.runtime.execution.load import load_emitted
from optgen.runtime.vocabulary.module import axes_arguments
from optgen.zoo import STOCK

SHAPES = ((5, 7), (7, 5), (2, 5, 7), (6,))
SETTINGS = {
    "sgd": {"momentum": 0.9, "nesterov": True},
    "rmsprop": {"centered": True, "momentum": 0.9},
    "adafactor": {"learning_rate": 0.1, "momentum": 0.9, "min_dim_size_to_factor": 4},
}
HYPERPARAMETERS = {"learning_rate": 0.1, "decay_offset": 0.0}


def instances():
    for name, rule in STOCK.items():
        yield name, rule(**{"learning_rate": 0.1, **SETTINGS.get(name, {})})


def with_locals(function_source):
    """The source with every return giving all local values."""
    tree = ast.parse(function_source)

    class Returns(ast.NodeTransformer):
        def visit_Return(self, node):
            returned = ast.unparse(node.value)
            return ast.parse(f"return {{**({returned}), **locals()}}").body[0]

    return ast.unparse(ast.fix_missing_locations(Returns().visit(tree)))


def functions_of(source):
    """The functions of an emitted module, which return all that they name."""
    module = ast.parse(source)
    namespace = vars(__import__("types").ModuleType("emitted"))
    for node in module.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            exec(compile(ast.Module([node], []), "emitted", "exec"), namespace)
        elif isinstance(node, ast.FunctionDef):
            exec(with_locals(ast.unparse(node)), namespace)
    return namespace


def evaluate(equations, known):
    """Values of the equations of a header, in NumPy's doubles."""
    names = {
        "sqrt": np.sqrt,
        "rsqrt": lambda x: 1 / np.sqrt(x),
        "maximum": np.maximum,
        "minimum": np.minimum,
        "where": np.where,
        "abs": np.abs,
        "sign": np.sign,
        "isfinite": np.isfinite,
        "mean": _over(np.mean),
        "sum": _over(np.sum),
        "max": _over(np.max),
        "norm": _over(lambda x, **axis: np.sqrt(np.sum(x * x, **axis))),
        **known,
    }
    values = {}
    for line in equations:
        name, _, expression = line.partition(" = ")
        plain_name = name.replace("'", "_next")
        value = eval(re.sub(r"(\w)'", r"\1_next", expression), {"__builtins__": {}}, names)
        names[plain_name] = values[plain_name] = value
    return values


def _over(function):
    def reduced(x, axis=None):
        if axis is None:
            return function(x)
        axes = axis if isinstance(axis, tuple) and not isinstance(axis[:1], str) else (axis,)
        flat = tuple(a for part in axes for a in (part if isinstance(part, tuple) else (part,)))
        return function(x, axis=flat, keepdims=True)

    return reduced


def scalars_of(functions, known):
    """All scalars that leaf functions read, and every value that the scalar functions name."""
    for name in ("constants", "scalars", "scalars_1"):
        if name in functions:
            code = functions[name].__code__
            arguments = code.co_varnames[: code.co_argcount]
            known = {**known, **functions[name](*(known[a] for a in arguments))}
    return known


@dsl.rule
def reassigning(g, p, *, learning_rate):
    """An update that is built up under one name, beside a value that serves twice."""
    update = g * 2
    update = update + dsl.sqrt(dsl.abs(g))
    scale = dsl.mean(g * g)
    update = update / scale
    scale = scale + dsl.mean(p * p)
    return -learning_rate * update * scale


@dsl.rule
def branching(g, p, *, learning_rate):
    """One value, called otherwise in leaves of another rank."""
    if p.ndim == 2:
        square_of_matrix = g * g
        return -learning_rate * square_of_matrix / (1 + dsl.mean(square_of_matrix))
    square = g * g
    return -learning_rate * square / (1 + dsl.mean(square))


INSTANCES = {**dict(instances()), **{r.name: r(0.1) for r in (reassigning, branching)}}


@pytest.mark.parametrize("name", INSTANCES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_each_named_line_has_the_value_of_its_equation(name, shape):
    optimizer = INSTANCES[name]
    composition = optimizer.instance.composition
    params = [jax.ShapeDtypeStruct(s, jnp.float32) for s in SHAPES]
    specs = optimizer.trees.specs(params)
    lowered, placements = lower(composition, specs)
    source = optimizer.source("xla", params)
    functions = functions_of(source)
    placement = placements[specs[SHAPES.index(shape)]]
    variant = lowered.variants[placement.variant]

    rng = np.random.default_rng(0)
    module = load_emitted(name, source)
    arrays = {n: rng.uniform(0.5, 1.5, shape) for n in ("g", "p")}
    for slot_name, slot in module.variants[placement.variant].slots.items():
        arrays[slot_name] = rng.uniform(0.5, 1.5, slot.shape(shape, placement.groups))
    axes = axes_arguments(placement.groups)
    named_axes = dict(zip(variant.dimensions, placement.groups, strict=True))
    scalars = {k: float(v) for k, v in optimizer.hyperparameters(2).items()}
    emitted_scalars = scalars_of(functions, {**scalars, "step": 3.0})
    expected = evaluate(
        plain(variant.math, variant.dimensions), {**arrays, **scalars, **named_axes, "t": 3.0}
    )
    dtypes = dict.fromkeys(("param", "grad", "real"), jnp.float32)
    given = {**emitted_scalars, **{k: jnp.asarray(v, jnp.float32) for k, v in arrays.items()}}
    code = functions[variant.name].__code__
    arguments = code.co_varnames[: code.co_argcount]
    named = functions[variant.name](*({**given, **axes, **dtypes}[a] for a in arguments))

    compared = [n for n in expected if n in named and n not in arguments]
    for n in compared:
        np.testing.assert_allclose(named[n], expected[n], rtol=3e-5, atol=1e-6, err_msg=n)
    for n in expected.keys() & emitted_scalars.keys():
        np.testing.assert_allclose(emitted_scalars[n], expected[n], rtol=1e-5, err_msg=n)
    slots = [f"{n}_next" for n, s in variant.slots.items() if not s.constant]
    assert {n for n in slots if n in expected} <= {*compared, *_stored_at_once(source, slots)}


def _stored_at_once(source, names):
    """The next slots that are computed in the return statement itself."""
    return {n for n in names if not re.search(rf"^ +{n} = ", textwrap.dedent(source), re.M)}


def test_a_factored_moment_is_called_as_its_equation_calls_it():
    """`v_row` is fed by `over_rows` in every file, whichever axes are factored."""
    optimizer = optgen.adafactor(learning_rate=0.1, min_dim_size_to_factor=4)
    params = [jax.ShapeDtypeStruct(s, jnp.float32) for s in SHAPES]
    for target in ("xla", "cpu", "triton", "tpu"):
        source = optimizer.source(target, params)
        feeds = re.findall(r"^\s*(?:const auto )?v_row_next = .*?(over_\w+);?$", source, re.M)
        assert feeds
        assert set(feeds) == {"over_rows"}, target
