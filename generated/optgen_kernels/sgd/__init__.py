"""Gradient descent (Robbins and Monro, 1951), with momentum (Polyak, 1964).

Hyperparameters:
  learning_rate: the size of a step, or a schedule of it.
  momentum: decay of the accumulated gradient, for each step; None for none.
  nesterov: look ahead by one step (Sutskever et al., 2013, ICML 28).
  accumulator_dtype: what ``trace`` is stored in; None for the parameter's dtype.

Emitted by optgen. Needs JAX and ``optgen.runtime`` only: ``sgd(…)`` takes what the rule
takes, and returns an optax transformation with a fused ``step`` besides.
"""

from optgen.runtime import Hyperparameter, Package

from . import (
    kernels,
    kernels_momentum,
    kernels_momentum_nesterov,
    xla,
    xla_momentum,
    xla_momentum_nesterov,
)

sgd = Package(
    name="sgd",
    module=__name__,
    hyperparameters=(
        Hyperparameter("learning_rate", "scalar"),
        Hyperparameter("momentum", "scalar", None),
        Hyperparameter("nesterov", "bool", False),
        Hyperparameter("accumulator_dtype", "dtype", None),
    ),
    modules=(
        (
            {"momentum": None, "nesterov": False, "accumulator_dtype": None},
            xla.MODULE,
            *kernels.KERNELS,
        ),
        (
            {"nesterov": False, "accumulator_dtype": None},
            xla_momentum.MODULE,
            *kernels_momentum.KERNELS,
        ),
        (
            {"nesterov": True, "accumulator_dtype": None},
            xla_momentum_nesterov.MODULE,
            *kernels_momentum_nesterov.KERNELS,
        ),
    ),
    doc=__doc__,
)
