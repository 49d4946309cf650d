"""LAMB (You et al., 2020, arXiv:1904.00962).

Hyperparameters:
  learning_rate: the size of a step, or a schedule of it.
  b1: decay of the first moment, for each step.
  b2: decay of the second moment, for each step.
  eps: added to the denominator, in units of the gradient.
  eps_root: added below the root, in units of the gradient squared.
  weight_decay: what is taken off for each unit of the parameter, times the learning rate; or a
    schedule of it.
  mask: the leaves that decay: None or True for all, or a tree of bools, a prefix of one, or a
    function from the parameters to one.

Emitted by optgen. Needs JAX and ``optgen.runtime`` only: ``lamb(…)`` takes what the rule
takes, and returns an optax transformation with a fused ``step`` besides.
"""

from optgen.runtime import Hyperparameter, Package

from . import kernels, xla

lamb = Package(
    name="lamb",
    module=__name__,
    hyperparameters=(
        Hyperparameter("learning_rate", "scalar"),
        Hyperparameter("b1", "scalar", 0.9),
        Hyperparameter("b2", "scalar", 0.999),
        Hyperparameter("eps", "scalar", 1e-06),
        Hyperparameter("eps_root", "scalar", 0.0),
        Hyperparameter("weight_decay", "scalar", 0.0),
        Hyperparameter("mask", "mask", None),
    ),
    modules=(({}, xla.MODULE, *kernels.KERNELS),),
    doc=__doc__,
)
