"""AdamW (Loshchilov and Hutter, 2019, arXiv:1711.05101).

Hyperparameters:
  learning_rate: the size of a step, or a schedule of it.
  b1: decay of the first moment, for each step.
  b2: decay of the second moment, for each step.
  eps: added to the denominator, in units of the gradient.
  eps_root: added below the root, in units of the gradient squared.
  mu_dtype: what ``mu`` is stored in; None for the parameter's dtype.
  weight_decay: what is taken off for each unit of the parameter, times the learning rate; or a
    schedule of it.
  mask: the leaves that decay: None or True for all, or a tree of bools, a prefix of one, or a
    function from the parameters to one.
  nesterov: look ahead by one step (Dozat, 2016).

Departs from optax where ``mu_dtype`` is narrow: see ``scale_by_adam``.

Emitted by optgen. Needs JAX and ``optgen.runtime`` only: ``adamw(…)`` takes what the rule
takes, and returns an optax transformation with a fused ``step`` besides.
"""

from optgen.runtime import Hyperparameter, Package

from . import kernels, xla

adamw = Package(
    name="adamw",
    module=__name__,
    hyperparameters=(
        Hyperparameter("learning_rate", "scalar"),
        Hyperparameter("b1", "scalar", 0.9),
        Hyperparameter("b2", "scalar", 0.999),
        Hyperparameter("eps", "scalar", 1e-08),
        Hyperparameter("eps_root", "scalar", 0.0),
        Hyperparameter("mu_dtype", "dtype", None),
        Hyperparameter("weight_decay", "scalar", 0.0001),
        Hyperparameter("mask", "mask", None),
        Hyperparameter("nesterov", "bool", False),
    ),
    modules=(({"mu_dtype": None, "nesterov": False}, xla.MODULE, *kernels.KERNELS),),
    doc=__doc__,
)
