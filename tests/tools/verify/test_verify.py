import dataclasses
import json

import jax
import numpy as np
import optax
import pytest

from optgen import dsl
from optgen.errors import TargetError
from optgen.tools.verify import Report, verify
from tests.emit.rules import adafactor, adamw, clip, dog, kahan, lion

SMALL = {"matrix": (3, 5), "vector": (7,)}
QUICK = {"leaves": SMALL, "steps": 3, "dtypes": ["float32"]}


@dsl.rule
def wrong_adamw(g, p, *, learning_rate, wrong: str, b1=0.9, b2=0.999, eps=1e-8, weight_decay=0.1):
    """AdamW with one mistake."""
    t = dsl.step() + (1 if wrong == "bias correction a step late" else 0)
    mu, nu = dsl.state("mu"), dsl.state("nu")
    if wrong == "betas swapped":
        b1, b2 = b2, b1
    if wrong == "decay before the moments":
        g = g + weight_decay * p
    mu.next = b1 * mu + (1 - b1) * g
    nu.next = b2 * nu + (1 - b2) * g**2
    old = wrong == "moments read before they are updated"
    mu_hat = (mu if old else mu.next) / (1 - b1**t)
    nu_hat = nu.next / (1 - b2**t)
    if wrong == "epsilon inside the root":
        u = mu_hat / dsl.sqrt(nu_hat + eps)
    else:
        u = mu_hat / (dsl.sqrt(nu_hat) + eps)
    if wrong == "decay after the step":
        return -learning_rate * u - learning_rate * weight_decay * (p - learning_rate * u)
    if wrong != "decay before the moments":
        u = u + weight_decay * p
    if wrong == "a rounding to bfloat16":
        u = dsl.cast(u, "bfloat16")
    return -learning_rate * u


MISTAKES = [
    "betas swapped",
    "bias correction a step late",
    "decay before the moments",
    "decay after the step",
    "moments read before they are updated",
    "epsilon inside the root",
    "a rounding to bfloat16",
]


class Mistaken:
    """An optimizer with the programs of one rule and the kernels of another."""

    def __init__(self, right, wrong):
        self.programs, self.hyperparameters = right.programs, right.hyperparameters
        self.init, self.update, self.step = wrong.init, wrong.update, wrong.step


def mistaken(wrong):
    return lambda target: Mistaken(adamw(1e-2), wrong_adamw(1e-2, wrong=wrong))


def test_a_right_target_passes_beside_optax():
    report = verify(
        lambda target: adamw(1e-3, target=target),
        reference=optax.adamw(1e-3, weight_decay=0.1),
        steps=4,
    )
    assert report.ok, report.failures()
    assert not report.notes
    assert {(row.group, row.output) for row in report.rows} == {
        (dtype, output)
        for dtype in ("float32", "bfloat16")
        for output in ("params", "updates", "mu", "nu")
    }
    assert all(row.reference is not None and row.target == "xla" for row in report.rows)


@pytest.mark.parametrize("optimizer", [adamw(1e-3), lion(1e-3), kahan(1e-3), dog()], ids=repr)
def test_a_right_target_passes_without_a_reference(optimizer):
    report = verify(lambda target: optimizer, leaves=SMALL, steps=3)
    assert report.ok, report.failures()
    assert all(row.reference is None for row in report.rows)


def test_a_right_target_passes_on_awkward_leaves_with_a_reduction_of_the_tree():
    report = verify(lambda target: dsl.chain(clip(1.0), adamw(1e-3)), dtypes=["float32"])
    assert report.ok, report.failures()


@pytest.mark.parametrize("against", ["optax", "rounding"])
@pytest.mark.parametrize("wrong", MISTAKES)
def test_a_wrong_target_is_caught(wrong, against):
    reference = optax.adamw(1e-2, weight_decay=0.1) if against == "optax" else None
    report = verify(mistaken(wrong), reference=reference, **QUICK)
    assert not report.ok
    assert not report.problems  # it is the target, and not the rule
    assert any(
        "of leaf" in failure and "units in the last place" in failure
        for failure in report.failures()
    )


def test_the_same_programs_without_the_mistake_pass():
    report = verify(mistaken("none"), reference=optax.adamw(1e-2, weight_decay=0.1), **QUICK)
    assert report.ok, report.failures()


@pytest.mark.parametrize("wrong", MISTAKES[:-1])
def test_a_wrong_rule_disagrees_with_optax(wrong):
    report = verify(
        lambda target: wrong_adamw(1e-2, wrong=wrong, target=target),
        reference=optax.adamw(1e-2, weight_decay=0.1),
        **QUICK,
    )
    assert not report.ok
    assert any("the rule and optax disagree" in problem for problem in report.problems)


def test_other_arguments_disagree_too():
    report = verify(
        lambda target: adamw(1e-3), reference=optax.adamw(1e-3, weight_decay=0.101), **QUICK
    )
    assert any("disagree" in problem for problem in report.problems)


