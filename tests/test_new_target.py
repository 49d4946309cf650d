"""A fifth target, in this file alone: it prints kernels in NumPy, and runs them on the host."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optgen
from optgen.emit import emitters
from optgen.emit.kernels import Emitter, distinct_functions
from optgen.emit.printer import ATOM
from optgen.emit.python import Jnp
from optgen.ir.types import BOOL, LEAF
from optgen.runtime.execution import targets
from optgen.runtime.execution.load import load_module
from optgen.runtime.execution.target import Target
from optgen.runtime.vocabulary.launches import (
    Launch,
    Run,
    in_order,
    left_to_xla,
    why_left_to_xla,
)

# What it prints: a function of whole arrays in the dimensions of the view, for each kernel.


class NumPy(Jnp):
    """Expressions of NumPy, which `jnp` is called here."""

    def __init__(self, body, dtypes):
        self.dtypes = dtypes
        super().__init__(body, "extents")

    def cast(self, n):
        dtype = "float32" if n.args[0].type.dtype == BOOL else n.type.dtype
        text = self.text(n.args[0])
        inside = text[0] if text[1] == ATOM else f"({text[0]})"
        return f'{inside}.astype("{getattr(self.dtypes, dtype, dtype)}")', ATOM

    def _reduce(self, function, n, argument):
        axes = "" if n.attr == LEAF else f", axis={n.attr}, keepdims=True"
        return f"jnp.{function}({argument}{axes})"

    def extent(self, n):
        axes = "" if n.attr == LEAF else f"[{list(n.attr)}]"
        return f"jnp.float32(max(1, jnp.prod({self.read('extents')}{axes})))", ATOM

    def mean(self, total):
        return f"{self.text(total)[0]} / {self.extent(total)[0]}", 6

    def filled(self, n):
        value = self.visible(n)
        text = self.text(value)[0]
        if self._axes(value) == n.type.axes:
            return text
        shape = "extents" if n.type.axes == LEAF else f"[*extents[{list(n.type.axes)}]]"
        return f"jnp.broadcast_to({text}, {shape})"


def numpy_source(lowered, schedules):
    parts = [
        "import numpy as jnp",
        "class lax:\n    rsqrt = staticmethod(lambda x: 1 / jnp.sqrt(x))",
    ]
    for kernel, body, dtypes in distinct_functions(schedules):
        printer = NumPy(body, dtypes)
        results = ", ".join(f"{o.attr!r}: {printer.text(o.args[0])[0]}" for o in body.outputs)
        reads = [x.name for x in kernel.operands if x.read]
        lines = [f"    {name} = {text}" for name, text in printer.statements]
        head = f"def {kernel.function}({', '.join(['extents', *reads, *kernel.scalars])}):"
        parts.append("\n".join([head, *lines, f"    return {{{results}}}"]))
    return "\n\n".join(parts)


# What it runs: each phase of each leaf is a launch, a callback to the host.


def numpy_launches(leaves, limits):
    launches = []
    for place, leaf in enumerate(leaves):
        if reason := why_left_to_xla(leaf):
            launches += left_to_xla(place, leaf, reason)
            continue
        for phase in range(leaf.sequence.phases):
            launches += (Launch(phase, (Run(place, (k,)),)) for k in leaf.sequence.of_phase(phase))
    return in_order(launches)


class NumPyExecutor:
    def __init__(self, kernels, interpreted):
        self.functions = vars(load_module(f"{kernels.name}_numpy", kernels.text))

    def launch(self, launch, tasks, scalars):
        for task in tasks:
            (kernel,) = task.kernels
            layout = task.leaf.layout(kernel)
            shapes = {
                x.name: jax.ShapeDtypeStruct(
                    task.leaf.shape if x.large else (layout.elements(x.axes),), np.dtype(x.dtype)
                )
                for x in kernel.operands
                if x.written
            }
            reads = [x for x in kernel.operands if x.read]
            host = functools.partial(self.run, kernel, layout, shapes, reads)
            arrays = [task.arrays[x.name] for x in reads]
            given = (*arrays, *(scalars[name] for name in kernel.scalars))
            task.arrays.update(jax.pure_callback(host, shapes, *given))

    def run(self, kernel, layout, shapes, reads, *values):
        arrays = [_seen(np.asarray(v), x.axes, layout) for v, x in zip(values, reads, strict=False)]
        scalars = [np.float32(v) for v in values[len(reads) :]]
        with np.errstate(all="ignore"):
            made = self.functions[kernel.function](np.array(layout.extents), *arrays, *scalars)
        results = {}
        for x in kernel.operands:
            if x.written:
                flat = np.empty(layout.elements(x.axes), x.dtype)
                _seen(flat, x.axes, layout)[...] = made[x.name]
                results[x.name] = flat.reshape(shapes[x.name].shape)
        return results

    def contributed(self, values):
        return values


def _seen(array, axes, layout):
    """An array of a leaf in the dimensions of a view."""
    if axes == ():
        return array.reshape(())
    shape = [n if axes == "*" or d in axes else 1 for d, n in enumerate(layout.extents)]
    strides = [s * array.itemsize for s in layout.strides(axes)]
    return np.lib.stride_tricks.as_strided(array.reshape(-1), shape, strides)


@pytest.fixture
def numpy_target():
    emitters.register(Emitter("numpy", "_kernels.py", "numpy", "python", numpy_source))
    targets.register(
        Target(
            name="numpy",
            platform="cpu",
            backend="cpu",
            unavailable=lambda: None,
            launches=numpy_launches,
            executor=NumPyExecutor,
            prepare=lambda kernels: None,
        )
    )
    yield
    del emitters.EMITTERS["numpy"], targets.TARGETS["numpy"]


@pytest.mark.parametrize("name", ["adamw", "adafactor", "lamb", "lion"])
def test_a_target_in_one_file_runs_stock_rules(numpy_target, name):
    shapes = {"a": (256, 130), "b": (130, 256), "c": (2, 130, 140), "v": (7,), "s": (), "e": (0, 3)}
    keys = jax.random.split(jax.random.key(0), 2 * len(shapes))
    params = {k: jax.random.normal(keys[i], s) for i, (k, s) in enumerate(shapes.items())}
    grads = {k: jax.random.normal(keys[-i - 1], s) for i, (k, s) in enumerate(shapes.items())}
    mine = getattr(optgen, name)(learning_rate=1e-2, target="numpy")
    theirs = getattr(optax, name)(learning_rate=1e-2)
    state, their_state, their_params = mine.init(params), theirs.init(params), params
    for _ in range(3):
        params, state = jax.jit(mine.step)(params, state, grads=grads)
        updates, their_state = theirs.update(grads, their_state, their_params)
        their_params = optax.apply_updates(their_params, updates)
    for k in shapes:
        np.testing.assert_allclose(params[k], their_params[k], rtol=1e-5, atol=1e-6)


def test_its_source_and_its_plan_are_shown(numpy_target):
    params = {"w": jnp.ones((256, 130)), "b": jnp.ones(7)}
    optimizer = optgen.adafactor(learning_rate=1e-2, target="numpy")
    assert "def factored_step(extents, " in optimizer.source("numpy", params)
    explanation = optimizer.explain(params)
    assert explanation.target == "numpy"
    assert {s.functions for s in explanation.stages} >= {("factored_finalize",), ("whole_step",)}
