"""Loads and runs what was emitted, without the compiler.

``vocabulary`` is data: emitted modules, kernel sequences, launch lists, leaves, state.
``execution`` executes it: a folder for each target, and the cache of compiled files.
"""

from optgen.runtime.execution import arrays, scalar
from optgen.runtime.execution.package import Package
from optgen.runtime.vocabulary.hyper import Hyperparameter
from optgen.runtime.vocabulary.leaf import LeafSpec
from optgen.runtime.vocabulary.module import (
    Guard,
    Module,
    Scalars,
    Slot,
    Variant,
    read_kernels,
)
from optgen.runtime.vocabulary.state import State

__all__ = [
    "Guard",
    "Hyperparameter",
    "LeafSpec",
    "Module",
    "Package",
    "Scalars",
    "Slot",
    "State",
    "Variant",
    "arrays",
    "read_kernels",
    "scalar",
]
