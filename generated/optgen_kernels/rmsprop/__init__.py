"""RMSProp (Tieleman and Hinton, 2012, Coursera lecture 6.5).

Hyperparameters:
  learning_rate: the size of a step, or a schedule of it.
  decay: of the second moment, for each step.
  eps: keeps the denominator from zero; in units of the gradient, squared if within the root.
  initial_scale: where the second moment begins, in units of the gradient squared.
  eps_in_sqrt: add ``eps`` within the root rather than to it.
  centered: divide by the standard deviation instead (Graves, 2013, arXiv:1308.0850).
  momentum: decay of the accumulated updates, for each step; None for none.
  nesterov: look ahead by one step.
  bias_correction: correct the moments for their start at zero.

Emitted by optgen. Needs JAX and ``optgen.runtime`` only: ``rmsprop(…)`` takes what the rule
takes, and returns an optax transformation with a fused ``step`` besides.
"""

from optgen.runtime import Hyperparameter, Package

from . import kernels, kernels_centered, kernels_momentum, xla, xla_centered, xla_momentum

rmsprop = Package(
    name="rmsprop",
    module=__name__,
    hyperparameters=(
        Hyperparameter("learning_rate", "scalar"),
        Hyperparameter("decay", "scalar", 0.9),
        Hyperparameter("eps", "scalar", 1e-08),
        Hyperparameter("initial_scale", "scalar", 0.0),
        Hyperparameter("eps_in_sqrt", "bool", True),
        Hyperparameter("centered", "bool", False),
        Hyperparameter("momentum", "scalar", None),
        Hyperparameter("nesterov", "bool", False),
        Hyperparameter("bias_correction", "bool", False),
    ),
    modules=(
        (
            {
                "eps_in_sqrt": True,
                "centered": False,
                "momentum": None,
                "nesterov": False,
                "bias_correction": False,
            },
            xla.MODULE,
            *kernels.KERNELS,
        ),
        (
            {
                "eps_in_sqrt": True,
                "centered": True,
                "momentum": None,
                "nesterov": False,
                "bias_correction": False,
            },
            xla_centered.MODULE,
            *kernels_centered.KERNELS,
        ),
        (
            {"eps_in_sqrt": True, "centered": False, "nesterov": False, "bias_correction": False},
            xla_momentum.MODULE,
            *kernels_momentum.KERNELS,
        ),
    ),
    doc=__doc__,
)
