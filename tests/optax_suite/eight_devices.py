"""optax's tests of shardings, which need eight devices: run by ``test_whole.py``."""

import jax
import pytest

from tests.optax_suite.harness import cases, run


@pytest.mark.parametrize("test", cases(["_src.sharding_test"]))
def test_of_optax(test):
    assert jax.device_count() == 8
    run(test)
