"""Results of tracing a rule: programs, slots, names, and the facts that it read of the leaf."""

import pytest

from optgen import dsl
from optgen.dsl.tracing import slot_names, trace
from optgen.errors import HyperparameterError, RuleError
from optgen.ir.types import LEAF, PARAM, REAL
from optgen.runtime.vocabulary.leaf import LeafSpec


def spec(*shape, param="float32", grad="float32", masks=()):
    return LeafSpec(shape, param, grad, masks)


def traced(optimizer, *shape, **options):
    return trace(optimizer.instance.composition, spec(*shape, **options))


@dsl.rule
def momentum(g, p, *, rate, decay=0.9):
    """Heavy ball."""
    velocity = dsl.state("velocity")
    velocity.next = decay * velocity + g
    return -rate * velocity.next


@dsl.rule
def row_scaled(g, p, *, rate):
    scale = dsl.state("scale", like=dsl.mean(g, axis=-1))
    scale.next = dsl.mean(g * g, axis=-1)
    return -rate * g / dsl.sqrt(scale.next)


def test_a_rule_that_names_no_axis_is_one_program_for_every_rank():
    programs = {traced(momentum(0.1), *shape).update for shape in ((), (3,), (3, 4), (2, 3, 4))}
    assert len(programs) == 1
    assert programs.pop().rank is None


def test_nothing_is_read_of_the_leaf_unless_the_rule_asks():
    assert traced(momentum(0.1), 3, 4).facts == ()


def test_a_reduction_over_an_axis_reads_the_rank_only():
    assert traced(row_scaled(0.1), 3, 4).facts == (("ndim", (), 2),)
    assert traced(row_scaled(0.1), 3, 4).update == traced(row_scaled(0.1), 9, 9).update


def test_factored_axes_read_their_answer_and_not_the_shape():
    @dsl.rule
    def factored(g, p):
        return g * 2.0 if dsl.factored_axes(p.shape, 128) else g

    assert traced(factored(), 256, 512).facts == (("factored_axes", (128,), (0, 1)),)
    assert traced(factored(), 256, 8).facts == (("factored_axes", (128,), None),)


@pytest.mark.parametrize(
    ("read", "fact"),
    [
        (lambda p: p.ndim, ("ndim", (), 2)),
        (lambda p: len(p.shape), ("ndim", (), 2)),
        (lambda p: p.size, ("size", (), 12)),
        (lambda p: p.shape[0], ("shape", (), (3, 4))),
        (lambda p: tuple(p.shape), ("shape", (), (3, 4))),
        (lambda p: p.shape == (3, 4), ("shape", (), (3, 4))),
        (lambda p: p.dtype == "float32", ("param_dtype", (), "float32")),
    ],
)
def test_what_a_rule_reads_of_p_is_recorded(read, fact):
    @dsl.rule
    def reads(g, p):
        assert read(p) is not None
        return g

    assert fact in traced(reads(), 3, 4).facts


def test_slots_shaped_like_p_are_stored_in_its_dtype_and_statistics_in_the_wider_one():
    (velocity,) = traced(momentum(0.1), 3, 4).slots
    assert (velocity.axes, velocity.dtype) == (LEAF, PARAM)
    (scale,) = traced(row_scaled(0.1), 3, 4).slots
    assert (scale.axes, scale.dtype) == ((0,), REAL)


def test_the_names_of_the_author_are_kept():
    program = traced(momentum(0.1), 3).update
    assert "velocity_next" in program.names.values()


def test_a_trace_is_made_once_for_each_signature():
    calls = []

    @dsl.rule
    def counted(g, p, *, rate):
        calls.append(1)
        return -rate * g

    for rate in (0.1, 0.2, lambda count: 0.3):
        traced(counted(rate), 3)
    assert len(calls) == 1
    traced(counted(0.1), 4)
    assert len(calls) == 2


def test_parts_of_a_chain_compose_into_one_program():
    tx = dsl.chain(momentum(1.0), momentum(0.5))
    program = traced(tx, 3).update
    assert [o.attr.rpartition("/")[2] for o in program.outputs] == [
        "update",
        "velocity",
        "velocity",
    ]


