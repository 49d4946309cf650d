"""Scalar functions: doubles for Python numbers, JAX for JAX values."""

import math

import jax
import jax.numpy as jnp
import pytest

from optgen.runtime.execution import scalar

VALUES = {
    "sqrt": (2.0,),
    "cbrt": (2.0,),
    "exp": (0.3,),
    "log": (0.3,),
    "log1p": (0.3,),
    "expm1": (0.3,),
    "tanh": (0.3,),
    "sin": (0.3,),
    "cos": (0.3,),
    "atan2": (0.3, -2.0),
    "sign": (-0.3,),
    "maximum": (0.3, 0.4),
    "minimum": (0.3, 0.4),
    "floor": (-0.3,),
    "round": (2.5,),
    "divide": (1.0, 3.0),
    "power": (0.9, 2.5),
    "rsqrt": (3.0,),
}


@pytest.mark.parametrize("name", VALUES)
def test_numbers_stay_doubles_and_arrays_stay_arrays(name):
    function, args = getattr(scalar, name), VALUES[name]
    number = function(*args)
    assert type(number) is float
    array = jax.jit(function)(*map(jnp.float32, args))
    assert array.dtype == jnp.float32
    assert float(array) == pytest.approx(number, rel=1e-6)


def test_what_python_raises_for_has_an_ieee_answer():
    assert scalar.divide(1.0, 0.0) == math.inf
    assert math.isnan(scalar.divide(0.0, 0.0))
    assert math.isnan(scalar.sqrt(-1.0))
    assert scalar.power(2, -1) == 0.5
    assert math.isnan(scalar.power(-8.0, 1 / 3))


def test_truth_is_logical_for_numbers_and_arrays():
    for one, zero in ((True, False), (jnp.bool_(True), jnp.bool_(False))):
        assert bool(scalar.logical_and(one, zero)) is False
        assert bool(scalar.logical_or(one, zero)) is True
        assert bool(scalar.logical_not(zero)) is True
        assert float(scalar.where(one, 1.0, 2.0)) == 1.0
