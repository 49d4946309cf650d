"""Loads and runs what was emitted. Nothing here imports the compiler."""

from optgen.runtime.execution.package import Package
from optgen.runtime.vocabulary.hyper import Hyperparameter
from optgen.runtime.vocabulary.leaf import LeafSpec
from optgen.runtime.vocabulary.state import State
from optgen.runtime.vocabulary.unit import Guard, Scalars, Slot, Unit, Variant

__all__ = [
    "Guard",
    "Hyperparameter",
    "LeafSpec",
    "Package",
    "Scalars",
    "Slot",
    "State",
    "Unit",
    "Variant",
]
