"""Lion (Chen et al., 2023, arXiv:2302.06675).

Hyperparameters:
  learning_rate: the size of a step, or a schedule of it.
  b1: weight of the momentum in the direction.
  b2: decay of the momentum, for each step.
  mu_dtype: what ``mu`` is stored in; None for the parameter's dtype.
  weight_decay: what is taken off for each unit of the parameter, times the learning rate; or a
    schedule of it.
  mask: the leaves that decay: None or True for all, or a tree of bools, a prefix of one, or a
    function from the parameters to one.

Departs from optax where ``mu_dtype`` is narrow: see ``scale_by_adam``.

Emitted by optgen. Needs JAX and ``optgen.runtime`` only: ``lion(…)`` takes what the rule
takes, and returns an optax transformation with a fused ``step`` besides.
"""

from optgen.runtime import Hyperparameter, Package

from . import kernels, xla

lion = Package(
    name="lion",
    module=__name__,
    hyperparameters=(
        Hyperparameter("learning_rate", "scalar"),
        Hyperparameter("b1", "scalar", 0.9),
        Hyperparameter("b2", "scalar", 0.99),
        Hyperparameter("mu_dtype", "dtype", None),
        Hyperparameter("weight_decay", "scalar", 0.001),
        Hyperparameter("mask", "mask", None),
    ),
    modules=(({"mu_dtype": None}, xla.MODULE, *kernels.KERNELS),),
    doc=__doc__,
)
