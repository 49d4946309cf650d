"""AMSGrad (Reddi, Kale and Kumar, 2018, arXiv:1904.09237).

Hyperparameters:
  learning_rate: the size of a step, or a schedule of it.
  b1: decay of the first moment, for each step.
  b2: decay of the second moment, for each step.
  eps: added to the denominator, in units of the gradient.
  eps_root: added below the root, in units of the gradient squared.
  mu_dtype: what ``mu`` is stored in; None for the parameter's dtype.
  bias_correction_mu: correct the first moment for its start at zero.
  bias_correction_nu: correct the second moment, before the maximum is taken.

Departs from optax where ``mu_dtype`` is narrow: see ``scale_by_adam``.

Emitted by optgen. Needs JAX and ``optgen.runtime`` only: ``amsgrad(…)`` takes what the rule
takes, and returns an optax transformation with a fused ``step`` besides.
"""

from optgen.runtime import Hyperparameter, Package

from . import kernels, xla

amsgrad = Package(
    name="amsgrad",
    module=__name__,
    hyperparameters=(
        Hyperparameter("learning_rate", "scalar"),
        Hyperparameter("b1", "scalar", 0.9),
        Hyperparameter("b2", "scalar", 0.999),
        Hyperparameter("eps", "scalar", 1e-08),
        Hyperparameter("eps_root", "scalar", 0.0),
        Hyperparameter("mu_dtype", "dtype", None),
        Hyperparameter("bias_correction_mu", "bool", True),
        Hyperparameter("bias_correction_nu", "bool", True),
    ),
    modules=(
        (
            {"mu_dtype": None, "bias_correction_mu": True, "bias_correction_nu": True},
            xla.MODULE,
            *kernels.KERNELS,
        ),
    ),
    doc=__doc__,
)
