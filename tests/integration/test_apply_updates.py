"""update and apply_updates in one jit, as people run them: what XLA makes of ours and optax's."""

import jax
import jax.numpy as jnp
import optax
import pytest

import optgen
from optgen.runtime.execution import cpu
from optgen.zoo import STOCK

SHAPES = [(512, 512), (512,), (256, 512), (3, 3, 64, 64), (7,), ()]
ONE_SWEEP = ("sgd", "adam", "adamw", "nadam", "nadamw", "amsgrad", "lion", "rmsprop", "adagrad")
KERNELS = "optgen_cpu"

pytestmark = pytest.mark.skipif(bool(cpu.unavailable()), reason=str(cpu.unavailable()))


def compiled(tx):
    """The applied update of an optimizer, with parameters and state donated."""
    params = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in SHAPES]

    def applied(params, state, grads):
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    state = jax.eval_shape(tx.init, params)
    return jax.jit(applied, donate_argnums=(0, 1)).lower(params, state, params).compile()


def make(library, name, **options):
    if name == "clipped adamw":
        chained = [library.clip_by_global_norm(1.0), library.adamw(1e-3)]
        return library.chain(*chained, **options)
    return getattr(library, name)(1e-3, **options)


@pytest.mark.parametrize("name", [*sorted(STOCK), "clipped adamw"])
def test_no_more_memory_than_optax(name):
    ours, theirs = compiled(make(optgen, name, target="cpu")), compiled(make(optax, name))
    memory, reference = ours.memory_analysis(), theirs.memory_analysis()
    # Scalars of a step, and the statistics of leaves, are a few kilobytes.
    assert memory.temp_size_in_bytes <= reference.temp_size_in_bytes + (64 << 10)
    assert memory.alias_size_in_bytes >= reference.alias_size_in_bytes
    assert (KERNELS in ours.as_text()) == (name not in ONE_SWEEP)


@pytest.mark.parametrize("name", ["lamb", "adafactor", "clipped adamw"])
def test_kernels_read_what_the_last_sweep_needs_and_write_no_updates(name):
    """Results of custom calls are statistics and slots, and never a tree of updates."""
    tx = make(optgen, name, target="cpu")
    params = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in SHAPES]
    plan = tx.plan(params, mode="update")
    launched = [k for x in plan.launches if not x.by_xla for run in x.runs for k in run.kernels]
    assert launched
    for kernel in launched:
        written = {x.name for x in kernel.operands if x.written and x.large}
        assert written <= {"mu", "nu", "v"}, kernel.function
    ours, theirs = (compiled(x).as_text().count(" copy(") for x in (tx, make(optax, name)))
    assert ours <= theirs
