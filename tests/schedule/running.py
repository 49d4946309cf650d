"""Runs a plan, and the programs that it was made from, on the same random arrays."""

import numpy as np

from optgen.ir.evaluate import Dtypes, Inputs, evaluate
from optgen.ir.types import LEAF, SCALAR
from optgen.schedule.interpret import interpret

WIDE = Dtypes("float64", "float64", "float64")


def random_arrays(plan, seed=0):
    """For each leaf an array for everything that its program loads or stores."""
    rng = np.random.default_rng(seed)
    return [_arrays(plan.programs[leaf.program], leaf, rng) for leaf in plan.leaves]


def _arrays(program, leaf, rng):
    nodes = {n for phase in program.phases for n in phase.find("load")}
    arrays = {}
    for n in sorted(nodes, key=lambda n: n.attr):
        shape = _shape(leaf.shape, n.type.axes)
        values = rng.normal(size=shape)
        if n.attr not in ("g", "p", "trace"):  # second moments are positive
            values = np.abs(values)
        arrays[n.attr] = np.asarray(values).astype(leaf.dtypes.numpy(n.type.dtype))
    return arrays


def _shape(shape, axes):
    if axes in (LEAF, SCALAR):
        return shape if axes == LEAF else ()
    return tuple(extent if axis in axes else 1 for axis, extent in enumerate(shape))


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


def run_planned(plan, arrays, tile=None):
    shapes = [leaf.shape for leaf in plan.leaves]
    return interpret(plan, arrays, lambda phase, done: Scalars(done, shapes), tile)


def run_directly(plan, arrays):
    """What the programs mean: each phase evaluated as a whole, on the arrays before the step."""
    shapes = [leaf.shape for leaf in plan.leaves]
    contributed = [{} for _ in plan.leaves]
    results = [dict(x) for x in arrays]
    for phase in range(len(plan.programs[0].phases)):
        scalars = Scalars(contributed, shapes)
        for i, leaf in enumerate(plan.leaves):
            program = plan.programs[leaf.program].phases[phase]
            inputs = Inputs(arrays[i], scalars=scalars, shape=leaf.shape, dtypes=leaf.dtypes)
            (contributed, results)["store" in {e.op for e in program.outputs}][i].update(
                evaluate(program, inputs)
            )
    return results


def assert_same(plan, seed=0, tile=None, exact=True):
    """The plan computes what the programs mean: to the last bit where it sums in one piece."""
    arrays = random_arrays(plan, seed)
    planned, direct = run_planned(plan, arrays, tile), run_directly(plan, arrays)
    for leaf, got, expected in zip(plan.leaves, planned, direct, strict=True):
        for name, value in expected.items():
            found = got[name].reshape(value.shape)
            assert found.dtype == value.dtype
            what = f"{name} of {leaf.name}"
            # NumPy does not know that two NaNs of a bfloat16 are one.
            found, value = found.astype(np.float64), value.astype(np.float64)
            if exact:
                np.testing.assert_array_equal(found, value, err_msg=what)
            else:
                np.testing.assert_allclose(found, value, rtol=1e-9, atol=1e-12, err_msg=what)
