"""The plans of the stock rules compute what the rules mean."""

import jax
import jax.numpy as jnp
import pytest

import optgen
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


@pytest.mark.parametrize("mode", ["step", "update"])
@pytest.mark.parametrize("on", ["h200", "v5e"])
@pytest.mark.parametrize("name", RULES)
def test_stock_rules(name, on, mode):
    tree = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in SHAPES]
    tree.append(jax.ShapeDtypeStruct((4, 5), jnp.bfloat16))
    assert_same(RULES[name].plan(tree, on, mode))
