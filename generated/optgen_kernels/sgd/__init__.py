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
    cpu,
    cpu_momentum,
    cpu_momentum_nesterov,
    tpu,
    tpu_momentum,
    tpu_momentum_nesterov,
    triton,
    triton_momentum,
    triton_momentum_nesterov,
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
    units=(
        (
            {"momentum": None, "nesterov": False, "accumulator_dtype": None},
            xla.UNIT,
            cpu.NATIVE,
            triton.KERNELS,
            tpu.KERNELS,
        ),
        (
            {"nesterov": False, "accumulator_dtype": None},
            xla_momentum.UNIT,
            cpu_momentum.NATIVE,
            triton_momentum.KERNELS,
            tpu_momentum.KERNELS,
        ),
        (
            {"nesterov": True, "accumulator_dtype": None},
            xla_momentum_nesterov.UNIT,
            cpu_momentum_nesterov.NATIVE,
            triton_momentum_nesterov.KERNELS,
            tpu_momentum_nesterov.KERNELS,
        ),
    ),
    doc=__doc__,
)