def test_slots_of_one_name_are_told_apart_by_their_part():
    @dsl.rule
    def other(g, p):
        velocity = dsl.state("velocity")
        velocity.next = g
        return g

    names = slot_names(traced(dsl.chain(momentum(1.0), other()), 3).slots)
    assert sorted(names.values()) == ["momentum_velocity", "other_velocity"]
    names = slot_names(traced(dsl.chain(momentum(1.0), momentum(0.5)), 3).slots)
    assert sorted(names.values()) == ["momentum_2_velocity", "momentum_velocity"]


def test_hyperparameters_of_one_name_are_told_apart_by_their_part():
    @dsl.rule
    def scaled(g, p, *, rate):
        return g * rate

    assert dsl.chain(momentum(1.0), scaled(2.0)).instance.scalars == {
        "momentum_rate": 1.0,
        "decay": 0.9,
        "scaled_rate": 2.0,
    }


def test_a_chain_of_rules_takes_what_they_still_want():
    @dsl.rule
    def clipped(g, p, *, limit):
        return dsl.clip(g, -limit, limit)

    chain = dsl.chain(clipped, momentum(0.1))
    assert [h.name for h in chain.hyperparameters] == ["limit"]
    assert chain(2.0).instance.scalars["limit"] == 2.0
    with pytest.raises(HyperparameterError, match="both momentum and momentum still want 'rate'"):
        dsl.chain(momentum, momentum)


def test_a_rule_may_return_a_chain_and_pass_its_hyperparameters_on():
    @dsl.rule
    def outer(*, rate, strength=3.0):
        return dsl.chain(momentum(strength), momentum(rate, decay=0.5))

    instance = outer(0.1).instance
    assert dict(instance.scalars) == {"rate": 0.1, "strength": 3.0}
    hypers = {n.attr for n in traced(outer(0.1), 3).update.find("hyper")}
    assert hypers == {"rate", "strength"}


def test_nesting_rules_is_the_same_program_as_writing_them_in_one_piece():
    @dsl.rule
    def piece(g, p, *, rate, decay=0.9):
        velocity = dsl.state("velocity")
        velocity.next = decay * velocity + g
        return -rate * velocity.next

    @dsl.rule
    def nested(*, rate, decay=0.9):
        return piece(rate, decay)

    one, two = traced(piece(0.1), 3), traced(nested(0.1), 3)
    rename = {"nested/piece/velocity": "velocity", "piece/velocity": "velocity"}
    assert one.renamed(rename).update == two.renamed(rename).update


def test_tree_reductions_by_one_line_have_one_key_for_every_leaf():
    @dsl.rule
    def normed(g, p):
        scale = 1.0 if p.ndim < 2 else 2.0
        return g * scale / dsl.global_norm(g)

    keys = {traced(normed(), *shape).update.find("tree_sum")[0].attr for shape in ((3,), (3, 4))}
    assert len(keys) == 1


def test_tree_reductions_by_two_lines_have_two():
    @dsl.rule
    def normed(g, p):
        return g / dsl.global_norm(g) / dsl.global_norm(p)

    program = traced(normed(), 3).update
    assert len({n.attr for n in program.find("tree_sum")}) == 2


@pytest.mark.parametrize("annotations", ["live", "strings"])
def test_annotations_tell_static_hyperparameters(annotations):
    namespace = {"dsl": dsl}
    future = "from __future__ import annotations\n" if annotations == "strings" else ""
    source = (
        "def f(g, p, *, a, b=1.0, c: bool = False, d: int = 3, e: str = 'x', h=2, i=True,\n"
        "      j: dsl.Mask = None, k: dsl.DType = None, m: bool | None = None, n=None):\n"
        "    return g\n"
    )
    exec(compile(future + source, "f.py", "exec", dont_inherit=True), namespace)
    kinds = {h.name: h.kind for h in dsl.rule(namespace["f"]).hyperparameters}
    assert kinds == {
        **dict.fromkeys("abn", "scalar"),
        **dict.fromkeys("cim", "bool"),
        **dict.fromkeys("dh", "int"),
        "e": "str",
        "j": "mask",
        "k": "dtype",
    }


def test_a_rule_whose_axis_is_no_axis_is_refused_at_its_line():
    @dsl.rule
    def wrong(g, p):
        return g - dsl.mean(g, axis=2)

    with pytest.raises(RuleError, match="axis 2 does not exist: this leaf has 2 axes") as caught:
        traced(wrong(), 3, 4)
    assert caught.value.filename == __file__
    assert caught.value.lineno == wrong.function.__code__.co_firstlineno + 2
