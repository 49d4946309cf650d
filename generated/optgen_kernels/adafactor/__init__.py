"""Adafactor (Shazeer and Stern, 2018, arXiv:1804.04235).

Hyperparameters:
  learning_rate: the size of a step, or a schedule of it; None for 1.
  min_dim_size_to_factor: length of the second largest axis from which on a leaf is factored.
  decay_rate: exponent of the second moment's decay, ``1 - t**-decay_rate`` at step t.
  decay_offset: subtracted from the step, to fine-tune from a checkpoint.
  multiply_by_parameter_scale: take steps in proportion to the parameter's root mean square.
  clipping_threshold: the largest root mean square of a leaf's update; None for any.
  momentum: decay of the average of the updates, for each step; None for none.
  dtype_momentum: what that average is stored in; None for the parameter's dtype.
  weight_decay_rate: what is taken off for each unit of the parameter, or a schedule of it; not
    times the learning rate.
  eps: added to the squared gradient.
  factored: factor at all.
  weight_decay_mask: the leaves that decay; see ``add_decayed_weights``.

Departs from optax in how the state is stored: see ``scale_by_factored_rms``.

Emitted by optgen. Needs JAX and ``optgen.runtime`` only: ``adafactor(…)`` takes what the rule
takes, and returns an optax transformation with a fused ``step`` besides.
"""

from optgen.runtime import Hyperparameter, Package

from . import kernels, kernels_momentum, xla, xla_momentum

adafactor = Package(
    name="adafactor",
    module=__name__,
    hyperparameters=(
        Hyperparameter("learning_rate", "scalar", None),
        Hyperparameter("min_dim_size_to_factor", "int", 128),
        Hyperparameter("decay_rate", "scalar", 0.8),
        Hyperparameter("decay_offset", "scalar", 0.0),
        Hyperparameter("multiply_by_parameter_scale", "bool", True),
        Hyperparameter("clipping_threshold", "scalar", 1.0),
        Hyperparameter("momentum", "scalar", None),
        Hyperparameter("dtype_momentum", "dtype", "float32"),
        Hyperparameter("weight_decay_rate", "scalar", None),
        Hyperparameter("eps", "scalar", 1e-30),
        Hyperparameter("factored", "bool", True),
        Hyperparameter("weight_decay_mask", "mask", None),
    ),
    modules=(
        (
            {
                "min_dim_size_to_factor": 128,
                "multiply_by_parameter_scale": True,
                "momentum": None,
                "dtype_momentum": "float32",
                "weight_decay_rate": None,
                "factored": True,
            },
            xla.MODULE,
            *kernels.KERNELS,
        ),
        (
            {
                "min_dim_size_to_factor": 128,
                "multiply_by_parameter_scale": True,
                "dtype_momentum": "float32",
                "weight_decay_rate": None,
                "factored": True,
            },
            xla_momentum.MODULE,
            *kernels_momentum.KERNELS,
        ),
    ),
    doc=__doc__,
)
