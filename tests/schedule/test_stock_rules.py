"""The launch lists of the stock rules compute what the rules mean."""

import jax
import jax.numpy as jnp
import pytest

import optgen
from optgen.compile import dtypes_of, lower
from tests.schedule.planning import CPU, ON_CHIP, Leaf, plan
from tests.schedule.running import assert_same

SHAPES = [(), (7,), (5, 3), (3, 5), (2, 4, 5), (5, 2, 4), (0,), (3, 0), (3, 2, 4, 5)]
PLAIN = ("sgd", "adam", "adamw", "nadam", "nadamw", "amsgrad", "lion", "rmsprop", "adagrad")
PLAIN = (*PLAIN, "lamb", "lars")
RULES = {name: getattr(optgen, name)(1e-3) for name in PLAIN} | {
    "sgd with momentum": optgen.sgd(1e-3, momentum=0.9, nesterov=True),
    "centered rmsprop": optgen.rmsprop(1e-3, centered=True, momentum=0.9),
    "adafactor": optgen.adafactor(1e-3, min_dim_size_to_factor=3),
    "adafactor with everything": optgen.adafactor(
        1e-3, min_dim_size_to_factor=3, momentum=0.9, weight_decay_rate=1e-3
    ),
    "clipped adamw": optgen.chain(optgen.clip_by_global_norm(1.0), optgen.adamw(1e-3)),
    "clipped adafactor": optgen.chain(
        optgen.clip_by_global_norm(1.0), optgen.adafactor(1e-3, min_dim_size_to_factor=3)
    ),
    "lamb, then clipped": optgen.chain(optgen.lamb(1e-3), optgen.clip_by_global_norm(1.0)),
}


def planned(tx, tree, on, mode):
    """The plan of a tree, from what the compiler lowers."""
    specs = tx.trees.specs(tree)
    lowered, placements = lower(tx.instance.composition, specs)
    programs = [lowered.program(v, mode) for v in range(len(lowered.variants))]
    leaves = [
        Leaf(str(spec.shape), spec.shape, dtypes_of(spec, lowered.variants[v]), v, groups)
        for spec, (v, groups) in ((spec, placements[spec]) for spec in specs)
    ]
    return plan(programs, leaves, on, mode)


@pytest.mark.parametrize("mode", ["step", "update"])
@pytest.mark.parametrize("name", RULES)
def test_stock_rules(name, mode):
    tree = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in SHAPES]
    tree.append(jax.ShapeDtypeStruct((4, 5), jnp.bfloat16))
    for on in ("h200", CPU, ON_CHIP):
        assert_same(planned(RULES[name], tree, on, mode))
    wide = [jax.ShapeDtypeStruct(shape, jnp.float64) for shape in SHAPES if 0 not in shape]
    with jax.enable_x64(True):
        assert_same(planned(RULES[name], wide, "h200", mode), tile=2, exact=False)
