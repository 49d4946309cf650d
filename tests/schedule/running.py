"""Runs a plan, and the programs that it was made from, on the same random arrays."""

import numpy as np

from optgen.ir.evaluate import Dtypes, Inputs, evaluate
from optgen.ir.types import LEAF, SCALAR
from optgen.runtime.vocabulary.view import layout, reduced_shape
from optgen.schedule.interpret import interpret

WIDE = Dtypes("float64", "float64", "float64")


def random_arrays(planned, seed=0):
    """For each leaf an array for everything that its program loads."""
    rng = np.random.default_rng(seed)
    return [_arrays(planned.programs[leaf.program], leaf, rng) for leaf in planned.members]


def _arrays(program, leaf, rng):
    nodes = {n for phase in program.phases for n in phase.find("load")}
    arrays = {}
    for n in sorted(nodes, key=lambda n: n.attr):
        values = rng.normal(size=_shape(leaf, n.type.axes))
        if n.attr not in ("g", "p", "trace"):  # second moments are positive
            values = np.abs(values)
        arrays[n.attr] = np.asarray(values).astype(leaf.dtypes.numpy(n.type.dtype))
    return arrays


def _shape(leaf, axes):
    """The shape of an array of a leaf, as a rule has it."""
    if leaf.groups:
        return reduced_shape(leaf.shape, leaf.groups, axes)
    if axes in (LEAF, SCALAR):
        return leaf.shape if axes == LEAF else ()
    return tuple(extent if axis in axes else 1 for axis, extent in enumerate(leaf.shape))


def to_view(array, groups, shape, axes=LEAF):
    """An array of a leaf in the dimensions of a view, the columns last."""
    if axes == SCALAR:
        return array.reshape(())
    if not groups:
        return array.reshape(-1)
    extents = layout(groups, shape).extents
    order = [axis for group in groups for axis in group]
    array = array.reshape(
        [e if axes == LEAF or _varies(groups, axes, a) else 1 for a, e in enumerate(shape)]
    )
    kept = range(len(groups)) if axes == LEAF else axes
    return array.transpose(order).reshape([e if d in kept else 1 for d, e in enumerate(extents)])


def _varies(groups, axes, axis):
    return any(axis in groups[d] for d in axes)


def from_view(array, groups, shape, axes=LEAF):
    """The inverse of ``to_view``."""
    if not groups or axes == SCALAR:
        return array.reshape(shape if axes == LEAF else ())
    order = [axis for group in groups for axis in group]
    extents = [e if axes == LEAF or _varies(groups, axes, a) else 1 for a, e in enumerate(shape)]
    return array.reshape([extents[a] for a in order]).transpose(np.argsort(order))


class Scalars(dict):
    """A number for every scalar, from its name; ``clip`` from what the leaves contributed."""

    def __init__(self, contributed, shapes):
        super().__init__()
        totals = [x.get("total") for x, s in zip(contributed, shapes, strict=True) if 0 not in s]
        known = [float(x) for x in totals if x is not None]
        if known:
            self["clip"] = 1.0 / (1.0 + np.sqrt(np.abs(np.sum(known))))

    def __contains__(self, name):
        return name != "clip" or name in self.keys()

    def __missing__(self, name):
        if name == "clip":
            raise KeyError("the norm is not known yet")
        return 0.1 + sum(map(ord, name)) % 89 / 100.0


def run_planned(planned, arrays, tile=None):
    shapes = [leaf.shape for leaf in planned.members]
    return interpret(
        planned, planned.bodies, arrays, lambda phase, done: Scalars(done, shapes), tile
    )


def run_directly(planned, arrays):
    """The meaning of the programs: each phase as a whole, on the arrays before the step."""
    shapes = [leaf.shape for leaf in planned.members]
    contributed = [{} for _ in planned.members]
    results = [dict(x) for x in arrays]
    phases = max((len(program.phases) for program in planned.programs), default=0)
    for phase in range(phases):
        scalars = Scalars(contributed, shapes)
        for i, leaf in enumerate(planned.members):
            of_leaf = planned.programs[leaf.program].phases
            if phase < len(of_leaf):
                values = _evaluate(of_leaf[phase], leaf, arrays[i], scalars)
                last = phase + 1 == len(of_leaf)
                (results if last else contributed)[i].update(values)
    return results


def _evaluate(program, leaf, arrays, scalars):
    """One phase on one leaf, in its own axes or in those of its view."""
    if leaf.groups is None:
        inputs = Inputs(arrays, scalars=scalars, shape=leaf.shape, dtypes=leaf.dtypes)
        return evaluate(program, inputs)
    axes = {n.attr: n.type.axes for n in program.nodes() if n.op in ("load", "store", "emit")}
    loads = {
        name: to_view(x, leaf.groups, leaf.shape, axes[name])
        for name, x in arrays.items()
        if name in axes
    }
    extents = layout(leaf.groups, leaf.shape).extents
    values = evaluate(program, Inputs(loads, scalars=scalars, shape=extents, dtypes=leaf.dtypes))
    return {n: from_view(x, leaf.groups, leaf.shape, axes[n]) for n, x in values.items()}


def assert_same(planned, seed=0, tile=None, exact=True):
    """The plan computes what the programs mean: to the last bit where it sums in one piece."""
    arrays = random_arrays(planned, seed)
    by_launches, direct = run_planned(planned, arrays, tile), run_directly(planned, arrays)
    for leaf, got, expected in zip(planned.members, by_launches, direct, strict=True):
        for name, value in expected.items():
            result = got[name].reshape(value.shape)
            assert result.dtype == value.dtype
            what = f"{name} of {leaf.name}"
            # NumPy does not know that two NaNs of a bfloat16 are one.
            result, value = result.astype(np.float64), value.astype(np.float64)
            if exact:
                np.testing.assert_array_equal(result, value, err_msg=what)
            else:
                np.testing.assert_allclose(result, value, rtol=1e-9, atol=1e-12, err_msg=what)
