"""Loads and runs what was emitted. Nothing here imports the compiler."""

from optgen.runtime.hyper import Hyperparameter
from optgen.runtime.leaf import LeafSpec
from optgen.runtime.package import Package
from optgen.runtime.state import State
from optgen.runtime.unit import Guard, Scalars, Slot, Unit, Variant

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