def test_a_slot_that_begins_elsewhere_is_a_problem():
    @dsl.rule
    def adagrad(g, p, *, learning_rate, start=0.2, eps=1e-7):
        total = dsl.state("sum_of_squares", init=start)
        total.next = total + g**2
        return -learning_rate * dsl.where(total.next > 0, g / dsl.sqrt(total.next + eps), 0.0)

    report = verify(lambda target: adagrad(1e-2), reference=optax.adagrad(1e-2), **QUICK)
    assert any("does not begin as it does in optax" in problem for problem in report.problems)
    right = verify(lambda target: adagrad(1e-2, start=0.1), reference=optax.adagrad(1e-2), **QUICK)
    assert right.ok, right.failures()


def test_a_reference_with_another_state_is_noted():
    @dsl.rule
    def heavy_ball(g, p, *, learning_rate, momentum=0.9):
        velocity = dsl.state("velocity")
        velocity.next = momentum * velocity + g
        return -learning_rate * velocity.next

    report = verify(lambda target: heavy_ball(0.1), reference=optax.sgd(0.1, 0.9), **QUICK)
    assert report.ok
    assert report.notes == (
        "optax is not measured: nothing in optax's state corresponds to the slot 'velocity'",
    )


def test_large_matrices_are_added_where_the_rule_treats_them_differently():
    @dsl.rule
    def rule(g, p, *, learning_rate):
        if dsl.factored_axes(p.shape, 128) is None:
            v = dsl.state("v")
            v.next = v + g**2
        else:
            v = dsl.state("v_row", like=dsl.mean(g, axis=1))
            v.next = v + dsl.mean(g**2, axis=1)
        return -learning_rate * g / (1.0 + dsl.sqrt(v.next))

    report = verify(lambda target: rule(0.1), dtypes=["float32"], steps=1)
    assert report.ok, report.failures()
    assert "v_row" in {row.output for row in report.rows if row.group == "float32, large"}
    groups = {row.group for row in verify(lambda target: lion(0.1), steps=1).rows}
    assert "float32, large" not in groups


def test_factored_slots_pass():
    report = verify(lambda target: adafactor(1e-2), leaves={"matrix": (6, 11)}, steps=3)
    assert report.ok, report.failures()


def test_float64_is_measured_where_x64_is_on():
    with jax.enable_x64(True):
        report = verify(
            lambda target: adamw(1e-3),
            reference=optax.adamw(1e-3, weight_decay=0.1),
            leaves=SMALL,
            steps=2,
        )
    assert report.ok, report.failures()
    wide = [row for row in report.rows if row.group == "float64"]
    assert {row.output for row in wide} == {"params", "updates", "mu", "nu"}


@pytest.mark.parametrize("x64", [False, True])
def test_schedules_are_followed(x64):
    schedule = optax.linear_schedule(1e-2, 1e-3, 3)
    with jax.enable_x64(x64):
        report = verify(
            lambda target: adamw(schedule),
            reference=optax.adamw(schedule, weight_decay=0.1),
            **QUICK | {"dtypes": ["float64" if x64 else "float32"]},
        )
    assert report.ok, report.failures()


def test_narrow_slots_are_measured_in_the_units_of_the_rules_slots():
    @dsl.rule
    def adam(g, p, *, learning_rate, mu_dtype: str = "float32", b1=0.9, b2=0.999, eps=1e-8):
        t = dsl.step()
        mu, nu = dsl.state("mu", dtype=mu_dtype), dsl.state("nu", dtype="float32")
        mu.next = b1 * mu + (1 - b1) * g
        nu.next = b2 * nu + (1 - b2) * g**2
        mu_hat, nu_hat = mu.next / (1 - b1**t), nu.next / (1 - b2**t)
        return -learning_rate * mu_hat / (dsl.sqrt(nu_hat) + eps)

    for ours in ("bfloat16", "float32"):
        report = verify(
            lambda target, ours=ours: adam(1e-2, mu_dtype=ours),
            reference=optax.adam(1e-2, mu_dtype="bfloat16"),
            leaves=SMALL,
            steps=2,
        )
        assert report.ok, report.failures()


def test_a_report_is_json():
    report = verify(mistaken("betas swapped"), **QUICK)
    text = json.loads(json.dumps(report.as_dict()))
    assert text["ok"] is False
    assert {"target", "group", "output", "error", "reference", "allowed", "leaf", "step", "ok"} == {
        *text["rows"][0]
    }


def test_progress_is_told():
    seen = []
    verify(
        lambda target: lion(1e-3),
        reference=optax.lion(1e-3, weight_decay=0.1),
        progress=lambda done, total, what: seen.append((done, total, what)),
        **QUICK,
    )
    assert [done for done, _, _ in seen] == list(range(1, 7))
    assert {total for _, total, _ in seen} == {6}
    assert seen[0][2] == "optax, float32, step 1"
    assert seen[-1][2] == "xla, float32, step 3"


def test_a_target_that_cannot_serve_raises():
    def make(target):
        raise TargetError(f"{target} is not on this machine")

    with pytest.raises(TargetError, match="quantum is not on this machine"):
        verify(make, targets=["quantum"])


def test_a_nan_is_never_allowed():
    report = verify(lambda target: lion(1e-3), **QUICK)
    row = dataclasses.replace(report.rows[0], error=float("nan"))
    assert not row.ok
    assert not Report((row,)).ok
    assert not dataclasses.replace(row, error=np.inf, reference=1.0, allowed=2.5).ok
