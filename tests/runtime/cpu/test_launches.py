"""Launch lists of the ``cpu`` target: how many leaves a custom call takes, and in which order."""

import jax
import pytest

import optgen
from optgen.runtime.execution.cpu import TARGET
from optgen.runtime.execution.cpu import executor as cpu_executor
from optgen.runtime.vocabulary.machine import Limits
from tests.schedule.planning import CPU
from tests.targets import CHAIN, make

LEAVES = [jax.ShapeDtypeStruct((8,) if i % 2 else (130, 140), "float32") for i in range(500)]


@pytest.mark.parametrize("updated", [1, 7, 90, 450, None])
@pytest.mark.parametrize("name", ["adafactor", "adamw", CHAIN])
def test_leaves_stay_in_order_whatever_a_call_may_update(name, updated):
    planned = make(name, "cpu").plan(LEAVES, CPU)
    launches = TARGET.launches(planned.leaves, Limits(updated=updated))
    for phase in {launch.phase for launch in launches}:
        runs = [run.leaf for launch in launches if launch.phase == phase for run in launch.runs]
        assert runs == list(range(len(LEAVES)))
    last = max(launch.phase for launch in launches)
    sizes = [len(launch.runs) for launch in launches if launch.phase == last]
    assert (max(sizes) == 500) == (updated is None)
    assert (max(sizes) == 1) == (updated == 1)


@pytest.mark.parametrize("name", ["adafactor", "adamw", "lamb", CHAIN])
def test_a_call_updates_no_more_arrays_than_the_limit(name, monkeypatch):
    aliases = []

    def call(key, plan, arguments, results, aliased):
        aliases.append(len(aliased))
        return [jax.numpy.zeros(x.shape, x.dtype) for x in results]

    monkeypatch.setattr(cpu_executor, "call", call)
    tx = make(name, "cpu")
    state = jax.eval_shape(tx.init, LEAVES)
    jax.clear_caches()
    jax.jit(lambda p, s, g: tx.step(p, s, grads=g)).lower(LEAVES, state, LEAVES)
    limit = TARGET.limits().updated
    assert len(aliases) > 2
    assert max(aliases) <= limit
    assert max(aliases) > limit - 4


def test_the_leaves_of_a_small_model_share_a_call():
    planned = optgen.adamw(1e-3, target="cpu").plan(LEAVES[:148], CPU)
    assert [len(launch.runs) for launch in planned.launches] == [148]
