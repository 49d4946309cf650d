"""Adagrad (Duchi, Hazan and Singer, 2011, JMLR 12).

Hyperparameters:
  learning_rate: the size of a step, or a schedule of it.
  initial_accumulator_value: where the sum of squares begins.
  eps: added below the root, in units of the gradient squared.

Emitted by optgen. Needs JAX and ``optgen.runtime`` only: ``adagrad(…)`` takes what the rule
takes, and returns an optax transformation with a fused ``step`` besides.
"""

from optgen.runtime import Hyperparameter, Package

from . import kernels, xla

adagrad = Package(
    name="adagrad",
    module=__name__,
    hyperparameters=(
        Hyperparameter("learning_rate", "scalar"),
        Hyperparameter("initial_accumulator_value", "scalar", 0.1),
        Hyperparameter("eps", "scalar", 1e-07),
    ),
    modules=(({}, xla.MODULE, *kernels.KERNELS),),
    doc=__doc__,
)
