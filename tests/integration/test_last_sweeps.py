"""Updates that end in jnp, of rules whose names and leaves get in each other's way."""

import jax
import jax.numpy as jnp
import pytest

import optgen
from optgen import dsl
from optgen.runtime.execution import cpu
from optgen.tools.verify import verify

pytestmark = pytest.mark.skipif(bool(cpu.unavailable()), reason=str(cpu.unavailable()))

SHAPES = {"matrix": (9, 37), "vector": (13,)}


def decayed(p):
    return {name: name == "matrix" for name in p}


@dsl.rule
def decayed_momentum(g, p, *, rate, mask: dsl.Mask = None):
    """Leaves that begin otherwise, and whose updates end alike."""
    m = dsl.state("m")
    m.next = 0.9 * m + (g if mask is False else g + 0.1 * p)
    return -rate * m.next / dsl.norm(m.next)


@dsl.rule
def combined(g, p, *, rate):
    """A slot that is called as the parts of a statistic would be, once they are combined."""
    total_combined = dsl.state("total_combined")
    total_combined.next = 0.5 * total_combined + g
    total = dsl.sum(g)
    return -rate * total_combined.next * total


@dsl.rule
def reserved(g, p, *, rate):
    """Values that are called as arguments of emitted functions are."""
    real, param, grad = dsl.norm(g), dsl.max(p), dsl.mean(g)
    step, arrays = dsl.min(g), dsl.sum(p)
    return -rate * g * (1 + grad) / (real + dsl.abs(param)) + rate * (step + arrays) * p


@dsl.rule
def measured(g, p, *, rate):
    """A reduction over the tree of the update itself, which a statistic of the leaf scales."""
    update = -rate * g / dsl.norm(g)
    size = dsl.tree_state("size")
    size.next = dsl.global_norm(update)
    return update


@dsl.rule
def averaged(g, p, *, rate):
    """A mean of a small slot, of which each program of a GPU has a part."""
    mean = dsl.state("mean", like=dsl.mean(g, axis=-1))
    mean.next = 0.5 * mean + dsl.mean(g, axis=-1)
    return -rate * g * (1 + dsl.mean(mean))


RULES = {
    "decayed": lambda target: decayed_momentum(0.1, mask=decayed, target=target),
    "combined": lambda target: combined(0.1, target=target),
    "reserved": lambda target: reserved(0.1, target=target),
    "measured": lambda target: measured(0.1, target=target),
    "averaged": lambda target: averaged(0.1, target=target),
}


@pytest.mark.parametrize("target", ["cpu", "triton", "tpu"])
@pytest.mark.parametrize("name", RULES)
def test_they_are_as_near_the_oracle_as_can_be(name, target, monkeypatch):
    monkeypatch.setenv("OPTGEN_INTERPRET", "1")
    if (reason := optgen.runtime.execution.targets.TARGETS[target].unavailable()) is not None:
        pytest.skip(reason)
    report = verify(RULES[name], targets=(target,), leaves=SHAPES, dtypes=["float32"], steps=2)
    assert report.ok, report.failures()


def test_an_update_whose_reduction_awaits_its_last_sweep_is_left_to_xla():
    params = {name: jax.ShapeDtypeStruct(shape, jnp.float32) for name, shape in SHAPES.items()}
    tx = measured(0.1, target="cpu")
    update, step = (tx.plan(params, mode=mode).launches for mode in ("update", "step"))
    assert all("reduced over the tree" in launch.reason for launch in update)
    assert not [launch for launch in step if launch.by_xla]
