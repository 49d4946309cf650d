"""LARS (You, Gitman and Ginsburg, 2017, arXiv:1708.03888).

Hyperparameters:
  learning_rate: the size of a step, or a schedule of it.
  weight_decay: what is added to the gradient for each unit of the parameter, or a schedule.
  weight_decay_mask: the leaves that decay; see ``add_decayed_weights``.
  trust_coefficient: what the ratio of the norms is multiplied by.
  eps: added to the gradient's norm, in its units.
  trust_ratio_mask: the leaves that are scaled; as ``weight_decay_mask``.
  momentum: decay of the accumulated updates, for each step.
  nesterov: look ahead by one step.

Emitted by optgen. Needs JAX and ``optgen.runtime`` only: ``lars(…)`` takes what the rule
takes, and returns an optax transformation with a fused ``step`` besides.
"""

from optgen.runtime import Hyperparameter, Package

from . import kernels, xla

lars = Package(
    name="lars",
    module=__name__,
    hyperparameters=(
        Hyperparameter("learning_rate", "scalar"),
        Hyperparameter("weight_decay", "scalar", 0.0),
        Hyperparameter("weight_decay_mask", "mask", True),
        Hyperparameter("trust_coefficient", "scalar", 0.001),
        Hyperparameter("eps", "scalar", 0.0),
        Hyperparameter("trust_ratio_mask", "mask", True),
        Hyperparameter("momentum", "scalar", 0.9),
        Hyperparameter("nesterov", "bool", False),
    ),
    modules=(({"nesterov": False}, xla.MODULE, *kernels.KERNELS),),
    doc=__doc__,
)
