"""Tree reductions to which different leaves contribute at different times."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from optgen import dsl
from optgen.compile import lower
from optgen.errors import IRError


@dsl.rule
def twice_normalized(g, p, *, learning_rate):
    """A matrix's contribution to the second sum awaits the first; a vector's does not."""
    norm = dsl.sqrt(dsl.tree_sum(g * g))
    x = g / norm if p.ndim == 2 else g
    total = dsl.tree_sum(x * x)
    return -learning_rate * x / (total * norm)


def numbers(*shapes):
    return [np.arange(1.0, 1 + np.prod(s)).reshape(s).astype(np.float32) / 10 for s in shapes]


@pytest.mark.parametrize("shapes", [[(3, 4), (3,)], [(3,), (3, 4)], [(3,)], [(2, 2)]], ids=str)
def test_a_total_is_that_of_all_leaves(shapes):
    tx = twice_normalized(0.1, target="xla")
    params = numbers(*shapes)
    updates, _ = tx.update(params, tx.init(params), params)
    wide = [x.astype(np.float64) for x in params]
    norm = np.sqrt(sum((x * x).sum() for x in wide))
    scaled = [x / norm if x.ndim == 2 else x for x in wide]
    total = sum((x * x).sum() for x in scaled)
    for got, x in zip(updates, scaled, strict=True):
        np.testing.assert_allclose(got, -0.1 * x / (total * norm), rtol=1e-5)


@pytest.mark.parametrize("order", [1, -1])
def test_all_leaves_contribute_in_the_phase_of_the_last(order):
    shapes = [jax.ShapeDtypeStruct(s, jnp.float32) for s in [(3, 4), (3,)][::order]]
    tx = twice_normalized(0.1)
    lowered, placements = lower(tx.instance.composition, tx.trees.specs(shapes))
    for placement in placements.values():
        phases = lowered.program(placement.variant, "step").phases
        emitted = [[e.attr for e in p.outputs if e.op == "emit"] for p in phases]
        assert [len(names) for names in emitted] == [1, 1, 0]
        assert emitted[0] != emitted[1]


def test_totals_that_wait_for_each_other_are_refused():
    @dsl.rule
    def knot(g, p, *, learning_rate):
        first = second = 1.0
        for name in ("ab", "ba")[p.ndim == 2]:
            if name == "a":
                first = dsl.tree_sum(g * second)
            else:
                second = dsl.tree_sum(g * first)
        return -learning_rate * g * first * second

    tx = knot(0.1, target="xla")
    with pytest.raises(IRError, match="tree reductions wait for each other"):
        tx.init(numbers((3, 4), (3,)))
