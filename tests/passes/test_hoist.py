"""Values that every leaf shares are moved out, and the pieces mean what the whole meant."""

import numpy as np

from optgen import dsl
from optgen.dsl.tracing import trace
from optgen.ir.evaluate import Inputs, evaluate, evaluate_tree
from optgen.ir.legality import KERNEL, check
from optgen.passes.driver import run
from optgen.passes.hoist import hoist
from optgen.runtime.vocabulary.leaf import LeafSpec


@dsl.rule
def clipped_adam(g, p, *, rate, b1=0.9, b2=0.99, limit=1.0):
    t = dsl.step()
    g = g * dsl.minimum(1.0, limit / dsl.global_norm(g))
    mu, nu = dsl.state("mu"), dsl.state("nu")
    mu.next = b1 * mu + (1 - b1) * g
    nu.next = b2 * nu + (1 - b2) * g**2
    update = mu.next / (1 - b1**t) / (dsl.sqrt(nu.next / (1 - b2**t)) + 1e-8)
    largest = dsl.tree_state("largest")
    largest.next = dsl.maximum(largest, dsl.tree_max(dsl.abs(update)))
    return -rate * update / largest.next


def program():
    instance = clipped_adam(0.1).instance
    return run(trace(instance.composition, LeafSpec((4,), "float32", "float32")).update)


def test_leaf_programs_are_legal_kernel_bodies_without_scalar_arithmetic():
    hoisted = hoist([program()])
    for body in (*hoisted.leaves, *hoisted.partials[0]):
        check(body, KERNEL)
        scalar_work = [n for n in body.nodes() if n.type.axes == () and n.args and n.op != "emit"]
        assert all(n.op in ("sum", "max") for n in scalar_work)


def test_each_dependent_tree_reduction_ends_a_phase():
    hoisted = hoist([program()])
    assert [len(p.outputs) for p in hoisted.partials[0]] == [1, 1]
    assert len(hoisted.scalars) == 3
    assert hoisted.totals == {"total": "sum", "largest_2": "max"}


def test_scalars_are_named_for_what_they_are():
    hoisted = hoist([program()])
    assert {e.attr for e in hoisted.constants.outputs} == {
        "one_minus_b1",
        "one_minus_b2",
        "minus_rate",
    }
    names = {e.attr for e in hoisted.scalars[0].outputs}
    assert names == {"bias_correction_b1", "bias_correction_b2"}


def test_the_pieces_mean_what_the_whole_meant():
    whole = program()
    rng = np.random.default_rng(0)
    slots = sorted({n.attr for n in whole.find("load")} - {"g", "p"})
    leaves = [
        {name: rng.random(size).astype("f4") for name in ("g", "p", *slots)} for size in (4, 7)
    ]
    hyper = {"rate": 0.1, "b1": 0.9, "b2": 0.99, "limit": 1.0}
    key = whole.find("tree_load")[0].attr
    tree = {key: 0.25}
    expected = evaluate_tree([(whole, Inputs(leaf, hyper, tree=tree, step=3.0)) for leaf in leaves])
    hoisted = hoist([whole])
    known = {**hyper, **evaluate(hoisted.constants, Inputs(hyper=hyper))}
    combine = {"sum": sum, "max": max}
    for phase, scalars in enumerate(hoisted.scalars):
        inputs = Inputs(hyper=hyper, scalars=known, tree=tree, step=3.0)
        known |= evaluate(scalars, inputs)
        if phase < len(hoisted.partials[0]):
            parts = [
                evaluate(hoisted.partials[0][phase], Inputs(leaf, scalars=known)) for leaf in leaves
            ]
            known |= {n: combine[hoisted.totals[n]](p[n] for p in parts) for n in parts[0]}
    for leaf, wanted in zip(leaves, expected, strict=True):
        got = evaluate(hoisted.leaves[0], Inputs(leaf, scalars=known))
        for name, value in got.items():
            np.testing.assert_allclose(value, wanted[name], rtol=1e-6)
    np.testing.assert_allclose(known[key], expected[0][key], rtol=1e-6)
