"""The stock optimizers as optgen emits them: to read, and to use without the compiler."""

from optgen_kernels.adafactor import adafactor
from optgen_kernels.adagrad import adagrad
from optgen_kernels.adam import adam
from optgen_kernels.adamw import adamw
from optgen_kernels.amsgrad import amsgrad
from optgen_kernels.lamb import lamb
from optgen_kernels.lars import lars
from optgen_kernels.lion import lion
from optgen_kernels.nadam import nadam
from optgen_kernels.nadamw import nadamw
from optgen_kernels.rmsprop import rmsprop
from optgen_kernels.sgd import sgd

__all__ = [
    "adafactor",
    "adagrad",
    "adam",
    "adamw",
    "amsgrad",
    "lamb",
    "lars",
    "lion",
    "nadam",
    "nadamw",
    "rmsprop",
    "sgd",
]
